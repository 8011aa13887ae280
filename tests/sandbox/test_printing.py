"""A right program may print a lot: what is too much is dropped, and no call fails for it."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from grader.model import Deadlines, Exercise, Sandbox
from grader.sandbox.worker.printing import Sparing, print_sparingly

PRINTS = b"""
import sys
import numpy as np

sys.stdout.reconfigure(line_buffering=True)

def resnet_classifier_forward(seed, image, num_classes):
    print("x" * (1 << 16))
    sys.stderr.write("y" * (1 << 16))
    sys.stdout.buffer.write(b"z" * (1 << 16))
    return np.ones(int(num_classes), np.float32)
"""


def test_what_is_too_much_is_dropped(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        stream = io.BufferedWriter(Sparing(log.fileno(), 100_000))
        for _ in range(1000):
            assert stream.write(b"a" * 1000) == 1000
        stream.flush()
        stream.close()
        os.fstat(log.fileno())  # the descriptor is not its own, and stays open
    assert (tmp_path / "log").read_bytes() == b"a" * 100_000


def test_what_does_not_end_is_written_again(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        stream = Sparing(log.fileno(), 1000, 9000)
        for _ in range(12):
            assert stream.write(b"a" * 1000) == 1000
    assert (tmp_path / "log").stat().st_size == 4000


def test_streams_stay_what_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="latin-1", errors="replace") as log:
        monkeypatch.setattr(sys, "stdout", log)
        monkeypatch.setattr(sys, "stderr", log)
        print_sparingly()
        for stream in (sys.stdout, sys.stderr):
            assert (stream.encoding, stream.errors) == ("latin-1", "replace")
            assert stream.fileno() == log.fileno()
            stream.write("\u2713\xe9")
            stream.flush()
    assert (tmp_path / "log").read_bytes() == b"?\xe9" * 2


def test_printing_in_every_call_ends_nothing(exercise: Exercise, sandbox: Sandbox) -> None:
    arguments = list(exercise.watched.values())
    with sandbox.open(Deadlines()) as worker:
        worker.load(PRINTS, exercise.entry)
        for number in range(24):
            answer = worker.call(arguments, first=number == 0)
            assert answer.array is not None and np.all(answer.array == 1)
