"""Coursera: /shared/feedback.json, and the text that learners see in its stead.

Source: Coursera's own checks in `coursera_autograder grade local` and the README of its version 2
graders (read in 2026).
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from grader.platforms import sizing, words
from grader.platforms.checking import Problems, read_object
from grader.platforms.platform import NOT_JUDGED, SORRY, Circumstances, Delivery, Places, Platform
from grader.platforms.scores import fraction

if TYPE_CHECKING:
    from grader.model import Report

MOST_BYTES = 256 << 10
"""Ours: Coursera names no limit."""
RICH = {"TXT": "txtFeedback.txt", "HTML": "htmlFeedback.html"}
"""What feedbackType may be, and the file that it then shows in place of `feedback`."""


_PART = "partId"

OPTIONS: Mapping[str, Any] = {
    # Which exercise belongs to which part: {partId = "exercise"}. Empty: one for all of them.
    "parts": {},
}


class Feedback(TypedDict):
    """The whole of feedback.json."""

    fractionalScore: float
    feedback: str
    feedbackType: NotRequired[str]


def exercise(options: Mapping[str, Any]) -> str:
    """Return the exercise of the part that is graded, which Coursera names in the environment.

    Raises:
        ValueError: there are parts, and this one is not among them.
    """
    parts, part = options["parts"], os.environ.get(_PART, "")
    if parts and part not in parts:
        known = ", ".join(parts)
        raise ValueError(f"partId {part!r} is not among coursera.parts: {known}")
    return str(parts.get(part, ""))


def render(report: "Report", circumstances: Circumstances) -> Delivery:
    """Render a report: the score, and a text of many lines."""
    if report.verdict == "internal_error":
        return not_judged(circumstances)
    text = sizing.fitted(lambda room: _text(report, room).encode(), MOST_BYTES)
    return _delivery(fraction(report), words.headline(report), text)


def not_judged(circumstances: Circumstances) -> Delivery:
    """Return the result of an error of ours: the exit code keeps it from being a grade."""
    return _delivery(0.0, SORRY, SORRY.encode() + b"\n", NOT_JUDGED)


def validate(document: bytes, beside: Mapping[str, bytes]) -> list[str]:
    """Name every rule that a result breaks."""
    problems = Problems()
    found = read_object(document, problems, most_bytes=MOST_BYTES)
    if found is None:
        return problems
    problems.number(found, "fractionalScore", least=0, most=1, required=True)
    problems.text(found, "feedback", required=True)
    problems.one_of(found, "feedbackType", RICH)
    name = RICH.get(str(found.get("feedbackType")))
    if name is not None and not beside.get(name, b""):
        problems.append(f"feedbackType asks for {name}, which is missing or empty")
    for name, data in beside.items():
        try:
            if "\0" in data.decode("utf-8"):
                problems.append(f"{name} holds NUL")
        except UnicodeDecodeError:
            problems.append(f"{name} is not UTF-8")
    return problems


def _text(report: "Report", room: sizing.Room) -> str:
    lines = [words.summary(report, room.text), ""]
    for finding in sizing.first(report, room):
        lines.append(f"{finding.points}/{finding.max_points} {words.title(finding)}")
        if said := words.message(finding, room.message):
            lines.append(f"    {said}")
    return "\n".join(lines) + "\n"


def _delivery(score: float, headline: str, text: bytes, exit_code: int = 0) -> Delivery:
    found = Feedback(fractionalScore=score, feedback=headline, feedbackType="TXT")
    return Delivery(document=sizing.to_json(found), beside={RICH["TXT"]: text}, exit_code=exit_code)


PLATFORM = Platform(
    name="coursera",
    title="Coursera",
    places=Places(
        submission="/shared/submission",
        result="/shared/feedback.json",
        settings="/grader/grading.toml",
    ),
    budget_s=270,  # of 300 s, the least that can be chosen
    options=OPTIONS,
    render=render,
    not_judged=not_judged,
    validate=validate,
    exercise=exercise,
)
