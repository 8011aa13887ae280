"""Share one template among several processes of ours: its memory is the larger part of a batch's.

    owner:  lend(template) -> Lent, whose loan goes to another process with its descriptors
    other:  Borrowed(loan), used as a template of its own

Each of them has a fork of the template: what its workers use is told apart from what the others'
use, and they end with it.
"""

import socket
from collections.abc import Sequence
from typing import NamedTuple

from grader.errors import SandboxError
from grader.sandbox.forked import ForkedProcess, can_be_read
from grader.sandbox.log import Log, new_log
from grader.sandbox.template import Forker, Template


class Loan(NamedTuple):
    """What a process must be handed to have its workers forked by another's template.

    Attributes:
        control, log: descriptors, to be inherited under the same numbers.
    """

    control: int
    log: int
    layers: tuple[str, ...]


class Lent:
    """A template that was forked for another process of ours, as its owner sees it."""

    def __init__(
        self, process: ForkedProcess, control: socket.socket, log: Log, layers: Sequence[str]
    ) -> None:
        self._process, self._control, self._log = process, control, log
        self.loan = Loan(control.fileno(), log.ours, tuple(layers))

    def hand_over(self) -> None:
        """Once the other process has the descriptors: let the template end when that one does."""
        self._control.close()
        self._log.close()

    def pids(self) -> Sequence[int]:
        """Its process id; nothing once it has ended."""
        return self._process.pids()

    def close(self) -> None:
        """End it; the kernel ends its workers."""
        self.hand_over()
        self._process.kill()


class Borrowed(Forker):
    """A template that another process of ours has lent to this one."""

    def __init__(self, loan: Loan) -> None:
        control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, loan.control)
        super().__init__(control, Log(loan.log), loan.layers)

    @property
    def is_alive(self) -> bool:
        """Whether it can fork: it says nothing here, so that all that can be read is its end."""
        return not can_be_read(self._control, 0.0)


def lend(template: Template) -> Lent:
    """Have another template forked, for another process of ours.

    Raises:
        SandboxError: the template is gone.
    """
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    log = new_log()
    with theirs:
        try:
            process = template.ask({}, [theirs.fileno(), log.fileno()])
        except SandboxError:
            control.close()
            log.close()
            raise
    return Lent(process, control, log, template.layers)
