"""Ask a judging process, and start it anew when it is gone."""

import contextlib
import os
import select
import subprocess
import sys
import time
from typing import IO

import msgspec

from grader.service.judging.work import GraderDied, Reply, Work

LARGEST_REPLY_BYTES = 64 << 20
_LENGTH_BYTES = 8
_KEPT = ("GRADER_CACHE",)


class JudgingProcess:
    """A Grader whose process is started with the first submission and kept for the next.

    Args:
        deadline_s: wall-clock seconds after which a grading is taken for stuck.
    """

    def __init__(self, *, sandbox: str, deadline_s: float) -> None:
        self._sandbox, self._deadline_s = sandbox, deadline_s
        self._process: subprocess.Popen[bytes] | None = None
        self._is_grading = False

    def grade(self, work: Work) -> Reply:
        """See Grader."""
        process = self._process or self._start()
        self._process, self._is_grading = process, True
        try:
            assert process.stdin is not None and process.stdout is not None
            message = msgspec.msgpack.encode(work)
            process.stdin.write(len(message).to_bytes(_LENGTH_BYTES, "big") + message)
            process.stdin.flush()
            reply = _read_reply(process.stdout, time.monotonic() + self._deadline_s)
            return msgspec.msgpack.decode(reply, type=Reply)
        except (OSError, EOFError, TimeoutError, msgspec.DecodeError) as error:
            raise GraderDied(self._end(str(error))) from None
        finally:
            self._is_grading = False

    def close(self) -> None:
        """See Grader: what is being graded learns of it by the end of its pipe."""
        process = self._process
        if process is not None:
            process.kill()
            if not self._is_grading:
                self._end("closed")

    def _end(self, what: str) -> str:
        """Make sure that the process is gone, and say how it ended."""
        process, self._process = self._process, None
        if process is None:
            return what
        try:
            process.wait(timeout=1)  # it may be about to say how it ended
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                _close(stream)
        return f"the judging process ended with {process.returncode}: {what}"

    def _start(self) -> subprocess.Popen[bytes]:
        # Neither the database's address nor any other secret of the service reaches it.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GRADER_") or name in _KEPT
        }
        command = [sys.executable, "-P", "-m", "grader.service.judging.child", self._sandbox]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the service, which lets it finish
        )


def _read_reply(stream: IO[bytes], end: float) -> bytes:
    length = int.from_bytes(_read(stream, _LENGTH_BYTES, end), "big")
    if length > LARGEST_REPLY_BYTES:
        raise EOFError(f"a reply of {length} bytes")
    return _read(stream, length, end)


def _read(stream: IO[bytes], size: int, end: float) -> bytes:
    """Read so many bytes before a moment of time.monotonic()."""
    handle, chunks = stream.fileno(), []
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    while size:
        left_s = end - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise TimeoutError("no answer in time")
        chunk = os.read(handle, min(size, 1 << 20))
        if not chunk:
            raise EOFError("it said nothing")
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _close(stream: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # what was not written yet finds nobody
        stream.close()
