"""Compare what grading one submission costs, by this grader and by the usual ways, side by side.

    python benchmarks/speed.py [--runs 3] [--cases 40] [--only WAY ...] [--wrong NAME] [--json FILE]

Every figure counts all processes: CPU seconds are what the kernel says of a command and of all
that it waited for, so the launcher is `confined`, below which nothing is started by a third party.
All ways judge the same two submissions, a right one and a wrong one, on the same machine in turns.
For ours the expected values are computed beforehand, as for a class; the usual ways run the
reference beside the submission, as they always do. A fork is measured by what one more submission
costs: (six submissions - one) / 5; the row "first" is the one, with the start of everything.

Wall-clock seconds mean something on an idle machine only; ratios of CPU seconds survive others.
"""

import argparse
import dataclasses
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import usual_graders

import reference
from grader.diagnosis import Diagnostician
from grader.examiner import ReferenceExaminer
from grader.intake import read_submission
from grader.judge import Judge
from grader.oracle import Oracle
from grader.questions import pose
from grader.rehearsal import steps
from grader.runtime import compile_cache, variables
from grader.sandbox.choice import choose
from grader.sandbox.setup import Setup

FIXTURES = Path(__file__).parent.parent / "fixtures" / "resnet_classifier"
RIGHT = FIXTURES / "accepted" / "plain"
SYNTAX_ERROR = FIXTURES / "hostile" / "syntax_error"
MANY = 6
"""Submissions of the longer of two runs whose difference is the cost of one more."""


class Cost(NamedTuple):
    """What one command and all that it waited for used, in seconds."""

    cpu_s: float
    wall_s: float


@dataclasses.dataclass(frozen=True)
class Scene:
    """Where everything is measured, and on what: caches, number of cases, submissions by kind."""

    cache: Path
    cases: int
    submissions: dict[str, Path]


def run(command: list[str], cache: Path, *, expected: tuple[int, ...] = (0, 1)) -> Cost:
    """Run a command once, in silence.

    Raises:
        SystemExit: it ended otherwise than a grader does.
    """
    environment = {**os.environ, "GRADER_CACHE": str(cache)}
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in expected:
            output.seek(0)
            raise SystemExit(f"{command} failed:\n{output.read()[-2000:].decode()}")
    return Cost(used.ru_utime + used.ru_stime, wall_s)


def by_command(path: Path, scene: Scene) -> Cost:
    """Grade one file by `grader grade`: one fresh worker."""
    command = [sys.executable, "-m", "grader", "grade", str(path), "--sandbox", "confined"]
    return run([*command, "--cases", str(scene.cases)], scene.cache)


def by_command_cold(path: Path, scene: Scene) -> Cost:
    """The same, with nothing compiled beforehand."""
    kept = scene.cache / "compile"
    aside = kept.rename(scene.cache / "aside")
    try:
        return by_command(path, scene)
    finally:
        shutil.rmtree(kept, ignore_errors=True)
        aside.rename(kept)


def in_a_row(path: Path, scene: Scene, workers: str, count: int) -> Cost:
    """Grade a file so many times in one process, with workers of a kind."""
    command = [sys.executable, __file__, "--grade", str(path), "--workers", workers]
    command += ["--count", str(count), "--cases", str(scene.cases)]
    return run(command, scene.cache, expected=(0,))


def one_more(workers: str) -> Callable[[Path, Scene], Cost]:
    """Return what measures the cost of one more submission."""

    def measure(path: Path, scene: Scene) -> Cost:
        one, many = (in_a_row(path, scene, workers, count) for count in (1, MANY))
        return Cost(*((more - less) / (MANY - 1) for more, less in zip(many, one, strict=True)))

    return measure


OURS: dict[str, Callable[[Path, Scene], Cost]] = {
    "ours, cold compile cache": by_command_cold,
    "ours, warm compile cache": by_command,
    "ours, fresh worker, one more": one_more("fresh"),
    "ours, cold fork, one more": one_more("cold"),
    "ours, warm fork, one more": one_more("fork"),
    "ours, warm fork, first": lambda path, scene: in_a_row(path, scene, "fork", 1),
}


def usual(name: str) -> Callable[[Path, Scene], Cost]:
    """Return what measures one of the usual ways."""

    def measure(path: Path, scene: Scene) -> Cost:
        with tempfile.TemporaryDirectory() as folder:
            made = usual_graders.lay_out(name, Path(folder), path / "submission.py")
            passes = path == RIGHT
            return run(made, scene.cache, expected=(0,) if passes else (0, 1))

    return measure


WAYS = OURS | {name: usual(name) for name in usual_graders.NAMES}
HYPOTHESIS = usual_graders.NAMES[0]


def grade_in_a_row(path: Path, workers: str, count: int, cases: int) -> None:
    """Grade one file count times; print each report's use as a line of JSON."""
    exercise, cache = reference.load(reference.DEFAULT), Path(os.environ["GRADER_CACHE"])
    with Oracle(exercise, cache) as oracle:
        examiner = ReferenceExaminer(exercise, oracle, exercise.default_seed, cases)
        cases_of_suite = examiner.pose().suite.cases
        rehearsal = tuple(steps(exercise, oracle, cases_of_suite)) if workers == "fork" else ()
        setup = Setup(compile_cache(cache), (cache / "expected.sqlite",), rehearsal)
        submission = read_submission(path, file_names=exercise.file_names, entry=exercise.entry)
        with closing(choose("confined", setup, workers=workers)) as wall:
            judge = Judge(exercise, wall, examiner)
            for _ in range(count):
                report = judge.grade(submission)
                if report.verdict == "internal_error":
                    raise SystemExit("internal error")
                used = report.usage
                print(json.dumps({"judge": used.judge_cpu_s, "worker": used.worker_cpu_s}))


