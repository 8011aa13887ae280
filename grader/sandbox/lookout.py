"""Look at a worker of this machine as long as it lives, and end it once it uses more than it may.

In a container the kernel and the guard hold these limits. Behind the other walls RLIMIT_DATA and
RLIMIT_NPROC are only the first belt, so somebody must look; and not only while the judge waits for
an answer, for a worker may go on when it has given one: 2.9 GiB were filled while the oracle was
asked.
"""

import threading
import time

from grader.errors import MemoryLimitExceeded, SandboxError
from grader.sandbox.channel import (
    MEMORY_BYTES,
    MOST_THREADS,
    Use,
    too_many_threads,
    too_much_memory,
)
from grader.sandbox.process import Process, use

LOOK_EVERY_S = 0.1
_KNOWN_WITHIN_S = 10.0
"""Until a template has told which worker it forked; the worker itself may be ready before."""
_LOOK_OFTEN_S = 0.02
"""Between two looks at a worker that has half of its memory: 0.2 GiB are filled in 0.1 s."""


class Lookout:
    """Looks at one process, in a thread of its own once that is started.

    Whoever asks anything of the process does it through this: one thread at a time.

    Attributes:
        broken: the limit for which the process was ended, None while it keeps them all.
    """

    def __init__(self, process: Process) -> None:
        self.broken: MemoryLimitExceeded | None = None
        self._process = process
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._seen, self._seen_at = Use(), time.monotonic()

    def start(self) -> None:
        """Look from now on.

        Raises:
            SandboxError: nothing is seen of the process, or no thread can be started.
        """
        end = time.monotonic() + _KNOWN_WITHIN_S
        while True:
            known = self._is_known()  # before the look: it may be told between the two
            if self.look().memory_bytes:
                break
            if known or time.monotonic() > end:
                raise SandboxError(
                    "this machine's /proc tells nothing of the worker (is it mounted with"
                    " hidepid?): nobody could see what memory it uses"
                )
            time.sleep(0.01)
        try:
            threading.Thread(target=self._run, name="lookout", daemon=True).start()
        except RuntimeError as error:
            raise SandboxError(f"nobody can look at the worker: {error}") from error

    def look(self) -> Use:
        """Measure what the process uses, by the kernel's accounting; end it if that is too much."""
        with self._lock:
            if self._closed.is_set() or self.broken is not None:
                return self._seen
            self._seen = use(self._process.pids()).after(self._seen)
            self._seen_at = time.monotonic()
            if self._seen.memory_bytes > MEMORY_BYTES:
                self.broken = too_much_memory()
            elif self._seen.threads > MOST_THREADS:
                self.broken = too_many_threads()
            if self.broken is not None:
                self._process.kill()
            return self._seen

    def wait(self, seconds: float) -> int:
        """Wait for the end of the process, looking all the while; see Process.

        One that closed its pipes may go on: 1 GiB more was filled while its end was waited for.
        """
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            try:
                with self._lock:
                    return self._process.wait(max(0.0, min(left, _LOOK_OFTEN_S)))
            except TimeoutError:
                if left <= 0 or self.broken is not None:
                    raise
            if self._due_in_s() <= 0:
                self.look()

    def close(self) -> None:
        """Kill the process and look no longer."""
        self._closed.set()
        with self._lock:
            self._process.kill()

    def _is_known(self) -> bool:
        with self._lock:
            return bool(self._process.pids())

    def _run(self) -> None:
        while self.broken is None and not self._closed.wait(max(0.0, self._due_in_s())):
            if self._due_in_s() <= 0:  # else somebody else has looked meanwhile
                self.look()

    def _due_in_s(self) -> float:
        often = self._seen.memory_bytes > MEMORY_BYTES // 2
        return self._seen_at + (_LOOK_OFTEN_S if often else LOOK_EVERY_S) - time.monotonic()
