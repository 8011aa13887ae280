"""Lay out an exercise and make its public examples."""

import os
import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import (
    NOT_ACCEPTED,
    ExerciseArgument,
    exercise_folder,
    load_exercise,
    reporting_errors,
)
from grader.errors import ExerciseError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.model import Exercise


def examples(
    exercise: ExerciseArgument = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; see whether the stored ones hold.")
    ] = False,
) -> None:
    """Make the public examples that `grader try` asks. Exit code 1: --check finds them outdated."""
    with reporting_errors(), blaming_the_author():
        from grader import public
        from grader.authoring import examples as public_examples
        from grader.environment import cache_folder
        from grader.oracle import Oracle
        from grader.report.output import put

        chosen = complete(exercise)
        target = chosen.folder / public.FILE
        if not check:
            made = public_examples.make(chosen)
            put(public_examples.as_text(made), target)
            typer.echo(f"{chosen.name}: {len(made.examples)} public examples are in {target}")
            return
        stored = public.read(chosen)
        with Oracle(chosen, cache_folder()) as oracle:
            problems = public_examples.problems(chosen, stored, oracle)
        for problem in problems:
            typer.echo(f"FAIL {problem}")
        if problems:
            folder = shlex.quote(str(chosen.folder))
            typer.echo(f"make them anew with: grader examples {folder}")
            raise typer.Exit(NOT_ACCEPTED)
        typer.echo(f"PASS {len(stored.examples)} public examples of {chosen.name} hold")


def new_exercise(
    name: Annotated[str, typer.Argument(help="A Python name, such as my_block.")],
    into: Annotated[Path, typer.Option(help="Where to lay out the folder.")] = Path(),
) -> None:
    """Lay out the folder of a new exercise, with blanks to fill in."""
    with reporting_errors():
        from grader.authoring.scaffold import lay_out

        folder = lay_out(name, into)
        typer.echo(f"{folder} is laid out; fill in what is marked BLANK, then run:")
        for command in ("calibrate", "check"):
            typer.echo(f"    grader {command} {shlex.quote(f'./{os.path.relpath(folder)}')}")


@contextmanager
def blaming_the_author() -> "Iterator[None]":
    """To whoever writes an exercise, its own mistakes are no internal error of the grader."""
    try:
        yield
    except ExerciseError as error:
        raise UsageError(str(error)) from error


def complete(name: str | None) -> "Exercise":
    """Load an exercise that has all its files, and no blanks left in them."""
    from grader.authoring.files import refuse_unreadable
    from grader.authoring.scaffold import refuse_blanks

    folder = None if name is None else exercise_folder(name)
    if folder is not None:
        refuse_unreadable(folder)
        refuse_blanks(folder)  # before Python fails on them
    return load_exercise(name)
