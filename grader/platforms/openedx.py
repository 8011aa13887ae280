"""Open edX: the body of XQueue's put_result.

`score` is a fraction; newer servers multiply it by the maximum, without a cap. `msg` is put into
the page as XML: one root element, or the whole answer is thrown away.
"""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, TypedDict
from xml.etree import ElementTree

from grader.platforms import sizing, words
from grader.platforms.checking import Problems, read_object
from grader.platforms.platform import NOT_JUDGED, Circumstances, Delivery, Places, Platform
from grader.platforms.scores import fraction
from grader.report.verdicts import VERDICTS
from grader.text import printable

if TYPE_CHECKING:
    from grader.model import Report

MOST_BYTES = 64 << 10
_FIELDS = ("correct", "score", "msg")


class Body(TypedDict):
    """What XQueue passes on to the learning platform."""

    correct: bool
    score: float
    msg: str


def body(report: "Report", room: sizing.Room) -> Body:
    """Return the body for a report that is a grade.

    Raises:
        ValueError: it is an error of ours: nothing is put, and the job is handed out again.
    """
    if report.verdict == "internal_error":
        raise ValueError("an internal error is no result for Open edX")
    rows = [
        f"<li>{_mark(finding.status)} {escape(words.title(finding))}"
        f" ({finding.points}/{finding.max_points}) {escape(words.message(finding, room.message))}"
        "</li>"
        for finding in sizing.first(report, room)
    ]
    listed = f"<ul>{''.join(rows)}</ul>" if rows else ""
    said = escape(words.summary(report, room.text))
    return Body(
        correct=report.verdict == "accepted",
        score=fraction(report),
        msg=f"<div><pre>{said}</pre>{listed}</div>",
    )


def refusal(why: str) -> bytes:
    """Return the body for what is not looked at: 0, and what the student is to mend."""
    said = f"{VERDICTS['invalid_submission']}\n{printable(why)}"
    found = Body(correct=False, score=0.0, msg=f"<div><pre>{escape(said)}</pre></div>")
    return sizing.to_json(found)


def render(report: "Report", circumstances: Circumstances) -> Delivery:
    """Render a report; an error of ours gives no document, so that nothing is put."""
    if report.verdict == "internal_error":
        return not_judged(circumstances)
    document = sizing.fitted(lambda room: sizing.to_json(body(report, room)), MOST_BYTES)
    return Delivery(document=document)


def not_judged(circumstances: Circumstances) -> Delivery:
    """Return what an error of ours is answered with: nothing."""
    return Delivery(document=None, exit_code=NOT_JUDGED)


def validate(document: bytes, beside: Mapping[str, bytes]) -> list[str]:
    """Name every rule that a body breaks."""
    problems = Problems()
    found = read_object(document, problems, most_bytes=MOST_BYTES)
    if found is None:
        return problems
    problems.known(found, _FIELDS)
    problems.boolean(found, "correct", required=True)
    problems.number(found, "score", least=0, most=1, required=True)
    problems.text(found, "msg", required=True)
    if isinstance(found.get("msg"), str):
        problems += _of_message(found["msg"])
    return problems


def _of_message(msg: str) -> list[str]:
    if "<!" in msg or "<?" in msg:
        return ["msg holds a declaration or an instruction; elements and text only"]
    try:
        ElementTree.fromstring(msg.encode())
    except (ElementTree.ParseError, UnicodeError, ValueError) as error:
        return [f"msg must parse as XML with one root element: {error}"]
    return []


def _mark(status: str) -> str:
    marks = {"passed": "right:", "failed": "wrong:", "skipped": "not judged:"}
    return marks.get(status, "note:")


PLATFORM = Platform(
    name="openedx",
    title="Open edX (XQueue)",
    places=Places(submission="/edx/submission", result=None, settings="/edx/grading.toml"),
    budget_s=270,  # work is handed out again after 1 or 5 minutes; ask for 5
    render=render,
    not_judged=not_judged,
    validate=validate,
)
