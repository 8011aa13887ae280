"""Carry bytes to and from a worker in a container, through the socket that Docker attaches."""

import logging
import ssl
import struct
import time
from typing import Any

from grader.errors import SandboxError
from grader.sandbox.channel import SHOWN_LOG_BYTES, Ending, Use, too_many_threads
from grader.sandbox.daemon import answering
from grader.sandbox.worker.guard import HUNG_UP, KILLED, TOO_MANY_THREADS

_HEADER = struct.Struct(">BxxxI")
"""How Docker parts stdout from stderr: stream, three zeros, size of what follows."""
_STDOUT = 1
_CHUNK_BYTES = 1 << 16
_ENDS_WITHIN_S = 2.0
_FRESH_S = 0.05
_SIGKILL = 9
_NOTHING_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_logger = logging.getLogger("grader")


class Container:
    """One started container and the socket to it; see channel.Channel.

    Args:
        client: the SDK's client, open for as long as the container lives.
        options: those of `docker create`, in the SDK's words.

    Raises:
        SandboxError: the daemon refused, or is gone.
    """

    # The daemon answers once a second at most, and here the limits are the kernel's to hold.
    look_every_s = 5.0

    def __init__(self, client: Any, options: dict[str, Any]) -> None:
        self._api = client.api
        self._attached: Any = None
        self._demultiplexer = Demultiplexer()
        self._used, self._used_at = Use(), 0.0
        with answering("the container was not made"):
            self._id: str = client.containers.create(**options).id
        try:
            with answering("the container did not start"):
                # Attached first: what it says before that would be lost.
                wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                self._attached = self._api.attach_socket(self._id, params=wanted)
                self._api.start(self._id)
        except BaseException:
            self.close()
            raise
        # What the SDK hands out reads only; the socket inside writes as well.
        self._socket = getattr(self._attached, "_sock", self._attached)
        self._socket.setblocking(False)
        self.requests = self.replies = self._socket.fileno()

    @property
    def printed_bytes(self) -> int:
        """Bytes of log so far."""
        return self._demultiplexer.printed_bytes

    def watch(self) -> None:
        """Do nothing: the kernel holds the memory, the guard the number of threads."""

    def write(self, data: memoryview) -> int:
        """Send some of the data."""
        try:
            return int(self._socket.send(data))
        except _NOTHING_NOW:
            return 0
        except OSError as error:  # TLS has errors of its own, and a network may be gone
            raise BrokenPipeError(str(error)) from error

    def read(self, size: int) -> bytes | None:
        """Return what has arrived on the worker's stdout."""
        if not self._demultiplexer.replies:
            try:
                data = self._socket.recv(_CHUNK_BYTES)
            except _NOTHING_NOW:
                return None
            except OSError:
                data = b""
            if not data:
                return b""
            self._demultiplexer.feed(data)
        return self._demultiplexer.take(size) or None

    def log(self) -> bytes:
        """Return the end of what the worker printed."""
        return bytes(self._demultiplexer.log)

    def use(self) -> Use:
        """Measure by Docker's accounting; of a container that has ended nothing is told."""
        if time.monotonic() - self._used_at > _FRESH_S:
            with answering("the container was not measured"):
                told = self._api.stats(self._id, stream=False, one_shot=True)
            self._used, self._used_at = _use(told), time.monotonic()
        return self._used

    def ending(self) -> Ending:
        """Say how the worker ended.

        Raises:
            SandboxError: the daemon or somebody outside ended it, or the connection to it is lost.
            MemoryLimitExceeded: the guard ended it.
        """
        end = time.monotonic() + _ENDS_WITHIN_S
        state: dict[str, Any] = {"Running": True}
        while state["Running"]:
            if time.monotonic() > end:
                # Docker ends the attached stream with the container, whatever its worker closes; a
                # daemon of another kind may do so then, and its time limit would be our error.
                raise SandboxError("the connection to its container was lost")
            with answering("the container is lost"):
                state = self._api.inspect_container(self._id)["State"]
            time.sleep(0.0 if not state["Running"] else 0.02)
        code = state["ExitCode"]
        if state["OOMKilled"]:
            return Ending(128 + _SIGKILL, out_of_memory=True)
        if code == 128 + _SIGKILL or state["Error"]:
            raise SandboxError(f"the container was ended from outside ({state['Error'] or code})")
        if code == HUNG_UP:
            raise SandboxError("the connection to its container was lost")
        if code == TOO_MANY_THREADS:
            raise too_many_threads()
        if code == KILLED:
            return Ending(128 + _SIGKILL)
        return Ending(code)

    def close(self) -> None:
        """Close the socket, and remove the container with everything in it."""
        # First: while nobody reads what a flood has written, the daemon cannot end it (60 s).
        if self._attached is not None:
            getattr(self._attached, "_sock", self._attached).close()
            self._attached.close()
        try:
            with answering("a container was not removed"):
                self._api.remove_container(self._id, force=True, v=True)
        except SandboxError as error:  # what was learnt still stands; a later judge sweeps
            _logger.warning("%s", str(error))  # a record that is kept would keep sockets


class Demultiplexer:
    """Parts the one attached stream into replies and the log.

    Attributes:
        replies: bytes of stdout that were not yet taken.
        log: the last bytes of stderr.
        printed_bytes: how many bytes of stderr there were.
    """

    def __init__(self) -> None:
        self.replies, self.log, self.printed_bytes = bytearray(), bytearray(), 0
        self._header = bytearray()
        self._stream, self._left = _STDOUT, 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they come, cut anywhere."""
        rest = memoryview(data)
        while rest:
            if self._left == 0:
                wanted = _HEADER.size - len(self._header)
                self._header += rest[:wanted]
                rest = rest[wanted:]
                if len(self._header) == _HEADER.size:
                    self._stream, self._left = _HEADER.unpack(self._header)
                    self._header.clear()
                continue
            part, rest = rest[: self._left], rest[self._left :]
            self._left -= len(part)
            if self._stream == _STDOUT:
                self.replies += part
            else:
                self.printed_bytes += len(part)
                self.log = (self.log + part)[-SHOWN_LOG_BYTES:]

    def take(self, size: int) -> bytes:
        """Return up to size bytes of replies."""
        taken = bytes(self.replies[:size])
        del self.replies[:size]
        return taken


def _use(told: dict[str, Any]) -> Use:
    """Read Docker's statistics: cgroup v1 keeps a peak, v2 only tells of now."""
    memory = told.get("memory_stats") or {}
    now = memory.get("usage", 0)
    return Use(
        cpu_s=told["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        peak_memory_bytes=memory.get("max_usage", now),
        threads=(told.get("pids_stats") or {}).get("current", 0),
    )
