"""Grade one submission, or try it on the public examples."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import (
    ACCEPTED,
    INTERNAL,
    NOT_ACCEPTED,
    CasesOption,
    FeedbackOption,
    HtmlOption,
    JunitOption,
    OutputOption,
    ReportFormatOption,
    SandboxName,
    SandboxOption,
    ViewOption,
    WorkersName,
    WorkersOption,
    as_shown,
    checked_seed,
    load_exercise,
    progress_bar,
    reporting_errors,
    shown,
)
from grader.errors import UsageError
from grader.report.format import Format

if TYPE_CHECKING:
    from grader.bench import Bench
    from grader.model import Exercise, Report

PathArgument = Annotated[Path, typer.Argument(help="A .py, .ipynb or .zip file, or a folder.")]
ExerciseOption = Annotated[
    str | None, typer.Option(help="Name of the exercise, or the path of its folder.")
]


def grade(
    path: PathArgument,
    exercise: ExerciseOption = None,
    sandbox: SandboxOption = SandboxName.auto,
    seed: Annotated[str | None, typer.Option(help="Seed of the suite, hex.")] = None,
    cases: CasesOption = None,
    format: ReportFormatOption = Format.text,
    output: OutputOption = None,
    view: ViewOption = None,
    feedback: FeedbackOption = None,
    html: HtmlOption = None,
    junit: JunitOption = None,
    workers: WorkersOption = WorkersName.auto,
) -> None:
    """Grade one submission. Exit code 0: accepted, 1: any other verdict."""
    with reporting_errors():
        from grader.report.output import refuse_unwritable, write

        wanted = shown(view, feedback)
        _refuse_one_file_twice(output, html, junit)
        refuse_in_place_of("submission", path, output, html, junit)
        refuse_unwritable(output, html, junit)
        chosen, suite = load_exercise(exercise), (checked_seed(seed), cases)
        report, source = grade_by_reference(chosen, path, sandbox, *suite, workers=workers)
        document = as_shown(report, wanted)
        write(document, format, output, source)
        for form, target in ((Format.html, html), (Format.junit, junit)):
            if target is not None:
                write(document, form, target, source)
        raise typer.Exit(_exit_code(report))


def try_(
    path: PathArgument,
    exercise: ExerciseOption = None,
    sandbox: SandboxOption = SandboxName.auto,
    format: ReportFormatOption = Format.text,
    output: OutputOption = None,
    html: HtmlOption = None,
) -> None:
    """Try one submission on the public examples, as a student. Exit codes: those of grade."""
    with reporting_errors():
        from grader.bench import PublicBench
        from grader.environment import cache_folder
        from grader.report.output import refuse_unwritable, write
        from grader.report.views import for_student

        _refuse_one_file_twice(output, html)
        refuse_in_place_of("submission", path, output, html)
        refuse_unwritable(output, html)
        bench = PublicBench(load_exercise(exercise), cache_folder(), sandbox=sandbox.value)
        report, source = _judge(bench, path)
        # A report on standard output may be JSON: what is no part of it goes beside it.
        typer.echo(bench.note, err=format is not Format.text)
        document = for_student(report, "full")
        write(document, format, output, source)
        if html is not None:
            write(document, Format.html, html, source)
        raise typer.Exit(_exit_code(report))


def grade_by_reference(
    exercise: "Exercise",
    path: Path,
    sandbox: SandboxName,
    seed: str | None,
    cases: int | None,
    *,
    workers: WorkersName = WorkersName.auto,
) -> tuple["Report", str | None]:
    """Read and judge one submission by the reference; see _judge."""
    from grader.bench import ReferenceBench
    from grader.environment import cache_folder

    if workers is WorkersName.auto:  # a template costs as much as the one worker it would fork
        workers = WorkersName.fresh
    bench = ReferenceBench(
        exercise,
        cache_folder(),
        sandbox=sandbox.value,
        workers=workers.value,
        seed=seed,
        cases=cases,
    )
    return _judge(bench, path)


def _judge(bench: "Bench", path: Path) -> tuple["Report", str | None]:
    """Read and judge one submission, showing progress where somebody watches.

    Returns:
        The report and the text that was judged; None when it could not be read.
    """
    from grader.model import Report

    with bench:
        read = bench.read(path)
        if isinstance(read, Report):
            return read, None
        bench.open_wall()  # what is wrong with it is no part of the progress
        with progress_bar(bench.exercise.name) as progress:
            return bench.grade(read, progress), read.source.decode("utf-8", "replace")


def _exit_code(report: "Report") -> int:
    if report.verdict == "internal_error":
        return INTERNAL
    return ACCEPTED if report.verdict == "accepted" else NOT_ACCEPTED


def refuse_in_place_of(what: str, path: Path, *targets: Path | None) -> None:
    """Refuse to write a report in the place of the file that it is made of.

    Args:
        what: the file is, in a word or two.

    Raises:
        UsageError: a target names that file.
    """
    for target in targets:
        is_same = target is not None and os.path.realpath(target) == os.path.realpath(path)
        if is_same and path.is_file():
            raise UsageError(f"{target} is the {what}; write the report to another file")


def _refuse_one_file_twice(*targets: Path | None) -> None:
    """Two forms in one file: the second would replace the first without a word."""
    given = [target.absolute() for target in targets if target is not None]
    if len(set(given)) < len(given):
        raise UsageError("--output, --html and --junit name the same file; give each its own")
