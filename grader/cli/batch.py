"""Grade a class."""

import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import (
    ACCEPTED,
    INTERNAL,
    CasesOption,
    FeedbackName,
    SandboxName,
    SandboxOption,
    StudentsFeedbackOption,
    WorkersName,
    WorkersOption,
    checked_seed,
    load_exercise,
    reporting_errors,
)
from grader.cli.grading import ExerciseOption
from grader.cli.stopping import INTERRUPTED, stopping_on_request
from grader.errors import GraderError, UsageError
from grader.text import printable

if TYPE_CHECKING:
    from grader.batch.entry import Row
    from grader.batch.record import Record
    from grader.model import Exercise, Sandbox
    from grader.sandbox.setup import Step

_SHORT = {
    "accepted": "accepted",
    "wrong_answer": "wrong",
    "structure": "wrong",
    "internal_error": "not graded",
}
_ORDER = ("accepted", "wrong", "failed", "not graded")


def batch(
    folder: Annotated[
        Path, typer.Argument(help="A folder of submissions, or an export as a .zip archive.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results and reports.")],
    exercise: ExerciseOption = None,
    sandbox: SandboxOption = SandboxName.auto,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            max=512,
            help="Graded at once; default: one a core, as far as memory allows.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the batch that is in the output folder.")
    ] = False,
    roster: Annotated[
        Path | None, typer.Option("--roster", help="CSV file of ids and names.")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="Seed of the suite, hex.")] = None,
    cases: CasesOption = None,
    feedback: StudentsFeedbackOption = None,
    workers: WorkersOption = WorkersName.auto,
) -> None:
    """Grade a class. Exit code 0: all graded, whatever the verdicts; 3: some could not be."""
    with reporting_errors():
        from grader.batch.gathering import gather
        from grader.batch.memory import affordable_jobs
        from grader.batch.roster import Roster, read_roster
        from grader.batch.run import Order, finish, grade_all, open_record

        chosen = load_exercise(exercise)
        order = Order(
            source=folder,
            output=output,
            exercise=chosen,
            exercise_name=str(chosen.folder),
            sandbox=sandbox.value,
            workers=workers.value,
            open_wall=partial(_wall, chosen, sandbox, workers),
            seed=checked_seed(seed) or chosen.default_seed,
            cases=cases or chosen.cases,
            feedback=(feedback or FeedbackName.full).value,
            jobs=jobs or affordable_jobs(),
            resume=resume,
        )
        _refuse_output_inside(folder, output)
        known = Roster([]) if roster is None else read_roster(roster)
        found = gather(folder)
        found = found._replace(entries=[known.name(entry) for entry in found.entries])
        if found.platform:
            typer.echo(f"read as an export of {found.platform}", err=True)
        if found.ignored:
            typer.echo(f"not submissions: {_some(found.ignored)}", err=True)
        strangers = known.strangers(found.entries)
        if strangers:
            typer.echo(f"not in the roster: {_some(strangers)}", err=True)
        with open_record(order) as record, stopping_on_request():
            done = sum(map(record.holds, found.entries))
            with _saying_what_is_kept(record):
                with _progress(len(found.entries), done) as seen:
                    grade_all(order, found, record, seen)
                outcome = finish(order, found, record, known)
        typer.echo(f"{outcome.rows} submissions: {output}/class.html, {output}/results.csv")
        if outcome.not_graded:
            for row in outcome.not_graded[:10]:
                typer.echo(f"not graded: {row.id}: {row.problem}", err=True)
            count = len(outcome.not_graded)
            typer.echo(
                f"{count} could not be graded, which is no fault of theirs. {_go_on()}", err=True
            )
            raise typer.Exit(INTERNAL)
        raise typer.Exit(ACCEPTED)


def _wall(
    exercise: "Exercise", sandbox: SandboxName, workers: WorkersName, rehearsal: "Sequence[Step]"
) -> "Sandbox":
    from grader.bench import setup
    from grader.environment import cache_folder
    from grader.sandbox.choice import choose

    wanted = setup(cache_folder(), exercise, rehearsal)
    return choose(sandbox.value, wanted, workers=workers.value)


def _refuse_output_inside(folder: Path, output: Path) -> None:
    """Reports among the submissions would be graded by the next run."""
    if folder.is_dir() and output.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{output} lies inside {folder}; choose a folder elsewhere")


def _some(names: Sequence[str], most: int = 20) -> str:
    left = len(names) - most
    rest = [f"and {left} more, see class.html"] if left > 0 else []
    return ", ".join([*map(printable, names[:most]), *rest])


def _go_on() -> str:
    """Say how to go on: the same command, resumed."""
    given = [one for one in sys.argv[1:] if one != "--resume"]
    return f"Go on with: {shlex.join(['grader', *given, '--resume'])}"


@contextmanager
def _saying_what_is_kept(record: "Record") -> Iterator[None]:
    """Say how to go on after whatever stops a batch: a request, a full disk, a wall that fell."""
    try:
        yield
    except (KeyboardInterrupt, GraderError) as error:
        typer.echo(f"\nstopped; {len(record)} results are kept. {_go_on()}", err=True)
        if isinstance(error, GraderError):
            raise
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _progress(total: int, done: int) -> Iterator[Callable[["Row"], None]]:
    """Show a bar with rate, time left and verdicts on standard error when it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda row: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeLeft(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[verdicts]}"),
    )
    counts: Counter[str] = Counter()
    start = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=120) as bar:
        task = bar.add_task("", total=total, completed=done, rate="preparing", verdicts="")

        def seen(row: "Row") -> None:
            counts[_SHORT.get(row.verdict, "failed")] += 1
            per_minute = 60 * counts.total() / (time.monotonic() - start)
            told = ", ".join(f"{counts[name]} {name}" for name in _ORDER if counts[name])
            bar.update(task, advance=1, rate=f"{per_minute:.0f}/min", verdicts=told)

        yield seen
