"""Run where a platform left a submission, render for it, and hold results against its rules."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grader.cli.common import (
    ACCEPTED,
    NOT_ACCEPTED,
    exercise_folder,
    load_exercise,
    reporting_errors,
)
from grader.errors import UsageError
from grader.platforms import NAMES, find

if TYPE_CHECKING:
    from grader.model import Exercise, Report
    from grader.platforms.platform import Platform
    from grader.platforms.settings import Settings

PlatformName = StrEnum("PlatformName", list(NAMES))  # type: ignore[misc]

PlatformOption = Annotated[
    PlatformName | None, typer.Option("--platform", help="Render what this platform wants back.")
]
SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="A grading.toml with the platform's options.")
]
MetadataOption = Annotated[
    Path | None, typer.Option("--metadata", help="What the platform says of the submission.")
]

PASSED_ON: dict[str, Any] = {
    "add_help_option": False,
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
}


def run(context: typer.Context) -> None:
    """Judge one submission where a platform left it: the entry point of its containers."""
    from grader.platforms.supervisor import main

    raise typer.Exit(main(context.args))


def validate(
    file: Annotated[Path, typer.Argument(help="A result; - reads standard input.")],
    platform: Annotated[PlatformName, typer.Option("--platform", help="Whose rules.")],
) -> None:
    """Hold a result against a platform's rules. Exit code 1: it breaks some."""
    with reporting_errors():
        try:
            data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
            beside = {} if str(file) == "-" else _beside(file)
        except OSError as error:
            raise UsageError(f"cannot read {file}: {error.strerror}") from error
        found = find(platform)
        problems = found.validate(data, beside)
        for problem in problems:
            typer.echo(f"{file}: {problem}")
        if not problems:
            typer.echo(f"{file}: {found.title} takes this")
        raise typer.Exit(NOT_ACCEPTED if problems else ACCEPTED)


def package(
    platform: Annotated[PlatformName, typer.Option("--platform", help="Where it is uploaded.")],
    exercise: Annotated[
        str | None, typer.Option(help="Name of the exercise, or the path of its folder.")
    ] = None,
    settings: SettingsOption = None,
    form: Annotated[str, typer.Option("--form", help="Of the platform's forms, see docs.")] = "",
    image: Annotated[
        str | None,
        typer.Option("--image", help="The grading image, where the platform can pull it."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, or into this folder.")
    ] = None,
) -> None:
    """Pack the file that an instructor uploads; the same course gives the same bytes."""
    with reporting_errors():
        import reference
        from grader.platforms.course import Course
        from grader.platforms.packages import form_of, pack

        found = find(platform)
        way = form_of(found, form)
        chosen = _settings(found, settings, exercise)
        named = [chosen.exercise, *chosen.options.get("parts", {}).values()]
        exercises = {name: _finished(name or reference.DEFAULT) for name in named}
        base = way.image if image is None else image
        course = Course(platform=found, settings=chosen, exercises=exercises, image=base)
        name, data = pack(course, way)
        target = Path(name) if output is None else output / name if output.is_dir() else output
        try:
            target.write_bytes(data)
        except OSError as error:
            raise UsageError(f"cannot write {target}: {error.strerror}") from error
        typer.echo(f"{target}  {len(data)} bytes, for {found.title}")


def _finished(name: str) -> "Exercise":
    """Load an exercise that has no blanks left: students would read those of its statement."""
    from grader.authoring.scaffold import refuse_blanks

    folder = exercise_folder(name)
    if folder is not None:
        refuse_blanks(folder)
    return load_exercise(name)


def _settings(platform: "Platform", path: Path | None, exercise: str | None) -> "Settings":
    """Return the settings of a file, with another exercise if one is given."""
    from dataclasses import replace

    from grader.platforms.settings import read

    if path is not None and not path.is_file():
        raise UsageError(f"cannot read {path}: there is no such file")
    try:
        found = read(path, platform)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if exercise is None:
        return found
    # As settings name it: one folder is one exercise, however it is written.
    return replace(found, exercise=str(Path(exercise).resolve()) if "/" in exercise else exercise)


def publish(
    report: "Report",
    platform: PlatformName,
    settings: Path | None,
    metadata: Path | None,
    output: Path | None,
) -> int:
    """Write what a platform wants back; return the exit code that its container would have."""
    from grader.platforms.order import read_metadata
    from grader.platforms.supervisor import put
    from grader.report.printing import printing

    found = find(platform)
    options = _settings(found, settings, None).options
    if metadata is not None and not metadata.is_file():
        raise UsageError(f"cannot read {metadata}: there is no such file")
    said = read_metadata("" if metadata is None else str(metadata))
    delivery = found.render(report, found.circumstances(options, said))
    if delivery.document is None:
        typer.echo(f"{found.title} gets no result for an error of ours", err=True)
    if output is None and delivery.beside:
        names = ", ".join(delivery.beside)
        typer.echo(f"also made, and left out without --output: {names}", err=True)
    if output is None:
        with printing():
            put(delivery, "")
        return delivery.exit_code
    try:
        put(delivery, str(output))
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error
    return delivery.exit_code


def _beside(file: Path) -> dict[str, bytes]:
    """Return the files that a result may refer to: those of the names that a platform knows."""
    from grader.platforms.coursera import RICH

    return {
        name: path.read_bytes() for name in RICH.values() if (path := file.parent / name).is_file()
    }
