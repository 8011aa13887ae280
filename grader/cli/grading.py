"""Grade one submission, or grade it again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import (
    ACCEPTED,
    INTERNAL,
    NOT_ACCEPTED,
    CasesOption,
    FormatOption,
    OutputOption,
    SandboxName,
    SandboxOption,
    load_exercise,
    progress_bar,
    reporting_errors,
    setup,
)
from grader.errors import SubmissionError, UsageError
from grader.report.format import Format

if TYPE_CHECKING:
    from grader.model import Exercise, Report

PathArgument = Annotated[Path, typer.Argument(help="A .py, .ipynb or .zip file, or a folder.")]


def grade(
    path: PathArgument,
    exercise: Annotated[
        str | None, typer.Option(help="Name of the exercise, or the path of its folder.")
    ] = None,
    sandbox: SandboxOption = SandboxName.auto,
    seed: Annotated[str | None, typer.Option(help="Seed of the suite, hex.")] = None,
    cases: CasesOption = None,
    format: FormatOption = Format.text,
    output: OutputOption = None,
) -> None:
    """Grade one submission. Exit code 0: accepted, 1: any other verdict."""
    with reporting_errors():
        from grader.report.output import write

        chosen = load_exercise(exercise)
        report = _grade(chosen, path, sandbox, _checked_seed(seed), cases)
        write(report, format, output)
        raise typer.Exit(_exit_code(report))


def replay(
    report: Annotated[Path, typer.Argument(help="A stored JSON report.")],
    path: PathArgument,
    sandbox: SandboxOption = SandboxName.auto,
    format: FormatOption = Format.text,
    output: OutputOption = None,
) -> None:
    """Grade again as a stored report did. Exit code 0: it repeats bit for bit, 1: it does not."""
    with reporting_errors():
        from grader.report.document import differences, from_json
        from grader.report.output import write

        before = from_json(_read(report))
        exercise = load_exercise(before.exercise.name)
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
        wall = choose(sandbox.value, setup(exercise))
        judge = Judge(exercise, wall, oracle, seed=seed, cases=cases)
        with progress_bar(exercise.name) as progress:
            return judge.grade(submission, progress)


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
