"""Keep a template running: it is started when it is first needed, and again when it died."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from grader.model import Sandbox
from grader.sandbox.launch import Launch
from grader.sandbox.lending import Borrowed, Lent, Loan, lend
from grader.sandbox.setup import Step
from grader.sandbox.template import Template


class Launcher(Sandbox, Protocol):
    """A sandbox that starts processes of this machine."""

    def launch(self, *, template: str = "") -> Launch:
        """Return how to start a worker, or a "cold" or "warm" template of workers."""


class Standing:
    """One template, for any number of threads.

    Args:
        launcher: whose wall it stands behind.
        kind: "cold" or "warm".
        rehearsal: what a warm one compiles before its first fork.
        loan: another process's, which serves as long as it lives.
    """

    def __init__(
        self,
        launcher: Launcher,
        kind: str,
        rehearsal: Sequence[Step] = (),
        loan: Loan | None = None,
    ) -> None:
        self._launcher, self._kind, self._rehearsal = launcher, kind, rehearsal
        self._template: Template | Borrowed | None = None if loan is None else Borrowed(loan)
        self._lock = threading.Lock()
        # The kernel ends a process with the thread that started it, not with the judge: the
        # template needs one that lives as long as this, whoever asks first.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="template")

    def get(self) -> Template | Borrowed:
        """Return the template.

        Raises:
            SandboxError: it does not start.
        """
        with self._lock:
            if self._template is not None and not self._template.is_alive:
                self._template.close()
                self._template = None
            if self._template is None:
                launch = self._launcher.launch(template=self._kind)
                template = self._starter.submit(Template, launch).result()
                self._template = template
                for step in self._rehearsal:
                    template.rehearse(step)
            return self._template

    def lend(self) -> Lent:
        """Return a fork of the template for another process; see get."""
        template = self.get()
        assert isinstance(template, Template), "what is borrowed is not lent on"
        return lend(template)

    def log(self) -> str:
        """Return the last line that the template printed."""
        lines = [] if self._template is None else self._template.log().splitlines()
        return lines[-1] if lines else ""

    def close(self) -> None:
        """End the template."""
        with self._lock:
            if self._template is not None:
                self._template.close()
                self._template = None
