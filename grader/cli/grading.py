"""Grade one submission, try it, grade it again, or show once more what came of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import (
    ACCEPTED,
    INTERNAL,
    MOST_CASES,
    NOT_ACCEPTED,
    CasesOption,
    FeedbackName,
    FeedbackOption,
    HtmlOption,
    JunitOption,
    OutputOption,
    ReportFormatOption,
    SandboxName,
    SandboxOption,
    ViewName,
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
from grader.cli.platforms import MetadataOption, PlatformOption, SettingsOption
from grader.errors import UsageError
from grader.report.format import Format
from grader.text import printable

if TYPE_CHECKING:
    from grader.bench import Bench
    from grader.model import Exercise, Report

PathArgument = Annotated[Path, typer.Argument(help="A .py, .ipynb or .zip file, or a folder.")]
ReportArgument = Annotated[Path, typer.Argument(help="A stored JSON report.")]
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
        refuse_unwritable(output, html, junit)
        chosen, suite = load_exercise(exercise), (checked_seed(seed), cases)
        report, source = _grade(chosen, path, sandbox, *suite, workers=workers)
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


def replay(
    report: ReportArgument,
    path: PathArgument,
    exercise: Annotated[
        str | None,
        typer.Option(help="Path of the exercise's folder, where the report was made by one."),
    ] = None,
    sandbox: SandboxOption = SandboxName.auto,
    format: ReportFormatOption = Format.text,
    output: OutputOption = None,
) -> None:
    """Grade again as a stored report did. Exit code 0: it repeats bit for bit, 1: it does not.

    3: this time the grader failed.
    """
    with reporting_errors():
        from grader.report.document import differences
        from grader.report.output import refuse_unwritable, write

        refuse_unwritable(output)
        before = _stored(report)
        chosen = _that_made(before, report, exercise)
        seed, cases = _suite_of(before, report)
        after, source = _grade(chosen, path, sandbox, seed, cases)
        write(after, format, output, source)
        changed = differences(before, after)
        if changed:
            typer.echo(f"not repeated; differs in: {', '.join(changed)}", err=True)
        else:
            typer.echo("repeated bit for bit", err=True)
        if changed and after.verdict == "internal_error":
            raise typer.Exit(INTERNAL)
        raise typer.Exit(NOT_ACCEPTED if changed else ACCEPTED)


def render(
    report: ReportArgument,
    format: Annotated[
        Format | None, typer.Option("--format", help="Form of the report, text when not given.")
    ] = None,
    platform: PlatformOption = None,
    settings: SettingsOption = None,
    metadata: MetadataOption = None,
    view: ViewOption = None,
    feedback: FeedbackOption = None,
    output: OutputOption = None,
) -> None:
    """Show a stored report in any form, whole or as a student or a platform may see it."""
    with reporting_errors():
        from grader.report.output import write

        stored = _stored(report)
        if platform is not None:
            from grader.cli.platforms import publish

            if format is not None:
                raise UsageError(f"--platform has a form of its own: leave out --format {format}")
            chosen = view or ViewName.student  # whoever reads a platform is a student
            document = as_shown(stored, shown(chosen, _less(stored, feedback)))
            raise typer.Exit(publish(document, platform, settings, metadata, output))
        if stored.shown.view == "student":
            if view is ViewName.staff:
                raise UsageError(
                    f"{report} was made for a student; --view staff needs the staff report"
                )
            view, feedback = ViewName.student, feedback or FeedbackName(stored.shown.feedback)
        write(as_shown(stored, shown(view, feedback)), format or Format.text, output)


def schema() -> None:
    """Print the JSON Schema of the report."""
    with reporting_errors():
        from grader.report import document
        from grader.report.output import put

        put(document.schema() + "\n", None)


def _less(report: "Report", feedback: FeedbackName | None) -> FeedbackName | None:
    """Return the feedback that was asked for, else what a student's document holds."""
    if feedback is None and report.shown.view == "student":
        return FeedbackName(report.shown.feedback)
    return feedback


def _stored(path: Path) -> "Report":
    from grader.report.document import from_json

    try:
        return from_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _that_made(report: "Report", path: Path, chosen: str | None) -> "Exercise":
    """Return the exercise of a report that can be repeated: the staff's, of this very version.

    Args:
        chosen: by the user; a report may be forged, and a folder that it names is not run.
    """
    if report.shown.view == "student":
        raise UsageError(f"{path} was made for a student; replay needs the staff report")
    import reference

    name = report.exercise.name
    if chosen is None and name not in reference.names():
        raise UsageError(
            f"{path} was made by exercise {printable(name)!r}, which is none of ours; give its"
            " folder: --exercise ./a/folder"
        )
    exercise = load_exercise(chosen or name)
    if exercise.digest != report.exercise.digest:
        raise UsageError(
            f"the report was made by exercise {report.exercise.digest[:12]}, here is "
            f"{exercise.digest[:12]}: install the version that made it"
        )
    return exercise


def _suite_of(report: "Report", path: Path) -> tuple[str, int | None]:
    """Return the seed of a report's suite and how many cases to ask for; it may be forged."""
    cases = report.suite.asked or report.suite.cases  # older reports do not say what was asked
    try:
        seed = checked_seed(report.suite.seed)
    except UsageError:
        seed = None
    if seed != report.suite.seed or not 0 <= cases <= MOST_CASES:
        raise UsageError(f"{path} names no suite that was ever drawn: it was edited")
    return seed, cases or None


def _grade(
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


def _refuse_one_file_twice(*targets: Path | None) -> None:
    """Two forms in one file: the second would replace the first without a word."""
    given = [target.absolute() for target in targets if target is not None]
    if len(set(given)) < len(given):
        raise UsageError("--output, --html and --junit name the same file; give each its own")
