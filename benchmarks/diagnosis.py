"""Grade every misconception as a submission: is it named, and is nothing else?

    python benchmarks/diagnosis.py [--exercise NAME] [--every 1] [--pairs 40]

Prints a confusion matrix without its empty rows: what was graded, what the report said. Then two
mistakes at once, where naming one of them is right and silence is fair, and the accepted fixtures,
of which nothing may be said. Variants of the reference run in trusted processes, fixtures behind
the wall.
"""

import argparse
import itertools
import os
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import reference
from grader.authoring.programs import AS_GRADED, Program, fixtures, misconceptions
from grader.authoring.trusted import Trusted
from grader.environment import cache_folder
from grader.errors import InternalError
from grader.judge import Judge
from grader.model import Exercise, Report, Sandbox, Submission
from grader.oracle import Oracle
from grader.runtime import compile_cache
from grader.sandbox.choice import choose
from grader.sandbox.setup import Setup
from grader.variants import edit, read_misconceptions

SILENT = "(silent)"


class Told(NamedTuple):
    """What a report said about a program whose mistakes are known."""

    program: Program
    said: str
    report: Report


def pairs(exercise: Exercise, count: int) -> list[Program]:
    """Return programs with two mistakes at once: edits that both apply, drawn by a fixed seed."""
    solution = (exercise.folder / "solution.py").read_text(encoding="utf-8")
    known = {n: m for n, m in read_misconceptions(exercise.folder).items() if not m.equivalent}
    couples = list(itertools.combinations(known, 2))
    random.Random(1).shuffle(couples)
    found: list[Program] = []
    for one, other in couples:
        edits = [*known[one].replace, *known[other].replace]
        try:
            text = edit(solution, edits, name=f"{one} + {other}")
        except InternalError:  # both edit the same text
            continue
        found.append(Program(f"{one} + {other}", "misconception", text.encode()))
        if len(found) == count:
            break
    return found


def grade(
    exercise: Exercise, sandbox: Sandbox, programs: Sequence[Program], jobs: int
) -> list[Told]:
    """Grade programs, several at once, each thread with an oracle of its own."""
    folder = cache_folder()

    def some(share: Sequence[Program]) -> list[Told]:
        told = []
        with Oracle(exercise, folder) as oracle:
            judge = Judge(exercise, sandbox, oracle)
            for program in share:
                report = judge.grade(Submission(program.name, program.source, ""))
                told.append(Told(program, _said(report), report))
                print(".", end="", file=sys.stderr, flush=True)
        return told

    with ThreadPoolExecutor(jobs) as pool:
        shares = pool.map(some, [programs[start::jobs] for start in range(jobs)])
        return [one for share in shares for one in share]


def _said(report: Report) -> str:
    found = report.diagnosis
    if found.kind == "none":
        return SILENT
    return found.id or found.kind


def show_matrix(told: Iterable[Told]) -> None:
    """Print what was named right, and each other cell of the matrix."""
    told = list(told)
    right = sum(one.said == one.program.name for one in told)
    cells = Counter((one.program.name, one.said) for one in told if one.said != one.program.name)
    print(f"{right} of {len(told)} named right ({right / len(told):.1%}); the others:")
    for (name, said), _ in sorted(cells.items()):
        print(f"    {name:42} -> {said}")


def show_pairs(told: Sequence[Told]) -> None:
    """Print how often one of two mistakes was named, or nothing."""
    fair = [
        one
        for one in told
        if one.said == SILENT or _mistakes(one.said) <= _mistakes(one.program.name)
    ]
    both = sum(_mistakes(one.said) == _mistakes(one.program.name) for one in fair)
    one_of = sum(one.said != SILENT for one in fair) - both
    print(f"two mistakes: {len(fair)} of {len(told)} fair: {both} named both, {one_of} one of them")
    for one in told:
        if one not in fair:
            print(f"    {one.program.name:60} -> {one.said}")


def _mistakes(names: str) -> set[str]:
    return set(names.split(" + "))


def main() -> None:
    """Print the matrix and both counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exercise", default=reference.DEFAULT)
    parser.add_argument("--every", type=int, default=1, help="take every n-th misconception only")
    parser.add_argument("--pairs", type=int, default=40, help="programs with two mistakes")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    exercise, folder = reference.load(options.exercise), cache_folder()
    trusted = Trusted(folder, {})
    wall = choose("auto", Setup(compile_cache(folder), (folder / "expected.sqlite",)))
    wrong = [one for one in misconceptions(exercise) if one.settings == AS_GRADED]
    told = grade(exercise, trusted, wrong[:: options.every], options.jobs)
    print()
    show_matrix([one for one in told if not one.program.equivalent])
    marked = [one for one in told if one.program.equivalent]
    print(f"marked equivalent: {Counter(one.said for one in marked)}")
    if options.pairs:
        show_pairs(grade(exercise, trusted, pairs(exercise, options.pairs), options.jobs))
    right = [p for p in fixtures(exercise, exercise.fixtures) if p.is_right][:: options.every]
    claims = [one for one in grade(exercise, wall, right, options.jobs) if one.said != SILENT]
    print(f"accepted fixtures: {len(claims)} of {len(right)} with a claim about a mistake")


if __name__ == "__main__":
    main()
