"""Ask the reference for expected values, through a trusted process and a cache on disk.

A class of 500 submissions computes each value once. The cache is one SQLite file in the user's own
cache folder; its keys name the exercise's files, our own that evaluate them, the library versions
and the CPU, so nothing ever has to be invalidated.
"""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType

import msgspec
import numpy as np

import grader
from grader.environment import fingerprint
from grader.errors import OracleError
from grader.model import Case, Exercise, Expected
from grader.runtime import compile_cache, variables
from grader.sandbox.worker import wire


class _Row(msgspec.Struct, array_like=True):
    """One cached answer: float64 and float32 bytes with their common shape."""

    shape: list[int]
    exact: bytes
    reference: bytes
    scale: float
    condition: float
    spread: float
    seconds: float


class Oracle:
    """Expected values of one exercise. Use as a context manager: leaving ends the process."""

    def __init__(self, exercise: Exercise, folder: Path) -> None:
        self._exercise, self._folder = exercise, folder
        self._prefix = f"{exercise.digest} {_own_digest()} {fingerprint()} "
        try:
            self._store = _open_store(folder)
        except (OSError, sqlite3.Error) as error:
            text = f"cannot keep expected values in {folder} ({error}); set GRADER_CACHE"
            raise OracleError(text) from error
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Oracle":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.communicate()
        self._store.close()

    def expect(self, cases: Sequence[Case]) -> list[Expected]:
        """Return what the reference says about each case, in order.

        Raises:
            OracleError: the reference could not be run.
        """
        return [self._recall(case) or self._compute(case) for case in cases]

    def recall_text(self, key: str) -> bytes | None:
        """Return a document that `store_text` kept under this key for this exercise."""
        query = "SELECT value FROM answer WHERE key = ?"
        row = self._store.execute(query, (self._prefix + key,)).fetchone()
        return None if row is None else bytes(row[0])

    def store_text(self, key: str, value: bytes) -> None:
        """Keep a document beside the expected values."""
        self._store.execute(
            "INSERT OR REPLACE INTO answer VALUES (?, ?)", (self._prefix + key, value)
        )

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the process that runs the reference; 0 when none was needed."""
        return 0.0 if self._process is None else _cpu_of(self._process.pid)

    def warm_up(self, cases: Sequence[Case]) -> None:
        """Run the reference on every case, known or not: this fills the compile cache."""
        for case in cases:
            self._compute(case)

    def _recall(self, case: Case) -> Expected | None:
        found = self.recall_text(case.digest)
        if found is None:
            return None
        row = msgspec.msgpack.decode(found, type=_Row)
        exact = np.frombuffer(row.exact, np.float64).reshape(row.shape)
        reference = np.frombuffer(row.reference, np.float32).reshape(row.shape)
        return Expected(exact, reference, row.scale, row.condition, row.spread, row.seconds)

    def _compute(self, case: Case) -> Expected:
        if self._process is None:
            self._process = self._start()
        arrays = tuple(np.asarray(value) for value in case.arguments.values())
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(wire.pack(wire.Message(wire.CALL, 0, b"", arrays)))
            self._process.stdin.flush()
            reply = wire.read(self._read_exactly)
        except (OSError, wire.WireError) as error:
            raise OracleError(f"the reference of {self._exercise.name} failed: {error}") from error
        exact, reference = reply.arrays
        expected = Expected(exact, reference, **json.loads(reply.text))
        row = _Row(
            list(exact.shape),
            exact.tobytes(),
            reference.astype(np.float32).tobytes(),
            expected.scale,
            expected.condition,
            expected.spread,
            expected.seconds,
        )
        self.store_text(case.digest, msgspec.msgpack.encode(row))
        return expected

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the process; it also fills the compile cache that workers may only read."""
        folder = compile_cache(self._folder)
        folder.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            **variables(folder, writable=True),
            "PYTHONPATH": str(Path(grader.__file__).parent.parent),
            "GRADER_ENTRY": json.dumps(self._exercise.entry),
        }
        command = [sys.executable, "-P", "-m", "grader.oracle_process", str(self._exercise.folder)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )

    def _read_exactly(self, size: int) -> bytes:
        assert self._process is not None and self._process.stdout is not None
        data = self._process.stdout.read(size)
        if len(data) < size:
            raise OracleError("the process that runs the reference ended; see its error above")
        return data


@cache
def _own_digest() -> str:
    """Short hex over the files of ours that decide what is stored, and how."""
    here = Path(__file__).parent
    total = hashlib.sha256()
    for name in (
        "oracle.py",
        "oracle_process.py",
        "formulas.py",
        "cases.py",
        "inputs.py",
        "suites.py",
    ):
        total.update((here / name).read_bytes())
    return total.hexdigest()[:16]


def _open_store(folder: Path) -> sqlite3.Connection:
    """Open the cache of answers, making it when it is not there."""
    # Others may pass through to the compile cache, for a worker with another uid; no more.
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    path = folder / "expected.sqlite"
    path.touch(mode=0o600)
    store = sqlite3.connect(path, timeout=60, isolation_level=None)
    store.execute("PRAGMA synchronous = NORMAL")
    store.execute("CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, value BLOB)")
    return store


def _cpu_of(pid: int) -> float:
    """Return the CPU seconds that a running process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
