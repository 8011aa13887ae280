#!/usr/bin/env bash
# Install the grader of this very commit on a GitHub runner, and the wall that it needs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$RUNNER_TEMP" # the repository is the student's, and may hold a venv.py

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "::error::nnx-grader needs Python 3.11 or later: use runs-on: ubuntu-24.04"
    exit 1
fi
if ! command -v bwrap >/dev/null; then
    sudo apt-get update -qq
    sudo apt-get install -y -qq bubblewrap
fi
# Ubuntu 24.04 lets nobody but root make the namespaces that bubblewrap is made of.
restricted=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
if [ -e "$restricted" ] && [ "$(cat "$restricted")" = 1 ]; then
    sudo sysctl --quiet --write kernel.apparmor_restrict_unprivileged_userns=0
fi

python3 -m venv nnx-grader
locked=(--quiet --only-binary :all: --no-deps --require-hashes)
for part in build worker grading; do
    nnx-grader/bin/python -m pip install "${locked[@]}" --requirement "$here/requirements/$part.lock"
done
nnx-grader/bin/python -m pip install --quiet --no-deps --no-build-isolation "$here"
