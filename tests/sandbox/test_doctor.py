"""The doctor passes nothing that another limit, or plain permissions, would have refused."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from boxed import NOBODY, SYSTEM_PYTHON

from grader import doctor
from grader.errors import MemoryLimitExceeded, SubmissionError, TimeLimitExceeded
from grader.model import Deadlines


class Ending:
    """A wall behind which a source ends, whatever it is, with one error."""

    name = "stub"

    def __init__(self, error: SubmissionError) -> None:
        self._error = error

    def problem(self) -> str | None:
        return None

    @contextmanager
    def open(self, deadlines: Deadlines) -> Iterator[Any]:
        yield SimpleNamespace(load=self._load)

    def _load(self, *_: object) -> None:
        raise self._error

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("error", "memory"), [(MemoryLimitExceeded, "PASS"), (TimeLimitExceeded, "FAIL")]
)
def test_memory_is_limited_only_where_memory_was_what_ended_it(
    error: type[SubmissionError], memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_attempts", lambda _: [])
    checks = doctor._examine_one(Ending(error("ended")))
    found = {check.text.partition(":")[0]: check.status for check in checks}
    assert found["memory is limited"] == memory


@pytest.mark.skipif(os.getuid() != 0, reason="another uid is root's to take")
def test_without_a_wall_the_secret_is_nobodys_to_read_and_to_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "worker_user", lambda: NOBODY)
    code = (
        "import os, sys\n"
        "path = sys.argv[1]\n"
        "assert open(path).read() and os.listdir(os.path.dirname(path))\n"
        "os.chmod(path, 0o600)\n"
    )
    with doctor._secret() as secret:
        subprocess.run(
            [SYSTEM_PYTHON, "-I", "-c", code, str(secret)],
            user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", check=True,
        )  # fmt: skip
