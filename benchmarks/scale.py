"""Measure how the cost of grading grows: with cases, distinct shapes, submissions and jobs.

    python benchmarks/scale.py cases
    python benchmarks/scale.py shapes
    python benchmarks/scale.py submissions [--counts 100 1000 10000]
    python benchmarks/scale.py jobs [--right 200 --wrong 200 --broken 100] [--counts 1 2] [--alone]

Each prints a table with ratios. `cases` and `shapes` judge one right submission with warm caches;
`submissions` grades files with a mistake in the syntax of each, so that what is measured is the
batch and not JAX; `jobs` grades a class out of the fixtures, see classroom.py, and with --alone
each of it by itself as well: no verdict may differ.

Wall-clock figures mean something on an idle machine only; CPU seconds always do. A machine that
others share may grow slower within minutes: `--counts 2 1 2` takes two jobs before and after one.
"""

import argparse
import csv
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import classroom
import footprint

import reference
from grader import cases
from grader.environment import cache_folder
from grader.examiner import ReferenceExaminer
from grader.intake import read_submission
from grader.judge import Judge
from grader.model import Case, Deadlines, Exercise, Report, Sandbox
from grader.oracle import Oracle
from grader.questions import sort_cases
from grader.run import Run
from grader.runtime import compile_cache
from grader.sandbox.choice import choose
from grader.sandbox.setup import Setup

RIGHT = classroom.FIXTURES / "accepted" / "plain"
BUDGET_BYTES = 2 << 30


