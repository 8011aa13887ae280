"""Gradescope: /autograder/results/results.json.

`score` overrides the sum of the tests. Hiding any test hides the total, and `hidden` is never
revealed, so that findings are held back as `after_published`. A test with `status` and no score is
informational. A timeout of the platform's gives 0 and no results. Source: Gradescope's autograder
specification (read in 2026).
"""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from grader.platforms import sizing, words
from grader.platforms.gradescope_history import History
from grader.platforms.gradescope_holding import held_back
from grader.platforms.gradescope_rules import MOST_BYTES, validate
from grader.platforms.platform import SORRY, Circumstances, Delivery, Places, Platform
from grader.platforms.scores import clamped, fraction
from grader.text import printable

if TYPE_CHECKING:
    from grader.model import Finding, Report

_LONGEST_HOURS = 100_000.0
"""Eleven years: what is longer than a course, and within what a date can hold."""
_CPU = "CPU seconds"
_STATUS = {"passed": "passed", "failed": "failed", "skipped": "failed"}

OPTIONS: Mapping[str, Any] = {
    # Points of the whole; 0 takes the report's own, usually 100.
    "points": 0.0,
    # Findings, by id, that students see once grades are published. This hides their total as well,
    # and whatever else tells of them, of the score or of the mistake.
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
    extra_data: dict[str, Any]


def result(report: "Report", circumstances: Circumstances, room: sizing.Room) -> Result:
    """Return a report in Gradescope's form."""
    options = circumstances.options
    worth = clamped(report.max_score, 1e9)
    points = clamped(options["points"], 1e9) or worth
    factor = points / worth if worth else 0.0
    held = held_back(report, options["after_published"])
    tests = [
        _test(finding, number, factor, held, room)
        for number, finding in enumerate(sizing.first(report, room), 1)
    ]
    summary = words.summary(report, room.text)
    if held:
        status = "passed" if report.verdict == "accepted" else "failed"
        tests.insert(0, _hidden("Summary", status, summary))
        summary = "The score and what it rests on are shown once grades are published."
    found = _result(
        clamped(fraction(report) * points, points),
        summary,
        {
            "verdict": report.verdict,
            "suite_digest": printable(report.suite.digest, 64),
            **History(circumstances.metadata).handed_on(),
        },
    )
    found["tests"] = tests
    if math.isfinite(report.usage.wall_s) and report.usage.wall_s > 0 and not held:
        found["execution_time"] = round(report.usage.wall_s, 3)
    if options["leaderboard"] and not held:
        found["leaderboard"] = _leaderboard(found["score"], clamped(report.usage.worker_cpu_s, 1e9))
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
    history = History(circumstances.metadata)
    if not most or history.now is None:
        return None
    span = timedelta(hours=min(circumstances.options["hours"], _LONGEST_HOURS))
    before = history.judged_since(history.now - span)
    if len(before) < most:
        return None
    again = before[-most] + span
    hours = f"{circumstances.options['hours']:g} hours"
    limit = (
        f"at most {most} {'submission is' if most == 1 else 'submissions are'} graded in {hours}"
    )
    told = f"Not graded: {limit}. The next one is graded from {again.isoformat()} on."
    return _score_stays(circumstances, told, "over_the_limit")


def _test(
    finding: "Finding", number: int, factor: float, held: frozenset[str], room: sizing.Room
) -> Test:
    said = words.message(finding, room.message)
    row = _row(words.title(finding), str(number), _STATUS.get(finding.status, "passed"), said)
    most = clamped(finding.max_points, 1e9)
    if most > 0:
        row["score"] = clamped(clamped(finding.points, most) * factor, most * factor)
        row["max_score"] = clamped(most * factor, 1e9)
    if finding.id in held:
        row["visibility"] = "after_published"
    elif held and row["status"] == "passed":
        row["output"] = ""  # how far it was right: "up to the first wrong one"
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


def _hidden(name: str, status: str, output: str) -> Test:
    """Return a row until whose publication Gradescope hides the total as well."""
    row = _row(name, "0", status, output)
    row["visibility"] = "after_published"
    return row


def _result(score: float, output: str, facts: dict[str, Any]) -> Result:
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


def _leaderboard(score: float, cpu_s: float) -> list[Place]:
    """Return the columns; 0 CPU seconds would lead where nothing ran, or are not to be told."""
    places = [Place(name="Score", value=score, order="desc")]
    if cpu_s:
        places.append(Place(name=_CPU, value=cpu_s, order="asc"))
    return places


def _score_stays(circumstances: Circumstances, told: str, why: str) -> Delivery:
    history = History(circumstances.metadata)
    before = history.score()
    hidden = []
    if before is None:
        kept = "There is no earlier score to keep, so 0 stands here until it is graded."
    elif circumstances.options["after_published"]:
        kept = "Your previous score stays."
        hidden = [_hidden("Score", "passed", f"The previous score, {before:g}, stays.")]
    else:
        kept = f"Your previous score, {before:g}, stays."
    found = _result(before or 0.0, f"{told}\n{kept}", history.handed_on(why))
    found["tests"] = hidden
    if circumstances.options["leaderboard"] and before is not None and not hidden:
        found["leaderboard"] = _leaderboard(before, history.place(_CPU) or 0.0)
    return Delivery(document=sizing.to_json(found))


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
