"""The judging process: read submissions from standard input, judge, write reports to its output.

It is trusted, as every judge is, and holds no secret of the service. It ends with its parent.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

import reference
from grader.environment import cache_folder
from grader.errors import SubmissionError
from grader.intake import read_submission
from grader.judge import Judge
from grader.meter import Meter
from grader.model import Exercise, Report, Sandbox
from grader.oracle import Oracle
from grader.report.document import to_json
from grader.result import refuse
from grader.runtime import compile_cache
from grader.sandbox.choice import choose
from grader.sandbox.kernel import become_undumpable
from grader.sandbox.setup import Setup
from grader.sandbox.worker import syscalls
from grader.service.judging.work import Reply, Work
from grader.text import printable

_PR_SET_PDEATHSIG, _SIGKILL = 1, 9
_LENGTH_BYTES = 8


class _Bench:
    """One exercise with its wall and its oracle, kept from submission to submission."""

    def __init__(self, exercise: Exercise, sandbox: Sandbox, oracle: Oracle) -> None:
        self.exercise, self.oracle = exercise, oracle
        self.judge = Judge(exercise, sandbox, oracle)

    def grade(self, files: tuple[tuple[str, bytes], ...]) -> Report:
        with _laid_out(files) as path:
            try:
                exercise = self.exercise
                names, entry = exercise.file_names, exercise.entry
                submission = read_submission(path, file_names=names, entry=entry)
            except SubmissionError as error:
                name = printable(files[0][0] if len(files) == 1 else "submission")
                return refuse(self.exercise, name, error, Meter(self.oracle).usage())
        return self.judge.grade(submission)


class _Benches:
    """The benches by exercise."""

    def __init__(self, sandbox: str) -> None:
        self._sandbox, self._benches = sandbox, dict[str, _Bench]()

    def grade(self, work: Work) -> Reply:
        try:
            bench = self._benches.get(work.exercise) or self._open(work.exercise)
            report = bench.grade(work.files)
        except Exception as error:  # a bug of ours is told to the service, which counts it
            return Reply(error=f"{type(error).__name__}: {error}")
        if report.verdict == "internal_error":
            del self._benches[work.exercise]  # its oracle may be what failed
        return Reply(report=to_json(report))

    def _open(self, name: str) -> _Bench:
        exercise, cache = reference.load(name), cache_folder()
        secrets = (cache / "expected.sqlite", exercise.folder)
        wall = choose(self._sandbox, Setup(compile_cache(cache), secrets=secrets))
        self._benches[name] = _Bench(exercise, wall, Oracle(exercise, cache))
        return self._benches[name]


@contextmanager
def _laid_out(files: tuple[tuple[str, bytes], ...]) -> Iterator[Path]:
    """Write files into a folder of their own: one file is its path, several the folder's."""
    with tempfile.TemporaryDirectory(prefix="grader-") as folder:
        for name, content in files:
            if name in ("", ".", "..") or "/" in name:
                raise ValueError("a file's name may not be a path")
            (Path(folder) / name).write_bytes(content)
        yield Path(folder) / files[0][0] if len(files) == 1 else Path(folder)


def main(sandbox: str) -> None:
    """Judge what comes until the input ends."""
    syscalls.prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    become_undumpable()
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints by mistake is no reply
    benches = _Benches(sandbox)
    while (length := source.read(_LENGTH_BYTES)) != b"":
        message = source.read(int.from_bytes(length, "big"))
        _write(target, benches.grade(msgspec.msgpack.decode(message, type=Work)))


def _write(target: IO[bytes], reply: Reply) -> None:
    data = msgspec.msgpack.encode(reply)
    target.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    target.flush()


if __name__ == "__main__":
    main(sys.argv[1])
