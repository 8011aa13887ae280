"""GitHub Classroom: the output `result` of a grader step, which its reporter reads.

Source: the reporter's and the graders' own format, version 1 (read in 2026). The reporter gets the
result in an environment variable, and Linux takes at most 128 KiB for one.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

from grader.platforms import sizing, words
from grader.platforms.checking import Problems, is_finite, read_object
from grader.platforms.platform import NOT_JUDGED, SORRY, Circumstances, Delivery, Places, Platform
from grader.platforms.scores import whole
from grader.text import printable

if TYPE_CHECKING:
    from grader.model import Finding, Report

MOST_BYTES = 96 << 10
"""Of JSON: as base64 it then has exactly 128 KiB, less the few bytes of the variable's name."""
_JSON_BYTES = MOST_BYTES - 1024
_STATUS = {"passed": "pass", "informational": "pass", "failed": "fail", "skipped": "fail"}
STATUSES = ("pass", "fail", "error")


class Test(TypedDict):
    """One row of the reporter's table."""

    name: str
    status: str
    score: int
    message: str
    test_code: str
    filename: str
    line_no: int
    duration: float


class Result(TypedDict):
    """The whole: `tests` must be there, or the reporter crashes and posts nothing."""

    version: int
    status: str
    max_score: int
    tests: list[Test]


def result(report: "Report", room: sizing.Room) -> Result:
    """Return a report in the reporter's form; the student's score is the sum of the tests'."""
    tests = [_test(finding, report, room) for finding in sizing.first(report, room)]
    _explain(tests, report, room)
    score = min(whole(report.score), whole(report.max_score))
    missing = score - sum(test["score"] for test in tests)
    if missing or not tests:  # a view without findings, or more of them than there is room for
        status = "pass" if report.verdict == "accepted" else "fail"
        for test in tests if missing < 0 else ():
            test["score"] = 0
        tests.append(_row("Score", status, score if missing < 0 else missing, ""))
    passed = report.verdict == "accepted"
    return Result(
        version=1,
        status="pass" if passed else "fail",
        max_score=whole(report.max_score),
        tests=tests,
    )


def encode(found: Result) -> bytes:
    """Return the value of the step's output `result`: base64 on one line."""
    return base64.b64encode(sizing.to_json(found)) + b"\n"


def render(report: "Report", circumstances: Circumstances) -> Delivery:
    """Render a report; an error of ours is no grade: the step fails, and nothing is posted."""
    if report.verdict == "internal_error":
        return not_judged(circumstances)
    most = 4 * _JSON_BYTES // 3
    return Delivery(
        document=sizing.fitted(lambda room: encode(result(report, room)), most),
    )


def not_judged(circumstances: Circumstances) -> Delivery:
    """Return the result of an error of ours."""
    row = _row("Grading", "error", 0, SORRY)
    return Delivery(
        document=encode(Result(version=1, status="error", max_score=0, tests=[row])),
        exit_code=NOT_JUDGED,
    )


def validate(document: bytes, beside: Mapping[str, bytes]) -> list[str]:
    """Name every rule that a result breaks; takes base64, or the JSON inside it."""
    problems = Problems()
    data = document.strip()
    if not data.startswith(b"{"):
        if len(data) > 4 * MOST_BYTES // 3:
            problems.append(f"it has {len(data)} bytes; an environment variable holds 131072")
        try:
            data = base64.b64decode(data, validate=True)
        except binascii.Error as error:
            return [*problems, f"it is neither JSON nor base64 on one line: {error}"]
    found = read_object(data, problems, most_bytes=MOST_BYTES)
    if found is None:
        return problems
    if found.get("version") != 1 or isinstance(found.get("version"), bool):
        problems.append("version must be 1")
    problems.one_of(found, "status", STATUSES, required=True)
    problems.integer(found, "max_score", required=True)
    total = 0.0
    for where, test in problems.objects(found, "tests", required=True):
        problems.text(test, "name", where, required=True)
        problems.one_of(test, "status", STATUSES, where, required=True)
        problems.number(test, "score", where, least=0, required=True)
        for key in ("message", "test_code", "filename"):
            problems.text(test, key, where)
        problems.integer(test, "line_no", where)
        problems.number(test, "duration", where, least=0)
        score = test.get("score")
        total += score if isinstance(score, (int, float)) and is_finite(score) else 0
    if isinstance(found.get("max_score"), int) and total > found["max_score"]:
        problems.append(f"the tests' scores add up to {total:g}, more than max_score")
    if found.get("tests") == []:
        problems.append("tests is empty; the reporter shows no score then")
    return problems


def _test(finding: "Finding", report: "Report", room: sizing.Room) -> Test:
    score = min(whole(finding.points), whole(finding.max_points))
    line = finding.evidence.get("line")
    row = _row(
        words.title(finding), _STATUS[finding.status], score, words.message(finding, room.message)
    )
    if type(line) is int and 0 < line < 1 << 31:
        row["line_no"] = line
        row["filename"] = printable(report.submission.name, words.NAME_LIMIT)
    return row


def _explain(tests: list[Test], report: "Report", room: sizing.Room) -> None:
    """Say in the first test that failed what the mistake most likely is: nothing else is shown."""
    said = [line.rstrip(".") for line in words.diagnosis(report.diagnosis)]
    failed = next((test for test in tests if test["status"] == "fail"), None)
    if said and failed is not None and room.message:
        told = printable(". ".join(said) + ".", room.message)
        failed["message"] = f"{failed['message']} {told}".strip()


def _row(name: str, status: str, score: int, message: str) -> Test:
    return Test(
        name=name,
        status=status,
        score=score,
        message=message,
        test_code="",
        filename="",
        line_no=0,
        duration=0.0,
    )


PLATFORM = Platform(
    name="github",
    title="GitHub Classroom",
    places=Places(submission=".", result=None, settings=""),
    budget_s=540,  # a classroom test is given 10 minutes
    render=render,
    not_judged=not_judged,
    validate=validate,
)
