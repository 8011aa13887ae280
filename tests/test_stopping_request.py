"""Asked to stop, a command ends what runs; asked again meanwhile, it goes on ending it."""

import signal
import subprocess
import sys

import pytest

COMMAND = """
import os, signal
from grader.cli.stopping import stopping_on_request

signal.signal(signal.SIGINT, signal.default_int_handler)
number = signal.Signals({number})
try:
    with stopping_on_request():
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            print("ended what ran")
except KeyboardInterrupt:
    os.kill(os.getpid(), number)
    print("stopped")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_asks_again_does_not_interrupt_the_ending(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND.format(number=int(number))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "ended what ran\nstopped\n"), done.stderr
