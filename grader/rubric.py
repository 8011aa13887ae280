"""Turn what happened into findings, points and a verdict."""

from grader.explain import describe_answer, describe_input, describe_mismatch
from grader.model import Criterion, Exercise, Finding, Verdict
from grader.structure.judgement import Judgement
from grader.structure.static import Facts
from grader.trial import Trial

_CONTRACT = ("runs", "result", "values", "forward")
_RESULT_KINDS = ("kind", "shape", "dtype", "non_finite")


def findings(exercise: Exercise, facts: Facts, trial: Trial, total: int) -> list[Finding]:
    """Return one finding per criterion of the exercise's rubric, in its order.

    Args:
        total: number of cases in the suite.
    """
    judged = {
        "runs": _judge_runs(trial),
        "result": _judge_result(exercise, trial),
        "values": _judge_values(trial, total),
        "forward": _judge_forward(trial, total),
        **_structure(exercise, facts, trial),
    }
    return [_finding(criterion, judged[criterion.id]) for criterion in exercise.rubric]


def verdict(trial: Trial, found: list[Finding]) -> Verdict:
    """Return the verdict: how the run ended, else whether values, else structure, are right."""
    if trial.error is not None:
        return trial.error.verdict
    if trial.failure is not None:
        return "wrong_answer"
    if all(finding.status in ("passed", "informational") for finding in found):
        return "accepted"
    return "structure"


def _finding(criterion: Criterion, judgement: Judgement) -> Finding:
    status = {True: "passed", False: "failed", None: "skipped"}[judgement.passed]
    return Finding(
        id=criterion.id,
        title=criterion.title,
        status=status,  # type: ignore[arg-type]
        points=criterion.points if judgement.passed else 0,
        max_points=criterion.points,
        message=judgement.message,
        evidence=dict(judgement.evidence),
    )


def _judge_runs(trial: Trial) -> Judgement:
    error = trial.error
    if error is None:
        return Judgement(True, "The file imports, and every call returned.")
    if trial.needs_integers:
        return Judgement(True, "The file imports and runs once its integers are cast for it.")
    evidence = dict(error.evidence)
    if trial.failure is None:
        unread = error.verdict == "invalid_submission"
        text = error.message if unread else f"While the file was imported: {error.message}"
        return Judgement(False, text[:1].upper() + text[1:], evidence)
    failure = trial.shrunk or trial.failure
    assert failure.error is not None
    wanted = f"expected an array of shape {failure.expected.exact.shape}"
    text = f"{failure.error.message} Seen on {describe_input(failure.case)}; {wanted}."
    return Judgement(False, text, evidence | {"case": trial.failure.number})


def _judge_result(exercise: Exercise, trial: Trial) -> Judgement:
    failure = trial.shrunk or trial.failure
    if trial.needs_integers:
        names = [a.name for a in exercise.arguments if a.kind == "integer"]
        assert trial.error is not None
        arrive = "arrives as a float" if len(names) == 1 else "arrive as floats"
        text = f"{' and '.join(names)} {arrive} and must be cast with int(). {trial.error.message}"
        return Judgement(False, text, dict(trial.error.evidence))
    if trial.error is not None:
        return Judgement(None, "Not judged: the file did not run to the end.", {"because": "runs"})
    if failure is not None and failure.reason in _RESULT_KINDS:
        text = f"{describe_mismatch(failure)} Seen on {describe_input(failure.case)}."
        return Judgement(False, text, {"case": failure.number})
    which = "Every result" if failure is None else "Every result, up to the first wrong one,"
    return Judgement(True, f"{which} is a finite float32 array of the shape asked for.")


def _judge_values(trial: Trial, total: int) -> Judgement:
    if trial.load_error is not None or (trial.error is not None and not trial.needs_integers):
        return Judgement(None, "Not judged: the file did not run to the end.", {"because": "runs"})
    if trial.needs_integers:
        text = "Not right on any case as it is called: its integers must be cast first."
        return Judgement(False, text, {"because": "result"})
    if trial.failure is None:
        reached = {"cases": total, "worst_error_over_bound": round(trial.worst_margin, 4)}
        return Judgement(True, f"All {total} cases are within tolerance.", reached)
    failure = trial.shrunk or trial.failure
    text = (
        f"{describe_mismatch(failure)} This is the smallest failing input found: "
        f"{describe_input(failure.case)}."
    )
    evidence = {
        "first_failing_case": trial.failure.number,
        "family": trial.failure.case.family,
        "cases": total,
        "answer": describe_answer(failure),
    }
    return Judgement(False, text, evidence)


def _judge_forward(trial: Trial, total: int) -> Judgement:
    """The forward pass is right when the values are, or are so with the reference's weights."""
    values = _judge_values(trial, total)
    if not values.passed and trial.transplanted is not None:
        how = "right" if trial.transplanted else "wrong all the same"
        text = f"With the reference's weights put into your model, its results are {how}."
        return Judgement(trial.transplanted, text)
    text = {
        True: "The forward pass is right: every case is.",
        False: "The forward pass is judged by the values, and they differ.",
        None: values.message,
    }[values.passed]
    return Judgement(values.passed, text, {"because": "values"})


def _structure(exercise: Exercise, facts: Facts, trial: Trial) -> dict[str, Judgement]:
    """Judge the structure, or say what stood in the way."""
    structure = exercise.structure
    if structure is None:
        return {}
    if trial.watched is not None:
        from grader.structure.observed import judge_structure  # loads NumPy

        return judge_structure(structure, facts, trial.watched, trial.unwatched)
    if trial.watch_error is not None:
        reason = f"Not judged: the watched call failed. {trial.watch_error.message}"
        because = "class"
    elif trial.error is None:
        reason = "Not judged: its process had ended before the call that is watched."
        because = "values"
    else:
        reason, because = "Not judged: the file did not run to the end.", "runs"
    wanted = [criterion.id for criterion in exercise.rubric]
    skipped = Judgement(None, reason, {"because": because})
    return {name: skipped for name in wanted if name not in _CONTRACT}
