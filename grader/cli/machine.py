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
    setup,
)
from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.model import Exercise


def exercises() -> None:
    """List the exercises."""
    with reporting_errors():
        import reference

        for name in reference.names():
            found = reference.load(name)
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
    from grader.diagnosis import Diagnostician
    from grader.environment import cache_folder
    from grader.oracle import Oracle
    from grader.questions import pose
    from grader.rehearsal import steps
    from grader.suites import recall_or_generate

    with Oracle(chosen, cache_folder()) as oracle:
        suite = recall_or_generate(chosen, oracle, chosen.default_seed, chosen.cases)
        oracle.warm_up(suite.cases)
        questions = pose(chosen, oracle, chosen.default_seed, chosen.cases)
        Diagnostician(chosen, oracle).prepare(questions.asked)
        for step in steps(chosen, oracle, suite.cases):
            oracle.rehearse(step)
    typer.echo(f"{chosen.name}: {len(suite.cases)} cases are ready in {cache_folder()}")


def doctor(
    sandbox: Annotated[SandboxName, typer.Option("--sandbox", help="Only this wall.")] = (
        SandboxName.auto
    ),
) -> None:
    """Try every promise of the walls on this machine. Exit code 0: the chosen wall is complete."""
    with reporting_errors():
        from rich.console import Console

        from grader.doctor import examine

        whole = examine(sandbox.value, setup(), Console())
        raise typer.Exit(ACCEPTED if whole else NOT_ACCEPTED)
