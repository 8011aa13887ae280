"""Start a job and put questions to it."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import msgspec

import grader
from grader.batch.messages import Answer, Question, Ready, Start
from grader.errors import InternalError

_PATIENCE_S = 3600.0
"""A submission may take 300 s behind the wall, the first wrong one minutes more of the oracle."""


class JobEnded(InternalError):
    """The job is gone, or does not answer any more; another one has to be started."""


class JobProcess:
    """One running job."""

    def __init__(self, start: Start) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(grader.__file__).parent.parent)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "grader.batch.job"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the command, which then ends its jobs
            bufsize=0,
        )
        self._rest = b""
        try:
            answer = self.ask(start)
        except BaseException:
            self.close()
            raise
        assert isinstance(answer, Ready)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ask(self, question: Question) -> Answer:
        """Put a question and wait for the answer.

        Raises:
            JobEnded: there will be none.
        """
        assert self._process.stdin is not None
        data = memoryview(msgspec.json.encode(question) + b"\n")
        try:
            while data:
                data = data[self._process.stdin.write(data) or 0 :]
            answer: Answer = msgspec.json.decode(self._line(), type=Answer)
            return answer
        except OSError as error:
            raise JobEnded(f"a job could not be asked: {error}") from error

    def kill(self) -> None:
        """End the job at once; its workers end with it."""
        self._process.kill()

    def close(self) -> None:
        """End the job and free its pipes."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        handle, end = self._process.stdout.fileno(), time.monotonic() + _PATIENCE_S
        while b"\n" not in self._rest:
            if not select.select([handle], [], [], max(0.0, end - time.monotonic()))[0]:
                raise JobEnded(f"a job did not answer for {_PATIENCE_S:.0f} s")
            part = os.read(handle, 1 << 16)
            if not part:
                raise JobEnded(f"a job ended ({self._how()})")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _how(self) -> str:
        try:
            code = self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            return "it closed its pipe"
        return f"signal {-code}" if code < 0 else f"exit code {code}"
