"""See how programs fare in many suites: accepted, or caught, and by what."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from grader import rubric
from grader.authoring.programs import REFERENCE, Program
from grader.authoring.survey import Survey, errands
from grader.model import Exercise
from grader.questions import Questions
from grader.run import Run
from grader.structure.static import read_facts
from grader.trial import Failure

STRUCTURE = "structure"
"""What `caught_by` begins with where only findings about the structure tell."""


class Sighting(msgspec.Struct, frozen=True):
    """How one program fared in one suite.

    Attributes:
        seed: hex, the suite's.
        caught_by: family of the case that caught it, "structure: ..." with the findings that did,
            "import" or "intake"; "" when it was accepted.
        number: position of that case in the suite, from 1; 0 when no case caught it.
        margin: error of that case in units of its bound, infinite when there was nothing to
            compare; of an accepted program its largest error.
        told: one sentence about what was wrong.
        unloaded: whether it must load and did not, so that nothing is known of its answers.
        unanswered: of a misconception, the exception at its first case when it answered none.
    """

    program: Program
    seed: str
    caught_by: str = ""
    number: int = 0
    margin: float = 0.0
    told: str = ""
    unloaded: bool = False
    unanswered: str = ""


def prove(
    exercise: Exercise,
    survey: Survey[Sighting],
    suites: Sequence[Questions],
    programs: Sequence[Program],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Sighting]:
    """Yield how every program fares in every suite, in the order of completion.

    Args:
        progress: told how many sightings there are, of how many.
    """
    total = len(programs) * len(suites)
    asked = [suite for suite in suites if suite.asked]
    done = 0
    for program in programs:
        for suite in suites:
            if program.unreadable or not suite.asked:
                done += 1
                yield _unasked(program, suite)

    def ask(run: Run, program: Program, suite: Questions) -> Sighting:
        return _sight(exercise, run, program, suite, watch=suite is asked[0])

    readable = [program for program in programs if not program.unreadable]
    for sighting in survey.run(errands(readable, asked), ask):
        done += 1
        progress(done, total)
        yield sighting


def _unasked(program: Program, suite: Questions) -> Sighting:
    """Judge what no worker was asked about: what intake refuses, and suites without cases."""
    if program.unreadable:
        return _unloaded(program, suite, "intake", program.unreadable)
    return Sighting(program, suite.seed, told="the suite has no case")


def _unloaded(program: Program, suite: Questions, by: str, why: str) -> Sighting:
    """Judge what was never called; a wrong answer that is to be caught was not given yet."""
    if program.loads:
        whose = "a misconception gives" if program.is_ours else "its expected.toml expects"
        told = f"{whose} an answer, but {by} fails: {why}"
        return Sighting(program, suite.seed, margin=float("inf"), told=told, unloaded=True)
    return Sighting(program, suite.seed, by, told=why)


def _sight(
    exercise: Exercise, run: Run, program: Program, suite: Questions, *, watch: bool
) -> Sighting:
    """Put one suite to a program that is loaded; look at its structure where values pass."""
    trial = run.trial
    if trial.load_error is not None:
        return _unloaded(program, suite, "import", trial.load_error.message)
    run.answer_all(suite.asked)
    if trial.failure is not None:
        failure = trial.failure
        return Sighting(
            program,
            suite.seed,
            failure.case.family,
            failure.number,
            failure.margin,
            _tell(failure),
            unanswered=_unanswered(run, program, suite),
        )
    passed = Sighting(
        program, suite.seed, margin=trial.worst_margin, told=_reached(trial.worst_margin)
    )
    # Structure does not depend on the suite: of a right program it is looked at once. Variants of
    # the reference may be built otherwise: they are right by their values alone.
    is_variant = program.kind == "right variant" and program.name != REFERENCE
    if is_variant or (program.is_right and not watch):
        return passed
    run.watch()
    found = rubric.findings(exercise, read_facts(program.source), trial, len(suite.asked))
    failed = [one for one in found if one.status not in ("passed", "informational")]
    if not failed:
        return passed
    by = f"{STRUCTURE}: {', '.join(one.id for one in failed)}"
    told = failed[0].message if program.is_right else f"{passed.told}; only {by} tells"
    return Sighting(program, suite.seed, by, 0, trial.worst_margin, told)


def _unanswered(run: Run, program: Program, suite: Questions) -> str:
    """Return the exception at the first case of a misconception that answers none, else ""."""
    first = run.trial.failure
    if program.kind != "misconception" or first is None or first.number > 1 or first.error is None:
        return ""
    rest = (run.attempt(*question, number=0).failure for question in suite.asked[1:])
    raises = all(failure is not None and failure.error is not None for failure in rest)
    return first.error.message if raises else ""


def _tell(failure: Failure) -> str:
    if failure.error is not None:
        return failure.error.message
    assert failure.mismatch is not None
    kind = failure.mismatch.kind
    return f"an error of {failure.margin:.3g} bounds" if kind == "value" else f"another {kind}"


def _reached(margin: float) -> str:
    if margin == 0.0:
        return "every answer is the exact one"
    return f"its largest error is {margin:.2g} of the bound"
