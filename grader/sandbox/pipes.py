"""Carry bytes to and from a worker on this machine, through pipes."""

import os
import signal
from collections.abc import Mapping, Sequence

from grader.sandbox import oom
from grader.sandbox.channel import SHOWN_LOG_BYTES, Ending, Use
from grader.sandbox.log import Log
from grader.sandbox.lookout import LOOK_EVERY_S, Lookout
from grader.sandbox.process import Process, start


class Pipes:
    """The pipes to one process; see channel.Channel.

    Args:
        process: what speaks at the other end.
        requests, replies: descriptors of the judge's ends; close() closes them.
        log: takes what the worker prints.
    """

    look_every_s = LOOK_EVERY_S

    def __init__(self, process: Process, requests: int, replies: int, log: Log) -> None:
        self._lookout, self._log = Lookout(process), log
        self._kills = oom.kills()
        self.requests, self.replies = requests, replies
        os.set_blocking(requests, False)
        os.set_blocking(replies, False)

    @property
    def printed_bytes(self) -> int:
        """Bytes of log so far; RLIMIT_FSIZE ends its growth."""
        return self._log.size

    def watch(self) -> None:
        """Look at its memory and threads from now on.

        Raises:
            SandboxError: this machine does not let us.
        """
        self._lookout.start()

    def write(self, data: memoryview) -> int:
        """Send some of the data."""
        try:
            return os.write(self.requests, data)
        except BlockingIOError:
            return 0

    def read(self, size: int) -> bytes | None:
        """Return what has arrived."""
        try:
            return os.read(self.replies, size)
        except BlockingIOError:
            return None

    def log(self) -> bytes:
        """Return the end of what the process printed."""
        return self._log.end(SHOWN_LOG_BYTES)

    def use(self) -> Use:
        """Measure by the kernel's own accounting."""
        return self._lookout.look()

    def ending(self) -> Ending | None:
        """Say how the process ended.

        Raises:
            MemoryLimitExceeded: it was ended because it had too much memory, or too many threads.
        """
        try:
            code = self._lookout.wait(2.0)
        except TimeoutError:
            code = None
        if self._lookout.broken is not None:
            raise self._lookout.broken
        if code is None:
            return None
        # A container with less memory than a worker may have: the kernel takes the worker first.
        starved = code == -signal.SIGKILL and oom.kills() > self._kills
        return Ending(code if code >= 0 else 128 - code, out_of_memory=starved)

    def close(self) -> None:
        """Kill the process and everything in it, and free the pipes."""
        self._lookout.close()
        os.close(self.requests)
        os.close(self.replies)
        self._log.close()


class WorkerProcess(Pipes):
    """A confined process that is started by itself, and the pipes to it.

    Args:
        command: what to start; the worker is it or its only child.
        environment: all variables that the process sees.
        user: uid and gid to run as, None for the caller's own.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], user: int | None = None
    ) -> None:
        super().__init__(*start(command, environment, user=user))
