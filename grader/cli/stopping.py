"""End a command when it is asked to."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""What a shell says of a command that Ctrl-C ended: 128 + SIGINT."""


@contextmanager
def stopping_on_request() -> Iterator[None]:
    """Let a batch system's SIGTERM end the command as Ctrl-C does; who asks again waits as long.

    Workers are being ended then, which takes a moment: whoever interrupts that leaves them behind.
    """
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            raise KeyboardInterrupt

    before = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)
        if (handler := signal.getsignal(number)) is not signal.SIG_IGN  # as in the background
    }
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:  # the interpreter takes its handlers away before it ends
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if stopped else handler)
