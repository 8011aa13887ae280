"""Write class.html: what a class got right and wrong, as one page that needs nothing else."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from grader.batch.entry import Row, Student
from grader.batch.reports import STAFF, STUDENTS
from grader.batch.tally import Tally
from grader.model import Exercise
from grader.report.html import svg
from grader.report.html.frame import environment, style_of
from grader.report.html.pictures import EXPECTED, quiet
from grader.report.html.words import VERDICTS, Said

PAGE = "class.html"
_WIDTH_PX, _HEIGHT_PX = 680, 190
_BINS = 10


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


class Bin(NamedTuple):
    """A range of scores, "90-99", and how many are in it."""

    label: str
    number: int


def write_class_page(
    folder: Path,
    exercise: Exercise,
    rows: Callable[[], Iterable[Row]],
    *,
    alike: Sequence[Alike],
    absent: Sequence[Student],
    repeated: Sequence[Student],
    ignored: Sequence[str],
) -> None:
    """Write the page; rows are gone through twice, and only one is in memory at a time.

    Args:
        rows: makes an iterator over all of them, in the order to be listed.
        alike: near-identical ones, the most alike first.
        absent: students of the roster without a submission.
        repeated: students with several submissions.
        ignored: files that were no submission.
    """
    tally = Tally(exercise.rubric)
    for row in rows():
        tally.add(row)
    bins = _binned(tally)
    facts: dict[str, Any] = {
        "exercise": exercise,
        "tally": tally,
        "total": tally.verdicts.total(),
        "verdicts": _verdicts(tally),
        "bins": bins,
        "histogram": _histogram(bins) if tally.graded else None,
        "rows": rows(),
        "alike": alike,
        "absent": absent,
        "repeated": repeated,
        "ignored": ignored,
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


def _binned(tally: Tally) -> list[Bin]:
    """Divide the scores into ranges of equal width; full marks are a range of their own."""
    width = max(1, -(-tally.max_score // _BINS))
    starts = range(0, tally.max_score, width)
    bins = []
    for start in starts:
        last = min(start + width, tally.max_score) - 1
        label = str(start) if last == start else f"{start}-{last}"
        bins.append(Bin(label, sum(tally.scores[score] for score in range(start, last + 1))))
    return [*bins, Bin(str(tally.max_score), tally.scores[tally.max_score])]


def _histogram(bins: Sequence[Bin]) -> Markup:
    """Draw how many have a score in each range."""
    with svg.settings():
        figure = svg.blank(_WIDTH_PX, _HEIGHT_PX)
        axes = figure.add_axes((0.01, 26 / _HEIGHT_PX, 0.98, 1 - 52 / _HEIGHT_PX))
        quiet(axes)
        places = range(len(bins))
        axes.bar(places, [one.number for one in bins], width=0.82, color=EXPECTED)
        axes.set_xticks(places, [one.label for one in bins])
        axes.set_yticks([])
        axes.set_xlim(-0.6, len(bins) - 0.4)
        axes.axhline(0, color=svg.INK, linewidth=0.8, alpha=0.5)
        how: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "color": svg.INK}
        for place, one in zip(places, bins, strict=True):
            if one.number:
                axes.annotate(str(one.number), (place, one.number), (0, 5), **how)
        said = "; ".join(f"{one.label}: {one.number}" for one in bins if one.number)
        return svg.inline(figure, name="scores", alt=f"Submissions by score. {said}.")
