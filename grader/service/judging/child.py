"""The judging process: take submissions, judge, answer with reports.

It is trusted, as every judge is, and holds no secret of the service.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

import reference
from grader.bench import ReferenceBench
from grader.environment import cache_folder
from grader.model import Report
from grader.peer.answering import serve
from grader.report.document import to_json
from grader.service.judging.work import Reply, Work

_MOST_BENCHES = 2
"""Exercises that stay ready: each keeps an oracle and a template, about 1 GiB together."""


class Benches:
    """The benches by exercise, the one used last at the end."""

    def __init__(self, sandbox: str, workers: str) -> None:
        self._sandbox, self._workers = sandbox, workers
        self._benches = dict[str, ReferenceBench]()

    def answer(self, question: bytes) -> bytes:
        """Judge one submission; what goes wrong comes back as the reply's error."""
        return msgspec.msgpack.encode(self._grade(msgspec.msgpack.decode(question, type=Work)))

    def close(self) -> None:
        """End whatever stands ready."""
        for name in list(self._benches):
            self._end(name)

    def _grade(self, work: Work) -> Reply:
        try:
            report = self._report(work)
        except Exception as error:  # a bug of ours is told to the service, which counts it
            return Reply(error=f"{type(error).__name__}: {error}")
        if report.verdict == "internal_error":
            self._end(work.exercise)  # its oracle may be what failed
        return Reply(report=to_json(report))

    def _report(self, work: Work) -> Report:
        bench = self._benches[work.exercise] = self._take(work.exercise)
        with _laid_out(work.files) as path:
            read = bench.read(path, path.name if len(work.files) == 1 else "submission")
        return read if isinstance(read, Report) else bench.grade(read)

    def _take(self, name: str) -> ReferenceBench:
        bench = self._benches.pop(name, None)
        if bench is not None:
            return bench
        exercise = reference.load(name)
        for oldest in list(self._benches)[: 1 - _MOST_BENCHES]:
            self._end(oldest)
        return ReferenceBench(
            exercise, cache_folder(), sandbox=self._sandbox, workers=self._workers
        )

    def _end(self, name: str) -> None:
        self._benches.pop(name).close()


@contextmanager
def _laid_out(files: tuple[tuple[str, bytes], ...]) -> Iterator[Path]:
    """Write files into a folder of their own: one file is its path, several the folder's."""
    with tempfile.TemporaryDirectory(prefix="grader-") as folder:
        for name, content in files:
            if name in ("", ".", "..") or "/" in name:
                raise ValueError("a file's name may not be a path")
            (Path(folder) / name).write_bytes(content)
        yield Path(folder) / files[0][0] if len(files) == 1 else Path(folder)


def main(sandbox: str, workers: str) -> None:
    """Judge what comes until the input ends."""
    benches = Benches(sandbox, workers)
    serve(benches.answer, benches.close)


if __name__ == "__main__":
    main(*sys.argv[1:])
