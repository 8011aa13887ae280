"""Count right submissions that are rejected and wrong ones that are accepted: ours, the usual ways.

    python benchmarks/accuracy.py [--exercise NAME] [--seeds 200] [--skip 30] [--fixtures FOLDER]

Ours: every fixture meets the suite of every seed, behind the wall. Twenty suites make a round;
rounds that are done are kept beside the expected values, so a run that was stopped goes on where it
was, and one with more seeds adds only those; those that other code of ours has judged are done
again. Another machine goes on with --skip; counts of the same exercise and code, which the first
line names, add up. Ten suites of resnet_classifier took ten to thirty minutes on two cores, by how
fast and how busy they were.
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path

import msgspec
import usual_ways

import grader
import reference
from grader.authoring.programs import Program, fixtures
from grader.authoring.sightings import Sighting, prove
from grader.authoring.suites import prepare, seeds
from grader.authoring.survey import Survey
from grader.environment import cache_folder, fingerprint
from grader.model import Exercise
from grader.runtime import compile_cache
from grader.sandbox.choice import choose
from grader.sandbox.setup import Setup

_JUDGES_NOTHING = {
    *("batch", "cli", "platforms", "pytest_plugin", "report", "service", "xqueue"),
    *("bench.py", "descriptors.py", "doctor.py", "standard_streams.py"),
    *("authoring/calibration.py", "authoring/measuring.py", "authoring/plot.py"),
    *("authoring/scaffold.py", "authoring/trusted.py"),
}
"""What of our package may change and leave every verdict what it was."""

SUITES_PER_ROUND = 20
"""As many as one worker is asked before a new one starts, see grader.authoring.survey."""


class Judged(msgspec.Struct, frozen=True):
    """One fixture in one suite; caught_by is "" when it was accepted."""

    name: str
    is_right: bool
    marked: bool
    seed: str
    caught_by: str
    margin: float
    told: str

    @property
    def is_mistake(self) -> bool:
        """Whether the verdict is not the one that the fixture must get."""
        accepted = not self.caught_by
        return not accepted if self.is_right else accepted and not self.marked


def rounds(
    exercise: Exercise, bank: Sequence[Program], wanted: Sequence[str], cases: int, jobs: int
) -> Iterator[list[Judged]]:
    """Yield every round, from the disk where it is known."""
    folder = cache_folder()
    secrets = (folder / "expected.sqlite", exercise.folder)
    texts = b"\0".join(program.source for program in bank)
    setup = Setup(compile_cache(folder), secrets=secrets)
    with closing(choose("auto", setup, workers="auto")) as wall:
        survey: Survey[Sighting] = Survey(exercise, {}, wall, jobs=jobs)
        for start in range(0, len(wanted), SUITES_PER_ROUND):
            some = wanted[start : start + SUITES_PER_ROUND]
            key = (exercise.digest, fingerprint(), _own_digest(), cases, some, texts)
            store = folder / "accuracy" / f"{_digest(key)}.json"
            if not store.exists():
                suites = prepare(exercise, folder, some, cases=cases, jobs=jobs)
                found = [_judged(one) for one in prove(exercise, survey, suites, bank)]
                store.parent.mkdir(parents=True, exist_ok=True)
                partial = store.with_suffix(".partial")
                partial.write_bytes(msgspec.json.encode(found))
                partial.replace(store)
            yield msgspec.json.decode(store.read_bytes(), type=list[Judged])


@cache
def _own_digest() -> str:
    """Name all of our code that a verdict may depend on: rounds of other code do not count."""
    home = Path(grader.__file__).parent
    total = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        place = path.relative_to(home)
        if not {place.parts[0], str(place)} & _JUDGES_NOTHING:
            total.update(path.read_bytes())
    return total.hexdigest()


def _judged(sighting: Sighting) -> Judged:
    program = sighting.program
    return Judged(
        program.name,
        program.is_right,
        bool(program.equivalent),
        sighting.seed,
        sighting.caught_by,
        min(sighting.margin, 1e300),
        sighting.told,
    )


def _digest(key: object) -> str:
    return hashlib.sha256(repr(key).encode()).hexdigest()[:24]


def ours(exercise: Exercise, bank: Sequence[Program], options: argparse.Namespace) -> list[Judged]:
    """Run every round and say how far it is after each."""
    judged: list[Judged] = []
    names = seeds(exercise, options.seeds)[options.skip :]
    cases = options.cases or exercise.cases
    for found in rounds(exercise, bank, names, cases, options.jobs):
        judged += found
        suites = len({one.seed for one in judged})
        print(f"{suites} suites: {_both(judged)}", file=sys.stderr, flush=True)
    return judged


def _both(judged: Sequence[Judged]) -> str:
    right = [one for one in judged if one.is_right]
    wrong = [one for one in judged if not one.is_right]
    return (
        f"right ones rejected {sum(one.is_mistake for one in right)} of {len(right)} gradings, "
        f"wrong ones accepted {sum(one.is_mistake for one in wrong)} of {len(wrong)}"
    )


def show_ours(judged: Sequence[Judged], cases: int) -> None:
    """Print both counts, what was judged wrongly, and how narrowly the rest was judged."""
    print(f"ours, {len({one.seed for one in judged})} suites of {cases} cases: {_both(judged)}")
    for one in judged:
        if one.is_mistake:
            print(f"    {one.name} in suite {one.seed}: {one.caught_by or 'accepted'}; {one.told}")
    right = [one for one in judged if one.is_right and not one.caught_by]
    caught = [one for one in judged if not one.is_right and one.caught_by and one.margin > 1]
    if right and caught:
        worst, faintest = max(right, key=_margin), min(caught, key=_margin)
        print(f"    right ones reach {worst.margin:.2f} of the bound at most ({worst.name})")
        print(f"    wrong ones are caught by {faintest.margin:.3g} bounds at least", end="")
        print(f" ({faintest.name}, {faintest.caught_by})")
    marked = sorted({one.name for one in judged if one.marked and not one.caught_by})
    if marked:
        print(f"    marked equivalent, and accepted: {', '.join(marked)}")


def _margin(one: Judged) -> float:
    return one.margin


def show_usual(exercise: Exercise, folder: Path, jobs: int) -> None:
    """Print a row for each of the usual ways."""
    paths = {
        f"{kind}/{path.stem}": path
        for kind in ("accepted", "rejected")
        for path in sorted((folder / kind).iterdir())
    }
    cache = compile_cache(cache_folder() / "usual_ways")
    found = usual_ways.accepted_by(paths, exercise.name, jobs=jobs, cache=cache)
    right = [name for name in found if name.startswith("accepted/")]
    wrong = [name for name in found if name.startswith("rejected/")]
    print(f"\n{'way':46}{'right ones rejected':>22}{'wrong ones accepted':>22}")
    for way in usual_ways.WAYS:
        rejected = [name for name in right if not found[name][way]]
        accepted = [name for name in wrong if found[name][way]]
        counts = f"{len(rejected)} of {len(right)}", f"{len(accepted)} of {len(wrong)}"
        print(f"{way:46}{counts[0]:>22}{counts[1]:>22}")
        for names in (rejected, accepted):
            if names:
                print(f"    {', '.join(names)}")


def main() -> None:
    """Print both counts of our grader, then the table of the usual ways. Exit 1: a mistake."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exercise", default=reference.DEFAULT)
    parser.add_argument("--seeds", type=int, default=10, help="number of suites")
    parser.add_argument("--skip", type=int, default=0, help="first suites that are left out")
    parser.add_argument("--cases", type=int, help="cases of a suite; the exercise's own number")
    parser.add_argument("--fixtures", type=Path, help="another folder with accepted/ and rejected/")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only-ours", action="store_true", help="leave the usual ways out")
    options = parser.parse_args()
    exercise = reference.load(options.exercise)
    folder = options.fixtures or exercise.fixtures
    bank = fixtures(exercise, folder)
    print(f"{exercise.name}: {sum(one.is_right for one in bank)} right and", end=" ")
    print(f"{sum(not one.is_right for one in bank)} wrong fixtures;", end=" ")
    print(f"exercise {exercise.digest[:12]}, code {_own_digest()[:12]}", flush=True)
    judged = ours(exercise, bank, options)
    show_ours(judged, options.cases or exercise.cases)
    if not options.only_ours:
        show_usual(exercise, folder, options.jobs)
    raise SystemExit(any(one.is_mistake for one in judged))


if __name__ == "__main__":
    main()
