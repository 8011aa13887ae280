"""Start and kill the service's processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import httpx
from processes import PATIENCE_S

TESTS = Path(__file__).parent.parent
SCRIPT = Path(__file__).parent / "fake_process.py"


class Process:
    """One process of the service, in a group of its own, so that nothing of it outlives a kill."""

    def __init__(self, role: str, log: Path, **environment: str) -> None:
        self.role = role
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT), role],
            # The root first: tests/ has a folder of the name of a package of ours.
            env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}", **environment},
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """Kill it as a failing machine would."""
        self.send(signal.SIGKILL)
        self.wait()

    def send(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float = PATIENCE_S) -> int:
        code = self._process.wait(seconds)
        self._log.close()
        return code


def answers(url: str, seconds: float = PATIENCE_S) -> None:
    """Wait until a web process answers."""
    end = time.monotonic() + seconds
    with httpx.Client(base_url=url, trust_env=False) as client:  # making one takes 0.05 CPU s
        while not _is_ready(client):
            assert time.monotonic() < end, f"{url} does not answer"
            time.sleep(0.1)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False
