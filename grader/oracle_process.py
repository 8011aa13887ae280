"""Run the reference in a process of its own: the only trusted process that loads JAX.

Run as `python -P -m grader.oracle_process FOLDER`. Requests and answers are the worker's frames on
standard input and output: CALL with the arguments; VALUE with exact, reference and JSON.
"""

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np

from grader.sandbox.worker import wire


def main(folder: str) -> None:
    """Answer calls until end of file."""
    requests, replies = sys.stdin.buffer, os.dup(1)
    os.dup2(2, 1)  # nothing that prints may break a frame
    solution, exact = (_load(Path(folder) / name) for name in ("solution.py", "exact.py"))
    entry = json.loads(os.environ["GRADER_ENTRY"])

    def exactly(size: int) -> bytes:
        data = requests.read(size)
        if len(data) < size:
            raise SystemExit(0)
        return data

    while True:
        request = wire.read(exactly, wire.LARGEST_REPLY)
        values = [a.item() if a.ndim == 0 else a for a in request.arrays]
        start = time.perf_counter()
        reference = np.asarray(getattr(solution, entry)(*values))
        seconds = time.perf_counter() - start
        truth = exact.evaluate(solution, *values)
        facts = {
            "scale": truth.scale,
            "condition": truth.condition,
            "spread": truth.spread,
            "seconds": seconds,
        }
        arrays = (truth.output, reference)
        reply = wire.Message(wire.VALUE, request.nonce, json.dumps(facts).encode(), arrays)
        os.write(replies, wire.pack(reply))


def _load(path: Path) -> ModuleType:
    """Import one file of the exercise under its own name."""
    spec = importlib.util.spec_from_file_location(f"oracle_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv[1])
