"""Gradescope: /autograder/results/results.json.

`score` overrides the sum of the tests. Hiding any test hides the total, and `hidden` is never
revealed, so that findings are held back as `after_published`. A test with `status` and no score is
informational. A timeout of the platform's gives 0 and no results. Source: Gradescope's autograder
specification and its page on submission_metadata.json (read in 2026).
"""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from grader.platforms import sizing, words
from grader.platforms.checking import Fields, Problems, read_object
from grader.platforms.platform import SORRY, Circumstances, Delivery, Places, Platform
from grader.platforms.scores import clamped, fraction
from grader.text import printable

if TYPE_CHECKING:
    from grader.model import Finding, Report

MOST_BYTES = 1 << 20
"""Ours: Gradescope names no limit."""
FORMATS = ("text", "html", "simple_format", "md", "ansi")
VISIBILITIES = ("hidden", "after_due_date", "after_published", "visible")
_OURS = "not_judged"
_LONGEST_HOURS = 100_000.0
"""Eleven years: what is longer than a course, and within what a date can hold."""
_STATUS = {"passed": "passed", "failed": "failed", "skipped": "failed"}
_RESULT_KEYS = (
    *("score", "execution_time", "output", "output_format", "test_output_format"),
    *("test_name_format", "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard"),
)
_TEST_KEYS = (
    *("score", "max_score", "status", "name", "name_format", "number", "output", "output_format"),
    *("tags", "visibility", "extra_data"),
)

OPTIONS: Mapping[str, Any] = {
    # Points of the whole; 0 takes the report's own, usually 100.
    "points": 0.0,
    # Findings, by id, that students see once grades are published. This hides their total as well.
    "after_published": [],
    "leaderboard": False,
    # At most so many graded submissions in so many hours; 0 for no limit.
    "submissions": 0,
    "hours": 24.0,
}


class Test(TypedDict):
    """One row of the results."""

    name: str
    name_format: str
    number: str
    status: NotRequired[str]
    score: NotRequired[float]
    max_score: NotRequired[float]
    output: str
    output_format: str
    visibility: str


class Place(TypedDict):
    """One column of the leaderboard."""

    name: str
    value: float
    order: NotRequired[str]


class Result(TypedDict):
    """The whole of results.json."""

    score: float
    output: str
    output_format: str
    test_output_format: str
    test_name_format: str
    stdout_visibility: str
    tests: list[Test]
    execution_time: NotRequired[float]
    leaderboard: NotRequired[list[Place]]
    extra_data: dict[str, str]


def result(report: "Report", circumstances: Circumstances, room: sizing.Room) -> Result:
    """Return a report in Gradescope's form."""
    options = circumstances.options
    worth = clamped(report.max_score, 1e9)
    points = clamped(options["points"], 1e9) or worth
    factor = points / worth if worth else 0.0
    held_back = frozenset(options["after_published"])
    tests = [
        _test(finding, number, factor, held_back, room)
        for number, finding in enumerate(sizing.first(report, room), 1)
    ]
    if report.verdict == "invalid_submission" and not any(f.message for f in report.findings):
        tests.insert(0, _row("The file can be read", "0", "failed", words.headline(report)))
    found = _result(
        clamped(fraction(report) * points, points),
        words.summary(report, room.text),
        {"verdict": report.verdict, "suite_digest": printable(report.suite.digest, 64)},
    )
    found["tests"] = tests
    if math.isfinite(report.usage.wall_s) and report.usage.wall_s > 0:
        found["execution_time"] = round(report.usage.wall_s, 3)
    if options["leaderboard"]:
        found["leaderboard"] = _leaderboard(report, found["score"])
    return found


def render(report: "Report", circumstances: Circumstances) -> Delivery:
    """Render a report; after an error of ours the previous score stays."""
    if report.verdict == "internal_error":
        return not_judged(circumstances)

    def make(room: sizing.Room) -> bytes:
        return sizing.to_json(result(report, circumstances, room))

    return Delivery(document=sizing.fitted(make, MOST_BYTES))


def not_judged(circumstances: Circumstances) -> Delivery:
    """Return the result of an error of ours: the score of the submission before."""
    return _score_stays(circumstances, SORRY, "internal_error")


def refuse(circumstances: Circumstances) -> Delivery | None:
    """Refuse a submission over the limit of attempts, by the times that Gradescope wrote down.

    The clock is never asked: a grading that was repeated a week later must come out the same.
    Submissions that were not judged do not count.
    """
    most = circumstances.options["submissions"]
    now = _time(circumstances.metadata.get("created_at"))
    if not most or now is None:
        return None
    span = timedelta(hours=min(circumstances.options["hours"], _LONGEST_HOURS))
    since = now - span
    before = [
        at
        for one in _previous(circumstances)
        if (at := _time(one.get("submission_time"))) is not None and since < at < now
        if not _was_not_judged(one)
    ]
    if len(before) < most:
        return None
    again = sorted(before)[-most] + span
    hours = f"{circumstances.options['hours']:g} hours"
    limit = (
        f"at most {most} {'submission is' if most == 1 else 'submissions are'} graded in {hours}"
    )
    told = f"Not graded: {limit}. The next one is graded from {again.isoformat()} on."
    return _score_stays(circumstances, told, "over_the_limit")


