"""Say which of the usual ways of grading accept a submission: fixed cases, pytest + Hypothesis.

    python benchmarks/usual_ways.py --judge PATH --exercise NAME

Each submission runs in a process of its own, because wrong ones keep state and may patch what they
share; the line above is that process, and prints one line of JSON. There is no wall around it:
accepted and rejected fixtures are our own work and end by themselves. Hostile ones never come here.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

import reference
from grader.errors import InvalidSubmission
from grader.intake import read_submission
from grader.model import Argument, Exercise, Value
from grader.runtime import variables

Function = Callable[..., Any]
_RTOLS = {f"10 fixed cases, rtol {rtol}": float(rtol) for rtol in ("1e-5", "1e-4", "1e-3", "1e-2")}
_HYPOTHESIS = "pytest + Hypothesis, 100 examples, rtol 1e-5"
WAYS = (*_RTOLS, _HYPOTHESIS)
"""Names of the ways, in the order of the table."""

_FAILURES = (Exception, SystemExit)
_SETTINGS = hypothesis.settings(max_examples=100, derandomize=True, database=None, deadline=None)
_WALL_S = 600
_FIXED_SHAPES = ((8, 8, 3), (7, 5, 3), (6, 10, 1), (12, 12, 3), (5, 9, 4))
_LARGEST_SEED, _LARGEST_SIZE, _LARGEST_SIDE, _MOST_CHANNELS = 2**16, 12, 12, 4


def accepted_by(
    submissions: Mapping[str, Path],
    exercise: str,
    *,
    jobs: int,
    cache: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, dict[str, bool]]:
    """Return submission to way to whether it accepts; no way accepts a crash, or over 600 s.

    Args:
        submissions: by name, trusted; each a file or a folder.
        cache: folder of compiled programs, shared by all processes; the first ones fill it.
        progress: told how many submissions are done, of how many.

    Raises:
        RuntimeError: a process failed by a fault of ours.
    """
    cache.mkdir(parents=True, exist_ok=True)
    found = {}
    with ThreadPoolExecutor(jobs) as pool:
        judged = pool.map(lambda path: _judge_apart(path, exercise, cache), submissions.values())
        for name, ways in zip(submissions, judged, strict=True):
            found[name] = ways
            progress(len(found), len(submissions))
    return found


def _judge_apart(path: Path, exercise: str, cache: Path) -> dict[str, bool]:
    """Run this file as a program on one submission."""
    command = [sys.executable, __file__, "--judge", str(path), "--exercise", exercise]
    storage = {"HYPOTHESIS_STORAGE_DIRECTORY": str(cache / "hypothesis")}
    environment = {**os.environ, **variables(cache, writable=True), **storage}
    rejected = dict.fromkeys(WAYS, False)
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=_WALL_S)
    except subprocess.TimeoutExpired:
        return rejected
    if ended.returncode < 0:  # by a signal: the submission crashed
        return rejected
    if ended.returncode:
        raise RuntimeError(f"{path} could not be judged: {ended.stderr[-2000:]!r}")
    return dict(json.loads(ended.stdout))


def _judge(path: Path, exercise: Exercise) -> dict[str, bool]:
    """Judge one submission in this process; the last way starts from a fresh module again."""
    solve = _load((exercise.folder / "solution.py").read_bytes(), exercise.entry, "solution")
    try:
        submission = read_submission(path, file_names=exercise.file_names, entry=exercise.entry)
    except InvalidSubmission:
        return dict.fromkeys(WAYS, False)
    try:
        first, second = (_load(submission.source, exercise.entry, "submission") for _ in range(2))
    except _FAILURES:
        return dict.fromkeys(WAYS, False)
    ways = _by_fixed_cases(first, solve, exercise)
    return ways | {_HYPOTHESIS: _by_hypothesis(second, solve, exercise)}


def _load(source: bytes, entry: str, name: str) -> Any:
    """Execute a source as a module; return its function.

    The module has no file, so Hypothesis does not collect constants from it: else each submission
    would see other examples and compile other shapes.
    """
    module = sys.modules[name] = ModuleType(name)
    exec(compile(source, f"{name}.py", "exec"), vars(module))
    return vars(module)[entry]


def _by_fixed_cases(student: Function, solve: Function, exercise: Exercise) -> dict[str, bool]:
    """Compare ten answers, computed once, at every tolerance."""
    random = np.random.default_rng(0)
    cases = [[_fixed(a, random, index) for a in exercise.arguments] for index in range(10)]
    expected = [np.asarray(solve(*case)) for case in cases]
    try:
        answers = [np.asarray(student(*case)) for case in cases]
    except _FAILURES:
        return dict.fromkeys(_RTOLS, False)
    pairs = list(zip(answers, expected, strict=True))
    return {way: all(_agree(*pair, rtol) for pair in pairs) for way, rtol in _RTOLS.items()}


def _by_hypothesis(student: Function, solve: Function, exercise: Exercise) -> bool:
    """Run the property test that an instructor would write, as pytest would run it."""

    # Only acceptance counts, so nothing is shrunk; whether drawing is slow depends on the load.
    @hypothesis.settings(
        _SETTINGS,
        phases=(hypothesis.Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=(hypothesis.HealthCheck.too_slow,),
    )
    @hypothesis.given(st.tuples(*map(_strategy, exercise.arguments)))
    def matches_reference(case: Sequence[Value]) -> None:
        right = np.asarray(solve(*case))
        try:
            agrees = _agree(np.asarray(student(*case)), right, 1e-5)
        except _FAILURES:
            agrees = False
        assert agrees

    try:
        matches_reference()
    except (AssertionError, hypothesis.errors.Flaky):  # flaky: it passed when tried again
        return False
    return True


def _agree(answer: np.ndarray, right: np.ndarray, rtol: float) -> bool:
    try:
        assert answer.shape == right.shape
        np.testing.assert_allclose(answer, right, rtol=rtol)
    except (AssertionError, TypeError):  # TypeError: of a dtype that cannot be compared
        return False
    return True


def _fixed(argument: Argument, random: np.random.Generator, index: int) -> Value:
    """Return one value as an instructor would write it: nothing special about it."""
    if argument.kind == "array":
        return _pixels(_FIXED_SHAPES[index % len(_FIXED_SHAPES)], int(random.integers(2**32)))
    return float(random.integers(*_range(argument), endpoint=True))


def _strategy(argument: Argument) -> st.SearchStrategy[Value]:
    """Return what an instructor would draw; images of one pixel and the like are not left out."""
    if argument.kind == "array":
        side, channels = st.integers(1, _LARGEST_SIDE), st.integers(1, _MOST_CHANNELS)
        return st.builds(_pixels, st.tuples(side, side, channels), st.integers(0, 2**32 - 1))
    return st.integers(*_range(argument)).map(float)


def _range(argument: Argument) -> tuple[int, int]:
    return (1, _LARGEST_SIZE) if argument.sizes else (0, _LARGEST_SEED)


def _pixels(shape: tuple[int, ...], seed: int) -> np.ndarray:
    pixels = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    pixels.setflags(write=False)  # as the contract says
    return pixels


def main() -> None:
    """Judge one submission and print one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--judge", type=Path, required=True, metavar="PATH")
    parser.add_argument("--exercise", default=reference.DEFAULT, metavar="NAME")
    options = parser.parse_args()
    replies = os.dup(1)
    os.dup2(2, 1)  # what a submission prints must not break the line
    os.write(replies, json.dumps(_judge(options.judge, reference.load(options.exercise))).encode())


if __name__ == "__main__":
    main()
