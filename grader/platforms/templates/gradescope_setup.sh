#!/usr/bin/env bash
# Runs once, while Gradescope builds the autograder's image: installs the grader from the wheel in
# this zip, its libraries from PyPI, and computes ahead what every grading needs.
set -euo pipefail
cd "$(dirname "$0")"

as_good() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

python=""
for name in python3.13 python3.12 python3.11 python3; do
    if command -v "$name" >/dev/null && as_good "$name"; then python=$name; break; fi
done
if [ -z "$python" ]; then
    export DEBIAN_FRONTEND=noninteractive  # else the time zone is asked for, and nobody answers
    apt-get update -qq
    for version in 3.12 3.11; do
        if apt-get install -y -qq "python$version" "python$version-venv"; then
            python=python$version
            break
        fi
    done
fi
if [ -z "$python" ]; then
    echo "no Python 3.11 or later: choose a newer base image in the autograder's settings" >&2
    exit 1
fi

"$python" -m venv /opt/nnx-grader
/opt/nnx-grader/bin/python -m pip install --quiet --no-cache-dir $WHEEL
# Another uid, the worker's, must be able to run this Python and read its libraries.
chmod -R go+rX /opt/nnx-grader
mkdir -p -m 711 /opt/nnx-grader-cache
export GRADER_CACHE=/opt/nnx-grader-cache
$WARM
