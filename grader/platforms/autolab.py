"""Autolab: what an autograder prints; the last line is the grade.

Before it reads that line as JSON, Autolab puts every `word:` in quotation marks, inside strings
too. So no name and no string may hold a letter or digit before a colon. Source: parseAutoresult and
parseFeedback of Autolab (read in 2026).
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from grader.platforms import sizing, words
from grader.platforms.checking import Problems, read_object
from grader.platforms.platform import NOT_JUDGED, Circumstances, Delivery, Places, Platform
from grader.platforms.scores import clamped, fraction

if TYPE_CHECKING:
    from grader.model import Report

MOST_BYTES = 64 << 10
"""Output is cut at 1000 KiB, end first; the grade is its end, so little is printed."""
CUT_AT_BYTES = 1000 << 10
_REWRITTEN = re.compile(r"([A-Za-z0-9]):")
_REWRITTEN_AS_JSON = re.compile(r"([A-Za-z0-9\x00-\x1f]|[^\x00-\x7f]):")
"""In JSON a line end is `\\n` and an accented letter `\\u00e9`: both end in what is rewritten."""
_STAGE = "Findings"
# Autolab scores every handin, and the latest counts. Source: saveAutograde and latest_submission!.
_SORRY = (
    "Not judged, because the grader itself failed. This is not your fault. Autolab shows 0 until "
    "your instructor regrades this handin; an earlier one does not count in its place. "
    "You may also hand in again."
)

OPTIONS: Mapping[str, Any] = {
    # Name of the problem in the assessment, and its points; 0 takes the report's own.
    "problem": "autograded",
    "points": 0.0,
    "scoreboard": False,
}


def output(report: "Report", circumstances: Circumstances, room: sizing.Room) -> bytes:
    """Return what is printed: a text, the semantic feedback, the grade."""
    options = circumstances.options
    points = clamped(options["points"], 1e9) or clamped(report.max_score, 1e9)
    score = clamped(fraction(report) * points, points)
    grade: dict[str, Any] = {"scores": {unquoted(options["problem"]): score}}
    if options["scoreboard"]:
        grade["scoreboard"] = [score]
    text = unquoted(words.summary(report, room.text))
    lines = [text, _line(_semantic(report, room)), _line(grade)]
    return "\n".join(lines).encode() + b"\n"


def render(report: "Report", circumstances: Circumstances) -> Delivery:
    """Render a report."""
    if report.verdict == "internal_error":
        return not_judged(circumstances)
    return Delivery(
        document=sizing.fitted(lambda room: output(report, circumstances, room), MOST_BYTES)
    )


def not_judged(circumstances: Circumstances) -> Delivery:
    """Return what an error of ours gives: no grade line, and an exit code that make reports.

    Autolab then writes 0 for a new handin, released, and leaves the score of one that is regraded.
    """
    return Delivery(document=None, exit_code=NOT_JUDGED)


def unquoted(text: str) -> str:
    """Return a text that Autolab's parser leaves alone."""
    return _REWRITTEN_AS_JSON.sub(r"\1 :", text)


def validate(document: bytes, beside: Mapping[str, bytes]) -> list[str]:
    """Name every rule that an output breaks."""
    problems = Problems()
    if len(document) > CUT_AT_BYTES:
        problems.append(f"it has {len(document)} bytes; Autolab cuts at {CUT_AT_BYTES}")
    if b"\0" in document:
        problems.append("it holds NUL")
    lines = document.rstrip().split(b"\n")
    _check_grade(lines[-1], problems)
    if len(lines) > 1 and b"_presentation" in lines[-2]:
        _check_semantic(lines[-2], problems)
    return problems


def _check_grade(line: bytes, problems: Problems) -> None:
    if _REWRITTEN.search(line.decode("utf-8", "replace")):
        problems.append("the last line holds a letter or digit before a colon: it is rewritten")
    found = read_object(line, problems, most_bytes=CUT_AT_BYTES)
    if found is None:
        problems.append("the last line must be the grade")
        return
    scores = found.get("scores")
    if not isinstance(scores, dict) or not scores:
        problems.append("scores must be an object with at least one problem")
        return
    for name in scores:
        problems.number(scores, name, "scores.")
    if not isinstance(found.get("scoreboard", []), list):
        problems.append("scoreboard must be a list")


def _check_semantic(line: bytes, problems: Problems) -> None:
    found = read_object(line, problems, most_bytes=CUT_AT_BYTES)
    if found is None or found.get("_presentation") != "semantic":
        problems.append('_presentation must be "semantic"')
        return
    if _REWRITTEN.search(line.decode("utf-8", "replace")):
        problems.append("the feedback line holds a letter or digit before a colon")
    stages = found.get("stages", [])
    if not isinstance(stages, list) or not all(
        isinstance(stage, str) and isinstance(found.get(stage), dict) for stage in stages
    ):
        problems.append("stages must be a list, with an object of tests for each of its names")
        return
    for stage in stages:
        for name, test in found[stage].items():
            if not isinstance(test, dict):
                problems.append(f"{stage}.{name} must be an object")
                continue
            problems.boolean(test, "passed", f"{stage}.{name}.", required=True)
            problems.text(test, "hint", f"{stage}.{name}.")


def _semantic(report: "Report", room: sizing.Room) -> dict[str, Any]:
    tests: dict[str, Any] = {}
    for finding in sizing.first(report, room):
        name = unquoted(words.title(finding))
        name = name if name not in tests else f"{name} ({len(tests) + 1})"
        passed = finding.status in ("passed", "informational")
        hint = "" if passed else unquoted(words.message(finding, room.message))
        tests[name] = {"passed": passed, **({"hint": hint} if hint else {})}
    return {"_presentation": "semantic", "stages": [_STAGE], _STAGE: tests}


def _line(document: Any) -> str:
    return json.dumps(document, allow_nan=False)


PLATFORM = Platform(
    name="autolab",
    title="Autolab",
    places=Places(submission="submission.py", result=None, settings=""),
    budget_s=150,  # of 180 s, what an assessment starts with
    options=OPTIONS,
    render=render,
    not_judged=not_judged,
    validate=validate,
    sorry=_SORRY,
)
