"""Start the process that judges, and wait for the one line in which it hands back a result.

It may crash, hang or say nonsense; what went wrong is then told, and whoever waits goes on.
"""

import base64
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from grader.platforms.order import Order
from grader.platforms.platform import Delivery

_MOST_BYTES = 64 << 20
_POLL_S = 0.05


@dataclass
class JudgingProcess:
    """The process that judges, and the pipe through which it answers."""

    order: Order
    end: float
    asked: int

    def __enter__(self) -> "JudgingProcess":
        self._reply, theirs = os.pipe()
        # -P: a folder that happens to be the current one may be the student's.
        command = [sys.executable, "-P", "-m", "grader.platforms.child"]
        command += [self.order.to_json(), str(os.getpid()), str(theirs), repr(self.end)]
        try:
            # What it prints goes to the log; standard output is for the result.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                pass_fds=(theirs,),
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        return self

    def __exit__(self, *_: object) -> None:
        """End the child and whatever it started in its session."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._reply)

    def wait(self) -> tuple[Delivery | None, str]:
        """Return what it delivers, else what went wrong."""
        data = b""
        while len(data) < _MOST_BYTES:
            problem = self._interruption([self._reply], self.end)
            if problem:
                return None, problem
            part = os.read(self._reply, 1 << 16)
            if not part:
                break
            data += part
        if data.endswith(b"\n"):  # it may hang when it ends: what it said is said
            return unpack(data), ""
        while self._process.poll() is None:  # no pidfd: an old gVisor has none
            problem = self._interruption([], min(self.end, time.monotonic() + _POLL_S))
            if problem:
                return None, problem
        code = self._process.returncode
        return None, f"the process that judges ended without a result ({_ending(code)})"

    def _interruption(self, awaited: list[int], until: float) -> str:
        """Wait for a descriptor, or for a time; return why to wait no longer, if that is so."""
        left = max(0.0, until - time.monotonic())
        readable = select.select([*awaited, self.asked], [], [], left)[0]
        if readable == [self.asked]:
            return "it was told to end before the submission was judged"
        if not readable and time.monotonic() >= self.end:
            return "the time budget is used up"
        return ""


def pack(delivery: Delivery) -> bytes:
    """Return a delivery as one line."""
    fields = {
        "document": _encoded(delivery.document),
        "beside": {name: _encoded(data) for name, data in delivery.beside.items()},
        "exit_code": delivery.exit_code,
    }
    return json.dumps(fields).encode() + b"\n"


def unpack(line: bytes) -> Delivery:
    """Return a delivery from its line."""
    fields = json.loads(line)
    document = fields["document"]
    return Delivery(
        document=None if document is None else base64.b64decode(document),
        beside={name: base64.b64decode(data) for name, data in fields["beside"].items()},
        exit_code=fields["exit_code"],
    )


def _encoded(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
