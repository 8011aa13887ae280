"""Keep what is expensive to compute and never changes: one SQLite file in the user's cache folder.

Keys name the exercise's files, our own that compute what is kept, the library versions and the
CPU, so nothing ever has to be invalidated.
"""

import hashlib
import logging
import sqlite3
from functools import cache
from pathlib import Path

from grader.environment import fingerprint
from grader.errors import OracleError

_logger = logging.getLogger("grader")
_COMPUTED_BY = (
    "oracle.py",
    "oracle_process.py",
    "reference_process.py",
    "formulas.py",
    "cases.py",
    "drawing.py",
    "shrinking.py",
    "inputs.py",
    "suites.py",
    "runtime.py",
    # What was observed is kept as the frame that the worker's own code made of it.
    "sandbox/worker/calling.py",
    "sandbox/worker/observe.py",
    "sandbox/worker/recorder.py",
    "sandbox/worker/settings.py",
    "sandbox/worker/watch.py",
    "sandbox/worker/wire.py",
)


class Store:
    """Documents of one exercise, by key.

    Raises:
        OracleError: the file cannot be opened or made.
    """

    def __init__(self, folder: Path, exercise_digest: str) -> None:
        self._prefix = f"{exercise_digest} {_own_digest()} {fingerprint()} "
        try:
            self._connection = _open(folder)
        except (OSError, sqlite3.Error) as error:
            text = f"cannot keep expected values in {folder} ({error}); set GRADER_CACHE"
            raise OracleError(text) from error
        self._folder, self._is_told = folder, False

    def recall(self, key: str) -> bytes | None:
        """Return the document that was kept under this key.

        Raises:
            OracleError: the file cannot be read.
        """
        query = "SELECT value FROM answer WHERE key = ?"
        try:
            row = self._connection.execute(query, (self._prefix + key,)).fetchone()
        except sqlite3.Error as error:
            text = f"cannot read expected values in {self._folder} ({error}); set GRADER_CACHE"
            raise OracleError(text) from error
        return None if row is None else bytes(row[0])

    def keep(self, key: str, value: bytes) -> None:
        """Keep a document; a full disk costs computing it again, and is told once."""
        row = (self._prefix + key, value)
        try:
            self._connection.execute("INSERT OR REPLACE INTO answer VALUES (?, ?)", row)
        except sqlite3.Error as error:
            if not self._is_told:
                _logger.warning("cannot keep expected values in %s: %s", self._folder, error)
            self._is_told = True

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@cache
def _own_digest() -> str:
    """Short hex over the files of ours that decide what is stored, and how."""
    here = Path(__file__).parent
    total = hashlib.sha256()
    for name in _COMPUTED_BY:
        total.update((here / name).read_bytes())
    return total.hexdigest()[:16]


def _open(folder: Path) -> sqlite3.Connection:
    """Open the cache of answers, making it when it is not there."""
    # Others may pass through to the compile cache, for a worker with another uid; no more.
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    path = folder / "expected.sqlite"
    path.touch(mode=0o600)
    store = sqlite3.connect(path, timeout=60, isolation_level=None)
    store.execute("PRAGMA synchronous = NORMAL")
    store.execute("CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, value BLOB)")
    return store
