"""Answer questions on standard input until whoever asks is gone."""

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from grader.sandbox.kernel import become_undumpable

LENGTH_BYTES = 8
_LAST_S = 2.0
"""Wall seconds for what an idle process still has to end: a worker that stands ready."""


def serve(answer: Callable[[bytes], bytes], end: Callable[[], None]) -> None:
    """Answer one question after the other.

    The process ends with its input, however whoever asked ended, and does not finish a question
    that nobody waits for: its workers end with it.

    Args:
        end: called when nobody asks any more and no question is being answered.
    """
    become_undumpable()  # before there are answers in this process
    answers = os.dup(1)
    os.dup2(2, 1)  # what anything prints by mistake is no answer
    questions: SimpleQueue[bytes | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(questions,), daemon=True).start()
    while (question := questions.get()) is not None:
        _write(answers, answer(question))
    end()


def _listen(questions: "SimpleQueue[bytes | None]") -> None:
    with open(0, "rb", closefd=False) as source:
        while len(length := source.read(LENGTH_BYTES)) == LENGTH_BYTES:
            size = int.from_bytes(length, "big")
            question = source.read(size)
            if len(question) == size:
                questions.put(question)
    questions.put(None)
    threading.Event().wait(_LAST_S)
    os._exit(0)


def _write(answers: int, data: bytes) -> None:
    left = memoryview(len(data).to_bytes(LENGTH_BYTES, "big") + data)
    while left:
        left = left[os.write(answers, left) :]
