#!/usr/bin/env bash
# Grade $SUBMISSION; set the step's output `result`, and show the same in the log and the summary.
# Exit code 3, an error of ours, ends the job before anything is reported: nobody is charged.
set -uo pipefail

grader=$RUNNER_TEMP/nnx-grader/bin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arguments=(--platform github --submission "$SUBMISSION" --feedback "$FEEDBACK")
arguments+=(--settings /dev/null) # not the grading.toml that a student may have added
[ -z "$EXERCISE" ] || arguments+=(--exercise "$EXERCISE")

# A line that begins with :: is an order to the runner; what a student wrote must be none.
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
echo "::stop-commands::$token"
result=$("$grader/grader" run "${arguments[@]}")
code=$?
if [ -n "$result" ]; then # none after a wrong option, or a kill: what was said of that stands above
    printf 'result=%s\n' "$result" >>"$GITHUB_OUTPUT"
    printf '%s' "$result" | "$grader/python" -P "$here/show.py" "${GITHUB_STEP_SUMMARY:-/dev/null}"
fi
echo "::$token::"
exit "$code"
