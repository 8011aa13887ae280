"""Show a stored report once more, or grade again as it did."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import (
    ACCEPTED,
    INTERNAL,
    MOST_CASES,
    NOT_ACCEPTED,
    FeedbackName,
    FeedbackOption,
    OutputOption,
    ReportFormatOption,
    SandboxName,
    SandboxOption,
    ViewName,
    ViewOption,
    as_shown,
    checked_seed,
    load_exercise,
    reporting_errors,
    shown,
)
from grader.cli.grading import PathArgument, grade_by_reference, refuse_in_place_of
from grader.cli.platforms import MetadataOption, PlatformOption, SettingsOption
from grader.errors import UsageError
from grader.report.format import Format
from grader.text import printable

if TYPE_CHECKING:
    from grader.model import Exercise, Report

ReportArgument = Annotated[Path, typer.Argument(help="A stored JSON report.")]


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

        refuse_in_place_of("submission", path, output)
        refuse_in_place_of("stored report", report, output)
        refuse_unwritable(output)
        before = _stored(report)
        chosen = _that_made(before, report, exercise)
        seed, cases = _suite_of(before, report)
        after, source = grade_by_reference(chosen, path, sandbox, seed, cases)
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

        refuse_in_place_of("stored report", report, output)
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
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


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
