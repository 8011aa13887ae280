"""Put together what submissions of one exercise are judged with: examiner, judge and wall."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from grader.errors import SubmissionError
from grader.examiner import Examiner, ReferenceExaminer
from grader.intake import read_submission
from grader.model import Exercise, Report, Submission
from grader.oracle import Oracle
from grader.result import refuse
from grader.runtime import compile_cache
from grader.sandbox.kernel import become_undumpable
from grader.text import printable
from grader.trial import Progress

if TYPE_CHECKING:  # neither judge nor wall is needed for a file that cannot be read
    from grader.judge import Judge
    from grader.rehearsal import Step
    from grader.sandbox.lending import Loan
    from grader.sandbox.setup import Setup


def setup(
    folder: Path, exercise: Exercise | None = None, rehearsal: "Sequence[Step]" = ()
) -> "Setup":
    """Return what workers get; neither expected values nor the exercise may be readable.

    Args:
        folder: of the cache.
    """
    from grader.sandbox.setup import Setup

    secrets = [folder / "expected.sqlite", *([] if exercise is None else [exercise.folder])]
    return Setup(compile_cache(folder), tuple(secrets), tuple(rehearsal))


class Bench:
    """One exercise's examiner, and a judge whose wall is chosen when a submission needs it.

    Use as a context manager, or close it. It closes this process's memory, which will hold answers,
    to others.

    Args:
        folder: of the cache.
        sandbox, workers, loans: see grader.sandbox.choice.choose.
        end: on the monotonic clock; see Judge.
    """

    def __init__(
        self,
        exercise: Exercise,
        examiner: Examiner,
        folder: Path,
        *,
        sandbox: str,
        workers: str = "fresh",
        loans: "Mapping[str, Loan]" = MappingProxyType({}),
        end: float = math.inf,
    ) -> None:
        become_undumpable()
        self.exercise, self.examiner = exercise, examiner
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
        meter = self.examiner.meter()
        try:
            return reader()
        except SubmissionError as error:
            shown = printable(name)
            return refuse(self.exercise, shown, error, meter.usage(), self.examiner.seed)

    def grade(
        self, submission: Submission, progress: Progress = lambda done, total: None
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
        return Judge(self.exercise, wall, self.examiner, end=self._end)

    def _setup(self) -> "Setup":
        return setup(self._folder, self.exercise)


class ReferenceBench(Bench):
    """A bench whose examiner knows every answer; see Bench.

    Args:
        seed, cases: of the suite; the exercise's own when they are left out.
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
        self.oracle = Oracle(exercise, folder, variants_until=variants_until)
        self._suite = seed or exercise.default_seed, cases or exercise.cases
        examiner = ReferenceExaminer(exercise, self.oracle, *self._suite)
        super().__init__(
            exercise, examiner, folder, sandbox=sandbox, workers=workers, loans=loans, end=end
        )
        self._opened.enter_context(self.oracle)

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

    def _setup(self) -> "Setup":
        """Take the rehearsal along where a template may want it."""
        rehearsal = [] if self._workers == "fresh" else self.rehearsal()
        return setup(self._folder, self.exercise, rehearsal)
