"""Prepare the questions of many suites, several oracles at once."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from grader.model import Exercise
from grader.oracle import Oracle
from grader.questions import Questions, sort_cases, sort_out


def seeds(exercise: Exercise, count: int) -> list[str]:
    """Return distinct suite seeds, hex: the default one first, always the same others."""
    names = [f"{exercise.default_seed} {number}" for number in range(1, count)]
    others = [hashlib.sha256(name.encode()).hexdigest()[:16] for name in names]
    return [exercise.default_seed, *others][:count]


def prepare(
    exercise: Exercise,
    folder: Path,
    wanted: Sequence[str],
    *,
    cases: int,
    jobs: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Questions]:
    """Return the questions of every seed, in order; expected values are kept in the cache.

    An exception, Ctrl-C's too, ends the work after the suites that are under way.

    Args:
        folder: the grader's cache folder.
        jobs: oracles at once, each a process of its own.
    """
    done, stopped = list[int](), Event()

    def compute(some: Sequence[str]) -> list[Questions]:
        found = []
        with Oracle(exercise, folder) as oracle:
            for seed in some:
                if stopped.is_set():
                    break
                found.append(sort_out(exercise, oracle, seed, cases))
                done.append(1)
                progress(len(done), len(wanted))
        return found

    shares = [wanted[start::jobs] for start in range(min(jobs, len(wanted)))]
    with ThreadPoolExecutor(jobs) as pool:
        try:
            by_seed = {one.seed: one for found in pool.map(compute, shares) for one in found}
        finally:
            stopped.set()
    return [by_seed[seed] for seed in wanted]


def with_probes(exercise: Exercise, folder: Path, questions: Questions, each: int) -> Questions:
    """Add the calibration-only families' cases to a suite: asked where they can judge."""
    from grader import cases

    probes = cases.probes(exercise, questions.seed, each)
    with Oracle(exercise, folder) as oracle:
        more = sort_cases(exercise, oracle, probes, len(probes.cases))
    return Questions(
        questions.seed, (*questions.asked, *more.asked), (*questions.unfit, *more.unfit)
    )
