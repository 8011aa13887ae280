"""Put together what submissions of one exercise are judged with: examiner, judge and wall."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from grader.errors import SubmissionError
from grader.intake import read_submission
from grader.meter import Meter
from grader.model import Exercise, Report, Submission
from grader.sandbox.kernel import become_undumpable
from grader.text import printable

if TYPE_CHECKING:  # nothing that judges is needed for a file that cannot be read
    from grader.examiner import Examiner
    from grader.judge import Judge
    from grader.oracle import Oracle
    from grader.rehearsal import Step
    from grader.sandbox.lending import Loan
    from grader.sandbox.setup import Setup
    from grader.trial import Progress


def setup(
    folder: Path, exercise: Exercise | None = None, rehearsal: "Sequence[Step]" = ()
) -> "Setup":
    """Return what workers get; neither expected values nor the exercise may be readable.

    Args:
        folder: of the cache.
    """
    from grader.runtime import compile_cache
    from grader.sandbox.setup import Setup

    secrets = [folder / "expected.sqlite", *([] if exercise is None else [exercise.folder])]
    return Setup(compile_cache(folder), tuple(secrets), tuple(rehearsal))


class Bench(ABC):
    """One exercise's examiner, and a judge whose wall is chosen when a submission needs it.

    Use as a context manager, or close it. It closes this process's memory, which will hold answers,
    to others.

    Args:
        seed: hex, of the suite; the exercise's own when it is left out.
        folder: of the cache.
        sandbox, workers, loans: see grader.sandbox.choice.choose.
        end: on the monotonic clock; see Judge.
    """

    def __init__(
        self,
        exercise: Exercise,
        folder: Path,
        *,
        sandbox: str,
        seed: str | None = None,
        workers: str = "fresh",
        loans: "Mapping[str, Loan]" = MappingProxyType({}),
        end: float = math.inf,
    ) -> None:
        become_undumpable()
        self.exercise, self.seed = exercise, seed or exercise.default_seed
        self._judge: Judge | None = None
        self._folder, self._sandbox, self._end = folder, sandbox, end
        self._workers, self._loans = workers, loans
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what was started."""
        self._opened.close()

    def open_wall(self) -> None:
        """Choose the wall, unless that was done.

        Raises:
            UsageError: there is no such wall.
            SandboxError: no wall works here.
        """
        self._judge = self._judge or self._choose()

    def read(self, path: Path, name: str = "") -> Submission | Report:
        """Read a file or folder; see read_by.

        Args:
            name: as the student knows it; the path's own when it is left out.
        """
        names, entry = self.exercise.file_names, self.exercise.entry
        return self.read_by(
            lambda: read_submission(path, file_names=names, entry=entry), name or path.name
        )

    def read_by(self, reader: Callable[[], Submission], name: str) -> Submission | Report:
        """Return what a reader returns, or the report that refuses what is no submission."""
        meter = Meter()
        try:
            return reader()
        except SubmissionError as error:
            from grader.result import refuse

            return refuse(self.exercise, printable(name), error, meter.usage(), self.seed)

    def grade(
        self, submission: Submission, progress: "Progress" = lambda done, total: None
    ) -> Report:
        """Judge a submission; see open_wall for what may be raised."""
        self._judge = self._judge or self._choose()
        return self._judge.grade(submission, progress)

    def _choose(self) -> "Judge":
        from grader.judge import Judge
        from grader.sandbox.choice import choose

        setup, workers = self._setup(), self._workers
        wall = choose(self._sandbox, setup, workers=workers, loans=self._loans)
        self._opened.enter_context(closing(wall))
        return Judge(self.exercise, wall, self._examiner(), end=self._end)

    @abstractmethod
    def _examiner(self) -> "Examiner":
        """Return what knows the answers."""

    def _setup(self) -> "Setup":
        return setup(self._folder, self.exercise)


class PublicBench(Bench):
    """A bench whose examiner has the exercise's public examples alone; see Bench.

    Attributes:
        note: what a student must know of such a grading.

    Raises:
        UsageError: the exercise has none.
    """

    def __init__(self, exercise: Exercise, folder: Path, *, sandbox: str) -> None:
        from grader.public import PublicExaminer

        examiner = PublicExaminer(exercise)
        self._public, self.note = examiner, examiner.note
        super().__init__(exercise, folder, sandbox=sandbox, seed=examiner.seed)

    def _examiner(self) -> "Examiner":
        return self._public


class ReferenceBench(Bench):
    """A bench whose examiner knows every answer; see Bench.

    Args:
        cases: their number; the exercise's own when it is left out.
        variants_until: see Oracle.
    """

    def __init__(
        self,
        exercise: Exercise,
        folder: Path,
        *,
        sandbox: str,
        workers: str = "fresh",
        loans: "Mapping[str, Loan]" = MappingProxyType({}),
        seed: str | None = None,
        cases: int | None = None,
        end: float = math.inf,
        variants_until: float = math.inf,
    ) -> None:
        super().__init__(
            exercise, folder, sandbox=sandbox, seed=seed, workers=workers, loans=loans, end=end
        )
        self._suite = self.seed, cases or exercise.cases
        self._variants_until = variants_until

    @cached_property
    def oracle(self) -> "Oracle":
        """What is right; no process runs before it is asked."""
        from grader.oracle import Oracle

        oracle = Oracle(self.exercise, self._folder, variants_until=self._variants_until)
        return self._opened.enter_context(oracle)

    def prepare(self, *, anew: bool = False) -> int:
        """Fill what all processes of this user share on disk, so that none computes it twice.

        Args:
            anew: compile programs although there are some.

        Returns:
            The number of cases.

        Raises:
            OracleError: the reference could not be run.
        """
        from grader.preparation import prepare
        from grader.runtime import compile_cache

        compiled = compile_cache(self._folder)
        lacking = anew or not compiled.is_dir() or not any(compiled.iterdir())
        return prepare(self.exercise, self.oracle, *self._suite, with_programs=lacking)

    def rehearsal(self) -> "list[Step]":
        """Return what a warm template compiles ahead for this suite.

        Raises:
            OracleError: the reference could not be run.
        """
        from grader.rehearsal import steps
        from grader.suites import recall_or_generate

        suite = recall_or_generate(self.exercise, self.oracle, *self._suite)
        return steps(self.exercise, self.oracle, suite.cases)

    def _examiner(self) -> "Examiner":
        from grader.examiner import ReferenceExaminer

        return ReferenceExaminer(self.exercise, self.oracle, *self._suite)

    def _setup(self) -> "Setup":
        """Take the rehearsal along where a template may want it."""
        rehearsal = [] if self._workers == "fresh" else self.rehearsal()
        return setup(self._folder, self.exercise, rehearsal)