def validate(document: bytes, beside: Mapping[str, bytes]) -> list[str]:
    """Name every rule that a result breaks."""
    problems = Problems()
    found = read_object(document, problems, most_bytes=MOST_BYTES)
    if found is None:
        return problems
    problems.known(found, _RESULT_KEYS)
    problems.number(found, "score", least=0)
    problems.number(found, "execution_time", least=0)
    problems.text(found, "output")
    for key in ("output_format", "test_output_format", "test_name_format"):
        problems.one_of(found, key, FORMATS)
    for key in ("visibility", "stdout_visibility"):
        problems.one_of(found, key, VISIBILITIES)
    tests = problems.objects(found, "tests")
    for where, test in tests:
        _check_test(where, test, problems)
    if "score" not in found and not any("score" in test for _, test in tests):
        problems.append("neither score nor any test's score is there: Gradescope shows an error")
    for where, place in problems.objects(found, "leaderboard"):
        problems.text(place, "name", where, required=True)
        problems.one_of(place, "order", ("asc", "desc"), where)
        if not isinstance(place.get("value"), str):
            problems.number(place, "value", where, required=True)
    return problems


def _check_test(where: str, test: Fields, problems: Problems) -> None:
    problems.known(test, _TEST_KEYS, where)
    for key in ("name", "output"):
        problems.text(test, key, where)
    problems.number(test, "score", where)
    problems.number(test, "max_score", where, least=0)
    problems.one_of(test, "status", ("passed", "failed"), where)
    for key in ("name_format", "output_format"):
        problems.one_of(test, key, FORMATS, where)
    problems.one_of(test, "visibility", VISIBILITIES, where)
    if test.get("visibility") == "hidden":
        problems.append(f"{where}visibility hidden is never revealed; use after_published")
    if not isinstance(test.get("number", ""), str):
        problems.append(f'{where}number must be a string, such as "1.1"')
    if "score" in test and "max_score" not in test:
        problems.append(f"{where}score stands there without max_score")
    if "score" not in test and "status" not in test:
        problems.append(f"{where}has neither score nor status: nothing is shown of it")
    tags = test.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        problems.append(f"{where}tags must be a list of strings")


def _test(
    finding: "Finding", number: int, factor: float, held_back: frozenset[str], room: sizing.Room
) -> Test:
    said = words.message(finding, room.message)
    row = _row(words.title(finding), str(number), _STATUS.get(finding.status, "passed"), said)
    most = clamped(finding.max_points, 1e9)
    if most > 0:
        row["score"] = clamped(clamped(finding.points, most) * factor, most * factor)
        row["max_score"] = clamped(most * factor, 1e9)
    if finding.id in held_back:
        row["visibility"] = "after_published"
    return row


def _row(name: str, number: str, status: str, output: str) -> Test:
    return Test(
        name=name,
        name_format="text",
        number=number,
        status=status,
        output=output,
        output_format="text",
        visibility="visible",
    )


def _result(score: float, output: str, facts: dict[str, str]) -> Result:
    return Result(
        score=score,
        output=output,
        output_format="text",
        test_output_format="text",
        test_name_format="text",
        stdout_visibility="hidden",
        tests=[],
        extra_data=facts,
    )


def _leaderboard(report: "Report", score: float) -> list[Place]:
    cpu_s = clamped(report.usage.worker_cpu_s, 1e9)
    return [
        Place(name="Score", value=score, order="desc"),
        Place(name="CPU seconds", value=cpu_s, order="asc"),
    ]


def _score_stays(circumstances: Circumstances, told: str, why: str) -> Delivery:
    before = _previous_score(circumstances)
    if before is None:
        kept = "There is no earlier score to keep, so 0 stands here until it is graded."
    else:
        kept = f"Your previous score, {before:g}, stays."
    found = _result(before or 0.0, f"{told}\n{kept}", {_OURS: why})
    return Delivery(document=sizing.to_json(found))


def _previous(circumstances: Circumstances) -> list[Mapping[str, Any]]:
    listed = circumstances.metadata.get("previous_submissions")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _previous_score(circumstances: Circumstances) -> float | None:
    """Return the score of the latest earlier submission that has one."""
    scored = [
        (time, clamped(score, 1e9))
        for one in _previous(circumstances)
        if (time := _time(one.get("submission_time"))) is not None
        if (score := _number(one.get("score"))) is not None
    ]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _was_not_judged(submission: Mapping[str, Any]) -> bool:
    results = submission.get("results")
    facts = results.get("extra_data") if isinstance(results, dict) else None
    return isinstance(facts, dict) and _OURS in facts


def _time(text: Any) -> datetime | None:
    """Return a time with its zone; None for anything else."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo is not None and 1980 < time.year < 9000 else None


def _number(value: Any) -> float | None:
    """Return a finite number, also from a string such as "20.0"."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None


PLATFORM = Platform(
    name="gradescope",
    title="Gradescope",
    places=Places(
        submission="/autograder/submission",
        result="/autograder/results/results.json",
        settings="/autograder/source/grading.toml",
        metadata="/autograder/submission_metadata.json",
    ),
    budget_s=540,  # of 10 minutes
    options=OPTIONS,
    render=render,
    not_judged=not_judged,
    validate=validate,
    refuse=refuse,
    log_is_staffs=True,  # stdout_visibility says so
)
