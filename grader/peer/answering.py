"""Answer questions on standard input until whoever asks is gone, or says so by SIGTERM."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from queue import SimpleQueue
from typing import NoReturn

from grader.sandbox.kernel import become_undumpable

LENGTH_BYTES = 8
TO_TIDY_UP_S = 30.0
"""Wall seconds that a process gets to end its workers and remove their containers."""
_ABANDONED_S = 4.0
"""The same when whoever asked is gone: no worker may outlive them by more than 5 s, and a template
that is compiling holds the end of its forks up for 10. What may stay is a stopped container."""


def serve(answer: Callable[[bytes], bytes], close: Callable[[], None]) -> NoReturn:
    """Answer one question after the other.

    The process ends with its input, however whoever asked ended, and does not finish a question
    that nobody waits for: its workers end with it.

    Args:
        close: called at the end, after every context of a question was left.
    """
    become_undumpable()  # before there are answers in this process
    answers = os.dup(1)
    os.dup2(2, 1)  # what anything prints by mistake is no answer
    questions: SimpleQueue[bytes] = SimpleQueue()
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_listen, args=(questions,), daemon=True).start()
    try:
        with ExitStack() as stack:
            stack.callback(close)
            while True:
                _write(answers, answer(questions.get()))
    except SystemExit:
        os._exit(0)  # what else runs here need not be waited for


def _end(*_: object) -> None:
    """Leave by every context on the way: that is what ends workers and removes containers."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit()


def _listen(questions: "SimpleQueue[bytes]") -> None:
    with open(0, "rb", closefd=False) as source:
        while len(length := source.read(LENGTH_BYTES)) == LENGTH_BYTES:
            size = int.from_bytes(length, "big")
            question = source.read(size)
            if len(question) == size:
                questions.put(question)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(_ABANDONED_S)
    os._exit(0)


def _write(answers: int, data: bytes) -> None:
    left = memoryview(len(data).to_bytes(LENGTH_BYTES, "big") + data)
    while left:
        left = left[os.write(answers, left) :]
