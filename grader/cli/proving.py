"""Measure an exercise's bound, and prove that it tells right programs from wrong ones."""

import dataclasses
import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from grader.cli.authoring import blaming_the_author, complete
from grader.cli.common import (
    ACCEPTED,
    NOT_ACCEPTED,
    CasesOption,
    ExerciseArgument,
    FormatOption,
    OutputOption,
    SandboxName,
    SandboxOption,
    progress_bar,
    reporting_errors,
)
from grader.cli.stopping import stopping_on_request
from grader.errors import UsageError
from grader.report.format import Format

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from grader.authoring.adequacy import Adequacy
    from grader.authoring.calibration import Calibration
    from grader.authoring.survey import Survey
    from grader.model import Exercise, Sandbox

_Proof = TypeVar("_Proof", "Adequacy", "Calibration")

_PROBES = 3
"""Cases of each calibration-only family."""

JobsOption = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, max=64, help="Workers at once.")
]


PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", help="Draw noise against signal: an .svg or .png file."),
]


def check(
    exercise: ExerciseArgument = None,
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Number of suites.")] = 3,
    cases: CasesOption = None,
    fixtures: Annotated[
        Path | None, typer.Option(help="Another folder with accepted/ and rejected/.")
    ] = None,
    bound: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Try another relative bound than the exercise's."),
    ] = None,
    sandbox: SandboxOption = SandboxName.auto,
    jobs: JobsOption = None,
    plot: PlotOption = None,
    format: FormatOption = Format.text,
    output: OutputOption = None,
) -> None:
    """Prove that right programs pass and wrong ones are caught. Exit code 1: they are not."""
    with reporting_errors(), blaming_the_author(), stopping_on_request():
        import msgspec

        from grader.authoring import show

        _refuse_targets(plot, output)
        chosen = complete(exercise)
        if bound is not None:
            loosened = msgspec.structs.replace(chosen.tolerance, relative=bound)
            chosen = dataclasses.replace(chosen, tolerance=loosened)
        found = _check(chosen, seeds, cases, fixtures, sandbox, jobs or _processors())
        if plot is not None:
            from grader.authoring.plot import draw, points_of_check

            draw(points_of_check(found), chosen.name, plot)
        _publish(found, show.adequacy, format, output)


def calibrate(
    exercise: ExerciseArgument = None,
    cases: CasesOption = None,
    jobs: JobsOption = None,
    plot: PlotOption = None,
    format: FormatOption = Format.text,
    output: OutputOption = None,
) -> None:
    """Measure noise and signal of an exercise's bound. Exit code 1: it does not separate them."""
    with reporting_errors(), blaming_the_author(), stopping_on_request():
        from grader.authoring import show
        from grader.authoring.measuring import Measured
        from grader.authoring.measuring import calibrate as measure
        from grader.authoring.programs import misconceptions, right_variants
        from grader.authoring.suites import prepare, with_probes
        from grader.environment import cache_folder

        _refuse_targets(plot, output)
        chosen, folder, workers = complete(exercise), cache_folder(), jobs or _processors()
        _refuse_other_inputs(chosen)
        programs = [*right_variants(chosen), *misconceptions(chosen)]
        count = cases or chosen.cases
        questions = prepare(chosen, folder, [chosen.default_seed], cases=count, jobs=1)[0]
        questions = with_probes(chosen, folder, questions, _PROBES)
        survey: Survey[Measured] = _survey(chosen, None, workers)
        with progress_bar("calibrating") as progress:
            found = measure(chosen, survey, questions, programs, progress)
        if plot is not None:
            from grader.authoring.plot import draw, points_of_calibration

            draw(points_of_calibration(found), chosen.name, plot)
        _publish(found, show.calibration, format, output)


def _check(
    exercise: "Exercise",
    count: int,
    cases: int | None,
    fixtures: Path | None,
    sandbox: SandboxName,
    jobs: int,
) -> "Adequacy":
    """Gather programs and suites, and see how they fare."""
    from grader.authoring import adequacy, programs, sightings, suites
    from grader.bench import setup
    from grader.environment import cache_folder
    from grader.sandbox.choice import choose

    _refuse_other_inputs(exercise)
    right = programs.right_variants(exercise)
    bank = [one for one in right if one.settings == programs.AS_GRADED]
    bank += programs.misconceptions(exercise)
    bank += programs.fixtures(exercise, _existing(fixtures) or exercise.fixtures)
    seeds = suites.seeds(exercise, count)
    given = setup(cache_folder(), exercise)
    with closing(choose(sandbox.value, given, workers="auto")) as wall:
        with progress_bar("expected values") as progress:
            asked = suites.prepare(
                exercise,
                cache_folder(),
                seeds,
                cases=cases or exercise.cases,
                jobs=jobs,
                progress=progress,
            )
        survey: Survey[sightings.Sighting] = _survey(exercise, wall, jobs)
        with progress_bar("checking") as progress:
            seen = list(sightings.prove(exercise, survey, asked, bank, progress))
    return adequacy.summarise(exercise, asked, seen)


def _refuse_targets(plot: Path | None, output: Path | None) -> None:
    """Refuse what could not be written before minutes are spent on what goes into it."""
    from grader.report.output import refuse_unwritable

    refuse_unwritable(plot, output)
    if plot is not None:
        from grader.authoring.plot import refuse_other_format

        refuse_other_format(plot)


def _refuse_other_inputs(exercise: "Exercise") -> None:
    from grader.authoring.contract import refuse_other_inputs
    from grader.environment import cache_folder
    from grader.oracle import Oracle

    with Oracle(exercise, cache_folder()) as oracle:
        refuse_other_inputs(exercise, oracle)


def _existing(folder: Path | None) -> Path | None:
    if folder is not None and not folder.is_dir():
        raise UsageError(f"{folder} is no folder of fixtures")
    return folder


def _survey(exercise: "Exercise", wall: "Sandbox | None", jobs: int) -> "Survey[Any]":
    from grader.authoring.programs import SETTINGS
    from grader.authoring.survey import Survey
    from grader.authoring.trusted import Trusted
    from grader.environment import cache_folder

    folder = cache_folder()
    trusted = {name: Trusted(folder, settings) for name, settings in SETTINGS.items()}
    return Survey(exercise, trusted, wall, jobs=jobs)


def _publish(
    found: _Proof, show: "Callable[[_Proof, Console], None]", format: Format, output: Path | None
) -> None:
    """Write what was found and exit: 0 when it holds no problem, else 1."""
    from grader.report.output import as_text, put

    if format is Format.json:
        put(_as_json(found), output)
    else:
        put(as_text(lambda console: show(found, console), output), output)
    raise typer.Exit(NOT_ACCEPTED if found.problems else ACCEPTED)


def _as_json(found: "Adequacy | Calibration") -> str:
    """Return a document, its cautions and its problems as indented JSON."""
    import msgspec

    told = {"cautions": found.cautions, "problems": found.problems}
    parts = {**msgspec.to_builtins(found), **told}
    return msgspec.json.format(msgspec.json.encode(parts), indent=2).decode() + "\n"


def _processors() -> int:
    return len(os.sched_getaffinity(0))