def prepare(scene: Scene) -> None:
    """Compute everything that a class needs once."""
    exercise = reference.load(reference.DEFAULT)
    with Oracle(exercise, scene.cache) as oracle:
        questions = pose(exercise, oracle, exercise.default_seed, scene.cases)
        for step in steps(exercise, oracle, questions.suite.cases):
            oracle.rehearse(step)
        Diagnostician(exercise, oracle).prepare(questions.asked)
    for path in scene.submissions.values():
        by_command(path, scene)
        in_a_row(path, scene, "fork", 1)


def own_share(scene: Scene, runs: int) -> float:
    """Return which part of one more right submission on a warm fork is not the student's code.

    That is everything but the bare calls: judge, oracle, template, fork, lock-down, frames, and
    what the student's code costs more in a fork, whose first touch of a page copies it. Both are
    measured in turns and the medians compared: a machine that is faster now than a second ago
    moves a single difference by a fifth of the whole.
    """
    found = [(one_more("fork")(RIGHT, scene).cpu_s, bare_calls(scene)) for _ in range(runs)]
    total, bare = (statistics.median(figures) for figures in zip(*found, strict=True))
    return 1 - bare / total


def bare_calls(scene: Scene) -> float:
    """Return the CPU seconds of the calls of one grading in a plain process."""
    command = [sys.executable, __file__, "--bare", str(RIGHT), "--cases", str(scene.cases)]
    settings = variables(compile_cache(scene.cache), writable=False)
    done = subprocess.run(
        command,
        env={**os.environ, **settings, "GRADER_CACHE": str(scene.cache)},
        capture_output=True,
        check=True,
    )
    return float(done.stdout)


def call_bare(path: Path, count: int) -> None:
    """Print the CPU seconds that the calls of one grading take here, once all is compiled."""
    from grader.sandbox.worker.calling import Program  # JAX
    from grader.sandbox.worker.session import start_libraries

    start_libraries()
    gc.collect()
    gc.freeze()  # as a template does

    exercise, cache = reference.load(reference.DEFAULT), Path(os.environ["GRADER_CACHE"])
    with Oracle(exercise, cache) as oracle:
        asked = pose(exercise, oracle, exercise.default_seed, count).asked
    cases = [*(one.case.arguments for one in asked), exercise.watched, exercise.watched]
    calls = [[np.asarray(case[one.name]) for one in exercise.arguments] for case in cases]
    submission = read_submission(path, file_names=exercise.file_names, entry=exercise.entry)
    program, spent = Program(), []
    program.load(submission.source, exercise.entry)
    for _ in range(4):  # the first one compiles
        start = time.process_time()
        for arguments in calls:
            program.call(arguments)
        spent.append(time.process_time() - start)
    print(statistics.median(spent[1:]))


def measured(scene: Scene, names: list[str], runs: int) -> dict[tuple[str, str], Cost]:
    """Measure every way on every submission in turns; the median of each figure.

    In turns, so that a machine that becomes faster or slower does so for all of them.
    """
    found: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(runs):
        for name in names:
            for kind, path in scene.submissions.items():
                cost = WAYS[name](path, scene)
                found.setdefault((name, kind), []).append(cost)
                figures = f"{name:34}{kind:7}{cost.cpu_s:9.2f}{cost.wall_s:9.2f}"
                print(figures, file=sys.stderr, flush=True)
    return {
        key: Cost(*map(statistics.median, zip(*costs, strict=True))) for key, costs in found.items()
    }


def show(table: dict[tuple[str, str], Cost]) -> None:
    """Print the table, each row with its ratio to plain pytest + Hypothesis."""
    print(f"{'':34}{'':7}{'CPU s':>9}{'wall s':>9}{'pytest + Hypothesis / this':>29}")
    for (name, kind), cost in table.items():
        usual_cost = table.get((HYPOTHESIS, kind))
        ratio = f"{usual_cost.cpu_s / cost.cpu_s:29.1f}" if usual_cost else ""
        print(f"{name:34}{kind:7}{cost.cpu_s:9.2f}{cost.wall_s:9.2f}{ratio}", flush=True)


def show_shares(scene: Scene, runs: int) -> None:
    """Print what an unreadable file costs, and our own part of a readable one."""
    costs = [by_command(SYNTAX_ERROR, scene) for _ in range(runs)]
    cpu, wall = (statistics.median(figures) for figures in zip(*costs, strict=True))
    print(f"a syntax error, from typing to verdict: {wall:.2f} s wall, {cpu:.2f} CPU s")
    print(f"what is not the student's code, of one more, warm fork: {own_share(scene, runs):.0%}")


def main() -> None:
    """Measure what was asked for and print a table and its ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--only", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--wrong", default="pool_max", help="a folder of fixtures' rejected/")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--grade", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workers", default="fork", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.grade is not None:
        grade_in_a_row(options.grade, options.workers, options.count, options.cases)
        return
    if options.bare is not None:
        call_bare(options.bare, options.cases)
        return
    with tempfile.TemporaryDirectory() as folder:
        submissions = {"right": RIGHT, "wrong": FIXTURES / "rejected" / options.wrong}
        scene = Scene(Path(folder), options.cases, submissions)
        is_ours = any(name in OURS for name in options.only)
        if is_ours:
            prepare(scene)
        table = measured(scene, options.only, options.runs)
        show(table)
        if is_ours:
            show_shares(scene, options.runs)
    if options.json is not None:
        figures = [
            {"way": way, "submission": kind, **cost._asdict()}
            for (way, kind), cost in table.items()
        ]
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
