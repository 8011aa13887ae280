"""Look at this installation: its exercises, its walls, its caches."""

from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import (
    ACCEPTED,
    NOT_ACCEPTED,
    ExerciseArgument,
    SandboxName,
    load_exercise,
    reporting_errors,
)
from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.model import Exercise


def exercises() -> None:
    """List the exercises."""
    with reporting_errors():
        import reference

        for name in reference.names():
            found = load_exercise(name)
            total = sum(criterion.points for criterion in found.rubric)
            line = f"{name}  version {found.version}, {found.cases} cases, {total} points"
            typer.echo(f"{line}, digest {found.digest[:12]}\n    {found.title}")


def warm(
    exercise: ExerciseArgument = None,
    every: Annotated[bool, typer.Option("--all", help="Every exercise that is installed.")] = False,
) -> None:
    """Compute the default suite's expected values and programs ahead of the first grading."""
    with reporting_errors():
        import reference

        if every and exercise is not None:
            raise UsageError("name an exercise or give --all, not both")
        for name in reference.names() if every else [exercise]:
            _warm(load_exercise(name))


def _warm(chosen: "Exercise") -> None:
    from grader.bench import ReferenceBench
    from grader.environment import cache_folder

    folder = cache_folder()
    with ReferenceBench(chosen, folder, sandbox="auto") as bench:
        count = bench.prepare(anew=True)
    typer.echo(f"{chosen.name}: {count} cases are ready in {folder}")


def doctor(
    sandbox: Annotated[SandboxName, typer.Option("--sandbox", help="Only this wall.")] = (
        SandboxName.auto
    ),
) -> None:
    """Try every promise of the walls on this machine. Exit code 0: the chosen wall is complete."""
    with reporting_errors():
        from rich.console import Console

        from grader.bench import setup
        from grader.doctor import examine
        from grader.environment import cache_folder

        whole = examine(sandbox.value, setup(cache_folder()), Console())
        raise typer.Exit(ACCEPTED if whole else NOT_ACCEPTED)
