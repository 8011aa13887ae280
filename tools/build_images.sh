#!/usr/bin/env bash
# Build the images named in arguments, by default all, with the labels that the Dockerfile alone
# cannot know. Run by `make images`, with PYTHON set to one that has this project.
#
# PYTHON_IMAGE names the base; BUILD_FLAGS are further options of docker build.
set -euo pipefail
cd "$(dirname "$0")/.."

ask() { "${PYTHON:-python3}" -c "import grader, grader.sandbox.image as image; print($1)"; }

digest=$(ask 'image.worker_digest()')
version=$(ask 'grader.__version__')
revision=$(git rev-parse HEAD 2>/dev/null || true)
read -ra flags <<<"${BUILD_FLAGS:-}"
[ -z "${PYTHON_IMAGE:-}" ] || flags+=(--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE")

[ "$#" -gt 0 ] || set -- worker grading service
for target in "$@"; do
    docker build "${flags[@]}" --target "$target" --tag "nnx-grader-$target" \
        --build-arg "WORKER_DIGEST=$digest" \
        --build-arg "VERSION=$version" \
        --build-arg "REVISION=$revision" .
done
