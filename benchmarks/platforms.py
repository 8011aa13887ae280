"""Measure what a grading costs inside the image, with a platform's limits around it.

    python benchmarks/platforms.py [--image nnx-grader-grading] [--runs 3]

CPU seconds are what counts: a container with half a processor takes at least twice as many seconds
of the clock. The clock's are printed too, and mean something on an idle machine only.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = ROOT / "reference" / "basic_block" / "fixtures"
RESNET = ROOT / "fixtures" / "resnet_classifier"
CASES = {
    "right, 40 cases": ("basic_block", BLOCK / "accepted" / "plain"),
    "wrong, 40 cases": ("basic_block", BLOCK / "rejected" / "no_residual"),
    "right, 96 cases": ("resnet_classifier", RESNET / "accepted" / "plain"),
    "wrong, 96 cases": ("resnet_classifier", RESNET / "rejected" / "pool_max"),
}
LIMITS = {
    "gradescope": ("--memory=768m", "--memory-swap=768m", "--cpus=0.5"),
    "prairielearn": ("--memory=2g", "--memory-swap=2g", "--cpus=0.5"),
}
PRAIRIELEARN_S = 30.0
HALF = 0.5

# Prints the CPU seconds of everything that the container ran, then passes its exit code on.
_SCRIPT = """
import os, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = os.times()
print(used.children_user + used.children_system)
sys.exit(code)
"""


def run(image: str, platform: str, exercise: str, fixture: Path, *, cold: bool) -> list[float]:
    """Return CPU seconds and the clock's seconds of one container."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        submission = root / "submission"
        submission.mkdir()
        (submission / "submission.py").write_bytes((fixture / "submission.py").read_bytes())
        settings = root / "grading.toml"
        settings.write_text(f'exercise = "{exercise}"\nbudget_s = 1800\n')
        command = ["docker", "run", "--rm", "--network=none", "--user=0", *LIMITS[platform]]
        command += [
            f"--volume={submission}:/submission:ro",
            f"--volume={settings}:/grading.toml:ro",
        ]
        command += ["--tmpfs=/var/cache/nnx-grader:mode=711,exec"] if cold else []
        command += ["--entrypoint=python3", image, "-c", _SCRIPT, "/usr/local/bin/grade-on"]
        command += [platform, "--submission", "/submission", "--settings", "/grading.toml"]
        command += ["--output", "/tmp/results.json"]
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return [float(done.stdout), time.monotonic() - started]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--image", default="nnx-grader-grading")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print(
        f"{'submission':18} {'platform':13} {'cache':6} {'CPU s':>6} {'clock s':>8}  at half a CPU"
    )
    for cold in (False, True):
        for name, (exercise, fixture) in CASES.items():
            for platform in LIMITS:
                runs = [
                    run(given.image, platform, exercise, fixture, cold=cold)
                    for _ in range(given.runs)
                ]
                cpu_s, clock_s = (statistics.median(column) for column in zip(*runs, strict=True))
                fits = "fits 30 s" if cpu_s / HALF < PRAIRIELEARN_S else "takes longer than 30 s"
                print(
                    f"{name:18} {platform:13} {'cold' if cold else 'warm':6} {cpu_s:6.1f} "
                    f"{clock_s:8.1f}  {cpu_s / HALF:.0f} s: {fits}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
