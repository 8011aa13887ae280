"""Put many submissions through one wall and look for anything that stays behind.

    .venv/bin/python benchmarks/soak.py --sandbox docker --count 500

Prints what there was before and after: containers of this judge, children, open descriptors, files
in the temporary folder, the judge's resident memory. Exits 1 when anything grew; memory may grow by
5 % after the first tenth, in which the libraries are loaded.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from grader.errors import SubmissionError
from grader.model import Deadlines
from grader.sandbox.choice import LAUNCHERS
from grader.sandbox.daemon import connected
from grader.sandbox.leftovers import LABEL, owner
from grader.sandbox.setup import Setup

SOURCES = (
    b"import numpy\ndef f(x): return numpy.float32(x)",
    b"def f(x): raise ValueError(x)",
    b"import os\ndef f(x): os._exit(3)",
    b"def f(x): print('x' * 100_000)",
)
"""A right one, one that raises, one that ends its process, one that prints."""
GROWTH = 1.05


def main() -> int:
    """Put the submissions through and compare; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sandbox", choices=list(LAUNCHERS), default="docker")
    parser.add_argument("--count", type=int, default=500)
    chosen = parser.parse_args()
    wall = LAUNCHERS[chosen.sandbox](Setup(None))
    start = time.monotonic()
    before: dict[str, int] = {}
    for number in range(chosen.count):
        with wall.open(Deadlines(first_s=120.0)) as worker:
            try:
                worker.load(SOURCES[number % len(SOURCES)], "f")
                worker.call([np.float64(number)], first=True)
            except SubmissionError:
                pass
        if number + 1 == max(1, chosen.count // 10):
            before = traces(chosen.sandbox)
            print(f"after {number + 1:4}: {before}", flush=True)
        elif (number + 1) % 50 == 0:
            print(f"after {number + 1:4}: {traces(chosen.sandbox)}", flush=True)
    after = traces(chosen.sandbox)
    print(f"after {chosen.count:4}: {after}, {time.monotonic() - start:.0f} s in all")
    grown = [name for name in after if after[name] > before[name] * growth_of(name)]
    print(f"grew: {', '.join(grown) or 'nothing'}")
    return 1 if grown else 0


def growth_of(name: str) -> float:
    return GROWTH if name == "memory_kib" else 1.0


def traces(sandbox: str) -> dict[str, int]:
    """Count what this judge holds."""
    gc.collect()
    found = {
        "children": sum(
            len((task / "children").read_text().split())
            for task in Path("/proc/self/task").iterdir()
        ),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "files": len(os.listdir(tempfile.gettempdir())),
        "memory_kib": memory_kib(),
    }
    if sandbox.startswith("docker"):
        with connected() as client:
            mine = {"label": f"{LABEL}={owner()}"}
            found["containers"] = len(client.api.containers(all=True, filters=mine))
    return found


def memory_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


if __name__ == "__main__":
    sys.exit(main())