def wall(exercise: Exercise) -> Sandbox:
    """Return the best wall that works here."""
    folder = cache_folder()
    return choose("auto", Setup(compile_cache(folder), (folder / "expected.sqlite",)))


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print right-aligned columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        print("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))


def by_cases(runs: int) -> None:
    """Print what a right submission costs under suites of 10 to 160 cases."""
    exercise = reference.load(reference.DEFAULT)
    read = read_submission(RIGHT, file_names=exercise.file_names, entry=exercise.entry)
    rows, first = [], 0.0
    with Oracle(exercise, cache_folder()) as oracle:
        for count in (10, 20, 40, 80, 160):
            examiner = ReferenceExaminer(exercise, oracle, exercise.default_seed, count)
            judge = Judge(exercise, wall(exercise), examiner)
            judge.grade(read)  # computes what is not known yet
            reports = [judge.grade(read) for _ in range(runs)]
            cpu = statistics.median(_cpu(report) for report in reports)
            first = first or cpu
            shapes = reports[0].suite.distinct_shapes
            rows.append([str(count), str(shapes), f"{cpu:.2f}", f"{cpu / first:.2f}"])
    show_table(("cases", "shapes", "CPU s", "ratio"), rows)


def by_shapes(runs: int) -> None:
    """Print what 40 cases cost a right submission by how many shapes they have."""
    exercise = reference.load(reference.DEFAULT)
    source = (RIGHT / "submission.py").read_bytes()
    rows, first = [], 0.0
    with Oracle(exercise, cache_folder()) as oracle:
        bank = list(_bank(exercise, 40))
        for count in [some for some in (1, 2, 5, 10, 20, 40) if some <= len(bank)]:
            chosen = cases.Suite("scale", tuple(bank[n % count] for n in range(40)))
            asked = sort_cases(exercise, oracle, chosen, 40).asked
            oracle.warm_up([one.case for one in asked[:count]])
            spent = []
            for _ in range(runs):
                with wall(exercise).open(Deadlines()) as worker:
                    run = Run(exercise, worker, lambda done, total: None)
                    run.load(source)
                    run.answer_all(asked)
                    assert run.trial.failure is None
                    spent.append(worker.cpu_s)
            cpu = statistics.median(spent)
            first = first or cpu
            rows.append([str(count), str(len(asked)), f"{cpu:.2f}", f"{cpu / first:.2f}"])
    show_table(("shapes", "cases", "worker's CPU s", "ratio"), rows)


def _bank(exercise: Exercise, count: int) -> Iterator[Case]:
    """Yield cases of different shapes, at most so many, from the suites of many seeds."""
    seen = set()
    for seed in range(40):
        for case in cases.generate(exercise, f"{seed:x}", 40).cases:
            if exercise.shape(case) not in seen:
                seen.add(exercise.shape(case))
                yield case
            if len(seen) == count:
                return


def _cpu(report: Report) -> float:
    return report.usage.worker_cpu_s + report.usage.judge_cpu_s


def by_submissions(counts: Sequence[int], jobs: int) -> None:
    """Print what broken submissions cost, and the memory that the command itself takes."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            source = Path(folder) / f"class{count}"
            source.mkdir()
            for number in range(count):
                (source / f"student{number:05}.py").write_text(f"x{number} = (\n")
            found = _batch(source, Path(folder) / f"out{count}", jobs)
            rows.append(
                [
                    str(count),
                    f"{found.cpu_s / count:.3f}",
                    f"{found.wall_s / count:.3f}",
                    f"{found.peak_of_first / 2**20:.0f}",
                    f"{found.peak_bytes / 2**20:.0f}",
                ]
            )
            shutil.rmtree(Path(folder) / f"out{count}")
    header = ("submissions", "CPU s each", "wall s each", "command's MiB", "all processes' MiB")
    show_table(header, rows)


def by_jobs(made: dict[str, int], counts: Sequence[int], alone: bool) -> bool:
    """Print throughput and memory of a class by the number of jobs; return whether all held.

    Args:
        counts: in the order of running; one that comes again is run again. Speedups are against
            the mean of the runs with the fewest jobs.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "class"
        wanted = classroom.make(source, made)
        ran: list[tuple[int, footprint.Footprint]] = []
        verdicts: dict[str, dict[str, str]] = {}
        _warm()
        for number, count in enumerate(counts, 1):
            # Each begins with the same caches: the first must not compute for the second.
            cache = shutil.copytree(cache_folder(), Path(folder) / f"cache{number}")
            output = Path(folder) / f"out{number}"
            ran.append((count, _batch(source, output, count, GRADER_CACHE=str(cache))))
            verdicts[f"run {number}, --jobs {count}"] = _verdicts(output)
        base = statistics.mean(one.wall_s for count, one in ran if count == min(counts))
        rows = [
            [
                str(count),
                f"{one.wall_s:.0f}",
                f"{60 * len(wanted) / one.wall_s:.1f}",
                f"{base / one.wall_s:.2f}",
                f"{one.cpu_s / len(wanted):.2f}",
                f"{one.cpu_s / one.wall_s:.2f}",
                f"{one.peak_bytes / 2**20:.0f}",
            ]
            for count, one in ran
        ]
        header = ("jobs", "wall s", "per minute", "speedup", "CPU s each", "cores", "peak MiB")
        show_table(header, rows)
        first = next(iter(verdicts.values()))
        odd = [
            f"{name} in {run}: {verdict}"
            for run, of_all in verdicts.items()
            for name, verdict in of_all.items()
            if verdict not in wanted[name]["allowed"]
        ]
        differ = {n for other in verdicts.values() for n in first if other[n] != first[n]}
        print(f"{len(first)} submissions; another verdict than the fixture's: {odd or 'none'}")
        print(f"differ between runs: {sorted(differ) or 'none'}")
        if alone:
            differ |= (other := {n for n, v in _one_by_one(source) if v != first[n]})
            print(f"differ from grading one by one: {sorted(other) or 'none'}")
        return not differ and not odd


def _one_by_one(source: Path) -> Iterator[tuple[str, str]]:
    """Yield the verdict that each submission gets from the command for one."""
    for path in sorted(source.iterdir()):
        report = source.parent / "alone.json"
        command = [sys.executable, "-m", "grader.cli", "grade", str(path)]
        footprint.run([*command, "--format", "json", "-o", str(report)], os.environ)
        yield path.name, json.loads(report.read_bytes())["verdict"]


def _warm() -> None:
    command = [sys.executable, "-m", "grader.cli", "warm"]
    if footprint.run(command, os.environ).code:
        raise SystemExit("grader warm failed; try it by hand")


def _batch(source: Path, output: Path, jobs: int, **variables: str) -> footprint.Footprint:
    command = [sys.executable, "-m", "grader.cli", "batch", str(source), "-o", str(output)]
    found = footprint.run([*command, "--jobs", str(jobs)], {**os.environ, **variables})
    if found.code:
        raise SystemExit(f"grader batch ended with {found.code}; try it by hand")
    return found


def _verdicts(output: Path) -> dict[str, str]:
    with open(output / "results.csv", encoding="utf-8-sig", newline="") as file:
        return {row["submission"]: row["verdict"] for row in csv.DictReader(file)}


def main() -> int:
    """Measure what is asked for; return 1 where a verdict differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("cases", "shapes", "submissions", "jobs"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--counts", type=int, nargs="+")
    parser.add_argument("--alone", action="store_true", help="grade each by itself as well")
    for kind, count in (("right", 200), ("wrong", 200), ("broken", 100)):
        parser.add_argument(f"--{kind}", type=int, default=count)
    options = parser.parse_args()
    if options.what == "cases":
        by_cases(options.runs)
    elif options.what == "shapes":
        by_shapes(options.runs)
    elif options.what == "submissions":
        by_submissions(options.counts or (100, 1000, 10_000), jobs=2)
    else:
        made = {kind: getattr(options, kind) for kind in classroom.KINDS}
        return 0 if by_jobs(made, options.counts or (1, 2), options.alone) else 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
