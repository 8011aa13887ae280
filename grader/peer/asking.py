"""Start a process of ours, ask it, and learn how it ended."""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import grader
from grader.errors import InternalError
from grader.peer.answering import LENGTH_BYTES, TO_TIDY_UP_S

LARGEST_ANSWER_BYTES = 64 << 20


class PeerEnded(InternalError):
    """The process is gone, or does not answer any more; another one has to be started."""


class Peer:
    """One running process. Close it also after PeerEnded.

    Args:
        command: a module of ours, and its arguments.
        environment: what it sees beside the path to this package.
        inherited: descriptors that it gets under the same numbers.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        inherited: Sequence[int] = (),
    ) -> None:
        path = str(Path(grader.__file__).parent.parent)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, "PYTHONPATH": path},
            pass_fds=inherited,
            start_new_session=True,  # Ctrl-C is for whoever asks, and may let it end its work
            bufsize=0,
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ask(self, question: bytes, *, timeout_s: float) -> bytes:
        """Put a question and wait for the answer.

        Args:
            timeout_s: wall seconds.

        Raises:
            PeerEnded: there will be none; the text says what is known of its end.
        """
        try:
            self._send(len(question).to_bytes(LENGTH_BYTES, "big") + question)
            end = time.monotonic() + timeout_s
            length = int.from_bytes(self._read(LENGTH_BYTES, end), "big")
            if length > LARGEST_ANSWER_BYTES:
                raise EOFError(f"it announced {length} bytes")
            return self._read(length, end)
        except TimeoutError as error:
            self.kill()  # it may be stopped, and take no notice of anything else
            raise PeerEnded(f"a process of ours does not answer: {error}") from error
        except (OSError, EOFError) as error:
            raise PeerEnded(f"{self._how_it_ended()}: {error}") from error

    def end(self) -> None:
        """Have the process tidy up and end; may be called from any thread."""
        self._process.terminate()

    def kill(self) -> None:
        """End the process at once: its workers end with it, its containers stay, stopped."""
        self._process.kill()

    def close(self) -> None:
        """End the process, killing it when it takes too long, and free its pipes."""
        self.end()
        try:
            self._process.wait(TO_TIDY_UP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):  # what was not written yet finds nobody
                stream.close()

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        left = memoryview(data)
        while left:
            left = left[self._process.stdin.write(left) or 0 :]

    def _read(self, size: int, end: float) -> bytes:
        """Read so many bytes before a moment of time.monotonic()."""
        assert self._process.stdout is not None
        handle, chunks = self._process.stdout.fileno(), []
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

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(1.0)  # it may be about to end
        except subprocess.TimeoutExpired:
            return "a process of ours closed its pipe"
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"a process of ours ended with {how}"
