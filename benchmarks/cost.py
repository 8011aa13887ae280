"""Measure what grading one submission costs, all processes counted: CPU and wall-clock seconds.

    python benchmarks/cost.py [--runs 5] [--cases 40]

The launcher is `confined`, because the kernel then accounts for every process that the command
waits for. Expected values are computed beforehand; the compile cache is removed for the cold runs.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures" / "resnet_classifier"
SUBMISSIONS = {
    "right": FIXTURES / "accepted" / "plain",
    "wrong": FIXTURES / "rejected" / "pool_max",
    "syntax error": FIXTURES / "hostile" / "syntax_error",
}


def grade(path: Path, cases: int, cache: Path) -> tuple[float, float]:
    """Run the command once; return CPU and wall-clock seconds of everything it started."""
    command = [sys.executable, "-m", "grader.cli", "grade", str(path), "--cases", str(cases)]
    environment = {**os.environ, "GRADER_CACHE": str(cache)}
    start = time.monotonic()
    process = subprocess.Popen(
        [*command, "--sandbox", "confined"], env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(f"grading {path} failed")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start


def main() -> None:
    """Print a table: median and range of CPU seconds, median of wall-clock seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cases", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        first = grade(SUBMISSIONS["right"], options.cases, cache)
        rows = {"right, first grading ever (oracle included)": [first]}
        for name, path in SUBMISSIONS.items():
            grade(path, options.cases, cache)
            runs = [grade(path, options.cases, cache) for _ in range(options.runs)]
            rows[f"{name}, warm compile cache"] = runs
        shutil.rmtree(cache / "compile")
        runs = [grade(SUBMISSIONS["right"], options.cases, cache) for _ in range(options.runs)]
        rows["right, cold compile cache"] = runs
    print(f"{'':48}{'CPU s: median':>14}{'min':>7}{'max':>7}{'wall s':>8}")
    for name, runs in rows.items():
        cpu, wall = zip(*runs, strict=True)
        figures = (statistics.median(cpu), min(cpu), max(cpu), statistics.median(wall))
        print(f"{name:48}{figures[0]:14.2f}{figures[1]:7.2f}{figures[2]:7.2f}{figures[3]:8.2f}")


if __name__ == "__main__":
    main()
