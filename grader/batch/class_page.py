"""Write class.html: what a class got right and wrong, as one page that needs nothing else."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from grader.batch.entry import Row, Student
from grader.batch.reports import STAFF, STUDENTS
from grader.batch.tally import Tally
from grader.model import Exercise
from grader.report.html.frame import environment, style_of
from grader.report.html.histogram import binned, histogram
from grader.report.html.words import VERDICTS, Said

PAGE = "class.html"


class Link(NamedTuple):
    """Whose submission, and the name of its reports."""

    who: str
    report: str


class Alike(NamedTuple):
    """Submissions that are near-identical: two, or more where the same source was sent.

    Attributes:
        likeness: 0 to 1.
        identical: the same bytes, not only the same skeleton.
        more: how many others there are that are not named.
    """

    likeness: float
    rows: list[Link]
    identical: bool = False
    more: int = 0


def write_class_page(
    folder: Path,
    exercise: Exercise,
    rows: Callable[[], Iterable[Row]],
    *,
    alike: Sequence[Alike],
    absent: Sequence[Student],
    repeated: Sequence[Student],
    ignored: Sequence[str],
    strangers: Sequence[str],
) -> None:
    """Write the page; rows are gone through twice, and only one is in memory at a time.

    Args:
        rows: makes an iterator over all of them, in the order to be listed.
        alike: near-identical ones, the most alike first.
        absent: students of the roster without a submission.
        repeated: students with several submissions.
        ignored: files that were no submission.
        strangers: submissions of nobody in the roster.
    """
    tally = Tally(exercise.rubric)
    for row in rows():
        tally.add(row)
    facts: dict[str, Any] = {
        "exercise": exercise,
        "tally": tally,
        "total": tally.verdicts.total(),
        "verdicts": _verdicts(tally),
        "histogram": histogram(binned(tally.scores, tally.max_score)) if tally.graded else None,
        "rows": rows(),
        "alike": alike,
        "absent": absent,
        "repeated": repeated,
        "ignored": ignored,
        "strangers": strangers,
        "said_of": VERDICTS,
        "staff": STAFF,
        "students": STUDENTS,
    }
    templates = environment()
    partial = folder / f".{PAGE}.partial"
    template = templates.get_template("class.html.j2")
    with open(partial, "w", encoding="utf-8", errors="backslashreplace") as file:
        for part in template.generate(facts, **style_of(templates)):
            file.write(part)
    partial.replace(folder / PAGE)


def _verdicts(tally: Tally) -> list[tuple[Said, int]]:
    """Return the verdicts that occur, in words, the best first."""
    return [(said, tally.verdicts[name]) for name, said in VERDICTS.items() if tally.verdicts[name]]
