"""Give an instructor the grader's commands."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.errors import GraderError, SubmissionError, UsageError
from grader.report.format import Format

if TYPE_CHECKING:
    from grader.judge import Judge
    from grader.model import Exercise, Report
    from grader.sandbox.setup import Setup
    from grader.trial import Progress

ACCEPTED, NOT_ACCEPTED, USAGE, INTERNAL = 0, 1, 2, 3

app = typer.Typer(
    help="Grade JAX and Flax nnx exercises behind a wall.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class SandboxName(StrEnum):
    """Walls to choose from; auto takes the best that works here."""

    auto = "auto"
    bubblewrap = "bubblewrap"
    confined = "confined"


PathArgument = Annotated[Path, typer.Argument(help="A .py, .ipynb or .zip file, or a folder.")]
SandboxOption = Annotated[SandboxName, typer.Option("--sandbox", help="The wall.")]
FormatOption = Annotated[Format, typer.Option("--format", help="Form of the report.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the report to this file.")
]


@app.command()
def grade(
    path: PathArgument,
    exercise: Annotated[str | None, typer.Option(help="Name of the exercise.")] = None,
    sandbox: SandboxOption = SandboxName.auto,
    seed: Annotated[str | None, typer.Option(help="Seed of the suite, hex.")] = None,
    cases: Annotated[int | None, typer.Option(min=1, max=10_000, help="Number of cases.")] = None,
    format: FormatOption = Format.text,
    output: OutputOption = None,
) -> None:
    """Grade one submission. Exit code 0: accepted, 1: any other verdict."""
    with _reporting_errors():
        import reference
        from grader.report.output import write

        chosen = reference.load(exercise or reference.DEFAULT)
        report = _grade(chosen, path, sandbox, _checked_seed(seed), cases)
        write(report, format, output)
        raise typer.Exit(_exit_code(report))


@app.command()
def replay(
    report: Annotated[Path, typer.Argument(help="A stored JSON report.")],
    path: PathArgument,
    sandbox: SandboxOption = SandboxName.auto,
    format: FormatOption = Format.text,
    output: OutputOption = None,
) -> None:
    """Grade again as a stored report did. Exit code 0: it repeats bit for bit, 1: it does not."""
    with _reporting_errors():
        import reference
        from grader.report.document import differences, from_json
        from grader.report.output import write

        before = from_json(_read(report))
        exercise = reference.load(before.exercise.name)
        if exercise.digest != before.exercise.digest:
            raise UsageError(
                f"the report was made by exercise {before.exercise.digest[:12]}, here is "
                f"{exercise.digest[:12]}: install the version that made it"
            )
        after = _grade(exercise, path, sandbox, before.suite.seed, before.suite.cases or None)
        write(after, format, output)
        changed = differences(before, after)
        if changed:
            typer.echo(f"not repeated; differs in: {', '.join(changed)}", err=True)
        else:
            typer.echo("repeated bit for bit", err=True)
        raise typer.Exit(NOT_ACCEPTED if changed else ACCEPTED)


@app.command()
def exercises() -> None:
    """List the exercises."""
    with _reporting_errors():
        import reference

        for name in reference.names():
            found = reference.load(name)
            total = sum(criterion.points for criterion in found.rubric)
            line = f"{name}  version {found.version}, {found.cases} cases, {total} points"
            typer.echo(f"{line}, digest {found.digest[:12]}\n    {found.title}")


@app.command()
def warm(
    exercise: Annotated[str | None, typer.Argument(help="Name of the exercise.")] = None,
) -> None:
    """Compute the default suite's expected values and programs ahead of the first grading."""
    with _reporting_errors():
        import reference
        from grader.environment import cache_folder
        from grader.oracle import Oracle
        from grader.suites import recall_or_generate

        chosen = reference.load(exercise or reference.DEFAULT)
        with Oracle(chosen, cache_folder()) as oracle:
            suite = recall_or_generate(chosen, oracle, chosen.default_seed, chosen.cases)
            oracle.warm_up(suite.cases)
        typer.echo(f"{chosen.name}: {len(suite.cases)} cases are ready in {cache_folder()}")


@app.command()
def doctor(
    sandbox: Annotated[SandboxName, typer.Option("--sandbox", help="Only this wall.")] = (
        SandboxName.auto
    ),
) -> None:
    """Try every promise of the walls on this machine. Exit code 0: the chosen wall is complete."""
    with _reporting_errors():
        from rich.console import Console

        from grader.doctor import examine

        whole = examine(sandbox.value, _setup(), Console())
        raise typer.Exit(ACCEPTED if whole else NOT_ACCEPTED)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the report."""
    from grader.report import document

    typer.echo(document.schema())


def _grade(
    exercise: "Exercise", path: Path, sandbox: SandboxName, seed: str | None, cases: int | None
) -> "Report":
    """Read and judge one submission, showing progress where somebody watches."""
    from grader.environment import cache_folder
    from grader.intake import read_submission
    from grader.judge import Judge, refuse
    from grader.oracle import Oracle
    from grader.sandbox.choice import choose
    from grader.sandbox.kernel import become_undumpable
    from grader.text import printable

    become_undumpable()
    with Oracle(exercise, cache_folder()) as oracle:
        try:
            submission = read_submission(path, file_names=exercise.file_names, entry=exercise.entry)
        except SubmissionError as error:
            return refuse(exercise, oracle, printable(path.name), error, seed)
        judge = Judge(exercise, choose(sandbox.value, _setup()), oracle, seed=seed, cases=cases)
        with _progress(judge) as progress:
            return judge.grade(submission, progress)


@contextmanager
def _progress(judge: "Judge") -> Iterator["Progress"]:
    """Show a bar on standard error when it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(judge.exercise.name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _setup() -> "Setup":
    from grader.environment import cache_folder
    from grader.runtime import compile_cache
    from grader.sandbox.setup import Setup

    folder = cache_folder()
    return Setup(compile_cache(folder), secrets=(folder / "expected.sqlite",))


def _exit_code(report: "Report") -> int:
    if report.verdict == "internal_error":
        return INTERNAL
    return ACCEPTED if report.verdict == "accepted" else NOT_ACCEPTED


def _checked_seed(seed: str | None) -> str | None:
    """Return a seed in its one canonical form."""
    if seed is None:
        return None
    try:
        return f"{int(seed, 16):016x}"
    except ValueError:
        raise UsageError(f"--seed takes a hexadecimal number, not {seed!r}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


@contextmanager
def _reporting_errors() -> Iterator[None]:
    """Turn our own errors into one line and an exit code: 2 for the caller's, 3 for ours."""
    try:
        yield
    except UsageError as error:
        typer.echo(f"grader: {error}", err=True)
        raise typer.Exit(USAGE) from None
    except GraderError as error:
        typer.echo(f"grader: internal error: {error}", err=True)
        raise typer.Exit(INTERNAL) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # Python's own exit code 1 would say "not accepted"
        logging.getLogger("grader").exception("please report this")
        typer.echo(f"grader: internal error: {type(error).__name__}: {error}", err=True)
        raise typer.Exit(INTERNAL) from None


if __name__ == "__main__":
    app()
