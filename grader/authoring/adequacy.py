"""Prove an exercise: over many suites every right program is accepted, every wrong one is caught.

A wrong program is caught by a case whose answer differs by more than the bound, or else by a
finding about its structure. One that no suite catches has survived: then either it is the same
function, and must be marked `equivalent` with the reason, or the suite or the bound is too weak.
Structure that happens to tell is no excuse: without a mark, or a fixture's expected verdict that
says so, a wrong program must be caught by its values.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from grader.authoring.calibration import explain_gap, explain_silence
from grader.authoring.programs import REFERENCE, Program
from grader.authoring.sightings import STRUCTURE, Sighting
from grader.model import Deadlines, Exercise, Tolerance
from grader.questions import Questions

MOST_SECONDS = Deadlines().total_s / 2
"""What the reference may take for a suite: a right submission may be written to take twice that."""


class Row(msgspec.Struct, frozen=True):
    """How one program fared in all suites.

    Attributes:
        suites: how many it met; caught: how many of them did not accept it.
        by: what caught it, to the number of suites, the most frequent first.
        margin: smallest margin among those that caught it by a value; of a program that was always
            accepted its largest error. In units of the bound; None where only structure, an
            exception or a shape told.
        latest: largest position of a catching case.
        structural: whether structure alone may catch it.
        missed: seeds of the suites that judged it wrongly.
        told: what was wrong, in one of those suites.
        unloaded: whether it must load and did not.
        unanswered: of a misconception that answered no case of any suite, the first exception.
    """

    name: str
    kind: str
    equivalent: str
    suites: int
    caught: int
    by: dict[str, int]
    margin: float | None
    latest: int
    structural: bool
    missed: list[str]
    told: str = ""
    unloaded: bool = False
    unanswered: str = ""

    @property
    def by_values(self) -> int:
        """Number of suites in which a case caught it."""
        return sum(count for what, count in self.by.items() if not what.startswith(STRUCTURE))


class Adequacy(msgspec.Struct, frozen=True):
    """What the suites of an exercise are worth.

    Attributes:
        unfit: why cases of the suites were thrown out, to how many.
        cases: how many were asked, over all suites.
        gap: the reference's own largest error in units of what rounding explains.
        seconds: what the reference took for the slowest suite.
        left_out: families that a suite of this size has no case of.
        tolerance: the one in force, the exercise's own or one that was tried.
    """

    exercise: str
    digest: str
    seeds: list[str]
    cases: int
    unfit: dict[str, int]
    gap: float
    tolerance: Tolerance
    rows: list[Row]
    seconds: float = 0.0
    left_out: list[str] = []

    @property
    def problems(self) -> list[str]:
        """What keeps the exercise from being published; empty when nothing does."""
        found = [] if self.cases else [f"no case can be judged by: {_counted(self.unfit)}"]
        if self.gap > 1.0:
            found.append(explain_gap(self.gap))
        if self.seconds > MOST_SECONDS:
            found.append(
                f"time: the reference took {self.seconds:.0f} s for a suite, and a submission has "
                f"{Deadlines().total_s:.0f} s for it: ask fewer cases, or smaller inputs"
            )
        for row in self.rows:
            found += _problems(row)
        return found

    @property
    def cautions(self) -> list[str]:
        """What was not looked at, and what no value has told."""
        kinds = {row.kind for row in self.rows}
        text = "no {0} fixtures were found: nothing shows how a student would write {1} answer"
        words = (("accepted", "a right"), ("rejected", "a wrong"))
        found = [text.format(kind, which) for kind, which in words if kind not in kinds]
        if "misconception" not in kinds:
            found.append("no misconceptions were found: nothing shows that a mistake is caught")
        if {row.name for row in self.rows if row.kind == "right variant"} <= {REFERENCE}:
            found.append(
                "no right variant but the reference was found: nothing shows that other rounding "
                "is accepted"
            )
        if self.left_out:
            found.append(
                f"a suite of {self.cases // max(1, len(self.seeds))} cases is too small for some "
                f"families: none of {', '.join(self.left_out)} is asked"
            )
        found += [explain_silence(row.name, row.unanswered) for row in self.rows if row.unanswered]
        return found


def _problems(row: Row) -> Iterator[str]:
    where = f"{len(row.missed)} of {row.suites} suites, first {', '.join(row.missed[:1])}"
    if row.missed and row.kind in ("accepted", "right variant"):
        yield f"{row.kind} {row.name} is not accepted in {where}: {row.told}"
    elif row.missed and (row.unloaded or not row.equivalent):
        yield f"{row.kind} {row.name} survives {where}: {row.told}"
    elif row.equivalent and row.kind == "misconception" and row.by_values:
        yield f"{row.kind} {row.name} is marked equivalent, but is caught by {_counted(row.by)}"


def summarise(
    exercise: Exercise, suites: Sequence[Questions], sightings: Iterable[Sighting]
) -> Adequacy:
    """Put sightings together, a row a program, in the order of kind and name."""
    grouped: dict[Program, list[Sighting]] = {}
    for sighting in sightings:
        grouped.setdefault(sighting.program, []).append(sighting)
    unfit = Counter(one.reason for suite in suites for one in suite.unfit)
    place = {suite.seed: index for index, suite in enumerate(suites)}
    for found in grouped.values():
        found.sort(key=lambda one: place[one.seed])
    rows = [_row(program, found) for program, found in grouped.items()]
    return Adequacy(
        exercise=exercise.name,
        digest=exercise.digest,
        seeds=[suite.seed for suite in suites],
        cases=sum(len(suite.asked) for suite in suites),
        unfit=dict(unfit),
        gap=max((suite.widest_gap(exercise.tolerance) for suite in suites), default=0.0),
        seconds=max((suite.seconds for suite in suites), default=0.0),
        left_out=_left_out(exercise, suites),
        tolerance=exercise.tolerance,
        rows=sorted(rows, key=lambda row: (row.kind, row.name)),
    )


def _left_out(exercise: Exercise, suites: Sequence[Questions]) -> list[str]:
    """Name the families that are for every suite, or for large ones, and have no case in any."""
    drawn = {one.case.family for suite in suites for one in suite.asked}
    drawn |= {one.case.family for suite in suites for one in suite.unfit}
    size = min((len(suite.asked) for suite in suites), default=0)
    families = [one for one in exercise.families() if one.budget and one.smallest_suite <= size]
    return [family.name for family in families if family.name not in drawn]


def _row(program: Program, found: Sequence[Sighting]) -> Row:
    caught = [one for one in found if one.caught_by]
    accepted = [one for one in found if not one.caught_by]
    seen = [one for one in caught if not one.caught_by.startswith(STRUCTURE)]
    unseen = [one for one in found if one not in seen]
    wrongly = caught if program.is_right else accepted if program.structural else unseen
    margins = [one.margin for one in (caught or accepted) if one.number or not one.caught_by]
    finite = [margin for margin in margins if margin != float("inf")]
    chosen = (min if caught else max)(finite, default=None)
    by = Counter(one.caught_by for one in caught)
    return Row(
        name=program.name,
        kind=program.kind,
        equivalent=program.equivalent,
        suites=len(found),
        caught=len(caught),
        by=dict(by.most_common()),
        margin=chosen,
        latest=max((one.number for one in caught), default=0),
        structural=program.structural,
        missed=[one.seed for one in wrongly],
        told=next((one.told for one in wrongly), ""),
        unloaded=any(one.unloaded for one in found),
        unanswered=found[0].unanswered if all(one.unanswered for one in found) else "",
    )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items()) or "nothing"
