"""Show a result for GitHub Classroom's reporter as text: the reporter itself shows no messages."""

import base64
import json
import sys
from pathlib import Path
from typing import Any

_MARKS = {"pass": "+", "fail": "-", "error": "!"}


def lines(result: dict[str, Any]) -> list[str]:
    """Return the score, then name, points and message of each test."""
    tests = result["tests"]
    total = sum(test["score"] for test in tests)
    found = [f"{total} / {result['max_score']} points"]
    for test in tests:
        found.append(f"{_MARKS[test['status']]} {test['score']:>4}  {test['name']}")
        if test["status"] != "pass" and test["message"]:
            found.append(f"        {test['message']}")
    return found


def main() -> None:
    """Read base64 from standard input; print it, and append it to the file that is named."""
    found = lines(json.loads(base64.b64decode(sys.stdin.read())))
    print("\n".join(found))
    # Indented by four it is code to Markdown: no link, no HTML, no end of a fence.
    with Path(sys.argv[1]).open("a", encoding="utf-8") as summary:
        summary.write("".join(f"    {line}\n" for line in found) + "\n")


if __name__ == "__main__":
    main()
