"""Keep on disk what was pulled and what is to be put: one file a submission.

A file is written beside its name, flushed and renamed, so a kill -9 or a power cut leaves the old
or the new one. The folder belongs to one process at a time.
"""

import fcntl
import hashlib
import logging
import os
from pathlib import Path

import msgspec

from grader.errors import UsageError
from grader.xqueue.protocol import Submission

_logger = logging.getLogger("grader")
_SUFFIX = ".json"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A submission and how far it has come.

    Attributes:
        pulled_at_s: Unix time of the latest pull.
        attempts: gradings that failed through our fault.
        reply: body of put_result; None until it is graded.
        unsure_puts: puts of this reply of which it is not known whether the server took them.
        parked: the server does not take the reply; it is put when the submission is pulled again.
    """

    submission: Submission
    pulled_at_s: float
    attempts: int = 0
    reply: str | None = None
    unsure_puts: int = 0
    parked: bool = False


class Spool:
    """A folder of jobs.

    Raises:
        UsageError: it cannot be written, or another process has it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = (folder / "lock").open("a")
        except OSError as error:
            raise UsageError(f"cannot write to {folder}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise UsageError(f"another process uses {folder}; give each its own --state") from None

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock.close()

    def jobs(self) -> list[Job]:
        """Read all jobs, the oldest pull first; what is no job is set aside, with a warning."""
        found = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Job))
            except (msgspec.MsgspecError, UnicodeError) as error:
                _logger.warning("%s is no job (%s): set aside", path.name, error)
                path.replace(path.with_suffix(".bad"))
        return sorted(found, key=lambda job: job.pulled_at_s)

    def keep(self, job: Job) -> None:
        """Write a job; when this returns it survives a power cut."""
        path = self._path(job.submission.id)
        partial = path.with_suffix(".partial")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(job))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        self._flush_names()

    def forget(self, job: Job) -> None:
        """Remove a job."""
        self._path(job.submission.id).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        """Return a job's file; the server's name for it is not to be trusted as one of ours."""
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}{_SUFFIX}"

    def _flush_names(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
