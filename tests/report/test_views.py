"""A student's document holds what its level allows, and nothing that staff alone sees."""

from itertools import product

import msgspec
import pytest

from grader.errors import UsageError
from grader.model import (
    CaseResult,
    Counterexample,
    Diagnosis,
    ExerciseName,
    Finding,
    Image,
    Report,
    Shown,
    Stage,
    SubmissionName,
    SuiteName,
    Usage,
)
from grader.model.report import Feedback
from grader.report.document import from_json, to_json
from grader.report.views import LEVELS, for_student


def staff_report(**changes: object) -> Report:
    """Return a wrong answer with every part filled in; every part's text is unlike all others."""
    report = Report(
        exercise=ExerciseName(name="an_exercise", digest="d1ge57"),
        submission=SubmissionName(name="submission.py", sha256="5ha256"),
        verdict="wrong_answer",
        score=7,
        max_score=50,
        findings=[
            finding("runs", "passed", 7, 7, "The file imports."),
            finding("values", "failed", 0, 40, "Result[2] is MESSAGE; seen on seed=3."),
            finding("flag", "skipped", 0, 3, "Not judged: SKIPPED."),
        ],
        counterexample=Counterexample(
            arguments={"seed": 3.0, "image": Image(shape=[1, 2, 1], values=[0.0, 31415.0])},
            expected=[0.25, 0.5, 27182.0],
            expected_shape=[3],
            actual=[0.25, "nan", 0.75],
            actual_shape=[3],
            worst=None,
            snippet="print('SNIPPET')\n",
        ),
        diagnosis=Diagnosis(
            kind="misconception",
            id="DIAGNOSIS_ID",
            title="DIAGNOSIS_TITLE",
            message="DIAGNOSIS_MESSAGE",
            explained_cases=5,
            first_differing_stage="STAGE_TWO",
            agrees_before=["STAGE_ONE"],
        ),
        stages=[
            Stage(
                name="STAGE_ONE",
                agrees=True,
                expected_shape=[1],
                actual_shape=[1],
                expected=[1.0],
                actual=[1.0],
                note="STAGE_NOTE",
            )
        ],
        cases=[
            CaseResult(
                number=17, family="CASE", shape=[9, 9], margin="inf", bound=1e-5, passed=False
            )
        ],
        suite=SuiteName(seed="SEED", digest="5u17e", cases=96, distinct_shapes=16),
        confined_by=["WALL"],
        environment={"python": "3.11", "jax": "0.10", "flax": "0.12", "cpu": "MACHINE"},
        usage=Usage(wall_s=4.25, worker_cpu_s=1.5, judge_cpu_s=0.5, peak_memory_bytes=123456),
    )
    return msgspec.structs.replace(report, **changes)


def finding(name: str, status: str, points: int, most: int, message: str) -> Finding:
    return Finding(
        id=name,
        title=f"TITLE {name}",
        status=status,  # type: ignore[arg-type]
        points=points,
        max_points=most,
        message=message,
        evidence={"line": 11, "exception": "EXCEPTION", "case": 17, "unheard_of": "EVIDENCE"},
    )


def internal_error() -> Report:
    message = "Not judged: the grader itself failed. This is not your fault."
    lost = finding("values", "skipped", 0, 40, message)
    return staff_report(
        verdict="internal_error",
        score=0,
        findings=[msgspec.structs.replace(lost, evidence={"problem": "TRACEBACK"})],
        counterexample=None,
        diagnosis=Diagnosis(kind="none"),
        stages=[],
        cases=[],
    )


ALWAYS = {"an_exercise", "submission.py", "wrong_answer", "5u17e", "0.10", "0.12"}
ADDS: dict[Feedback, set[str]] = {
    "score": ALWAYS,
    "category": {"TITLE", "DIAGNOSIS_ID", "DIAGNOSIS_TITLE"},
    "counterexample": {"MESSAGE;", "SKIPPED", "SNIPPET", "31415", "27182", "EXCEPTION", "4.25"},
    "full": {"DIAGNOSIS_MESSAGE", "STAGE_ONE", "STAGE_TWO", "STAGE_NOTE"},
}
STAFF_ALONE = {"SEED", "CASE", "WALL", "MACHINE", "EVIDENCE", "unheard_of", '"case"'}


@pytest.mark.parametrize("feedback", LEVELS)
def test_each_level_shows_exactly_its_own_and_what_is_below(feedback: Feedback) -> None:
    text = to_json(for_student(staff_report(), feedback)).decode()
    allowed = set().union(*(ADDS[level] for level in LEVELS[: LEVELS.index(feedback) + 1]))
    everything = STAFF_ALONE.union(*ADDS.values())
    assert {canary for canary in everything if canary in text} == allowed


def test_the_staff_report_holds_every_canary() -> None:
    text = to_json(staff_report()).decode()
    assert [canary for canary in STAFF_ALONE.union(*ADDS.values()) if canary not in text] == []


@pytest.mark.parametrize("feedback", LEVELS)
def test_what_staff_alone_sees_is_empty_at_every_level(feedback: Feedback) -> None:
    document = for_student(staff_report(), feedback)
    assert (document.cases, document.confined_by, document.suite.seed) == ([], [], "")
    assert (document.suite.cases, document.suite.distinct_shapes) == (96, 16)
    assert set(document.environment) == {"python", "jax", "flax"}
    assert document.shown == Shown(view="student", feedback=feedback)
    assert from_json(to_json(document)) == document


def test_score_is_a_score_and_a_verdict() -> None:
    document = for_student(staff_report(), "score")
    assert (document.score, document.max_score, document.verdict) == (7, 50, "wrong_answer")
    assert (document.findings, document.stages, document.counterexample) == ([], [], None)
    assert document.diagnosis == Diagnosis(kind="none")


def test_category_says_what_is_wrong_and_no_number_of_a_case() -> None:
    document = for_student(staff_report(), "category")
    assert [(f.status, f.points, f.max_points) for f in document.findings] == [
        ("passed", 7, 7),
        ("failed", 0, 40),
        ("skipped", 0, 3),
    ]
    assert {f.message for f in document.findings} == {""}
    assert all(f.evidence == {} for f in document.findings)
    assert document.diagnosis == Diagnosis(
        kind="misconception", id="DIAGNOSIS_ID", title="DIAGNOSIS_TITLE"
    )
    assert document.counterexample is None


def test_below_the_counterexample_a_submission_cannot_signal_by_what_it_uses() -> None:
    for feedback in ("score", "category"):
        usage = for_student(staff_report(), feedback).usage  # type: ignore[arg-type]
        assert usage == Usage(wall_s=0, worker_cpu_s=0, judge_cpu_s=0, peak_memory_bytes=0)


def test_evidence_keeps_what_is_about_the_students_own_file() -> None:
    for feedback in ("counterexample", "full"):
        document = for_student(staff_report(), feedback)  # type: ignore[arg-type]
        assert document.findings[1].evidence == {"line": 11, "exception": "EXCEPTION"}


def test_a_category_names_the_finding_that_stood_in_the_way() -> None:
    report = staff_report()
    resting = msgspec.structs.replace(report.findings[2], evidence={"because": "values", "line": 3})
    report = msgspec.structs.replace(report, findings=[*report.findings[:2], resting])
    assert for_student(report, "category").findings[2].evidence == {"because": "values"}


@pytest.mark.parametrize("feedback", LEVELS)
def test_our_own_failure_is_told_at_every_level(feedback: Feedback) -> None:
    document = for_student(internal_error(), feedback)
    assert [f.message for f in document.findings] == [internal_error().findings[0].message]
    assert b"TRACEBACK" not in to_json(document)


def unread(**changes: object) -> Report:
    """Return a file that defines no function, or, with a counterexample, a call that claims so."""
    return staff_report(
        verdict="invalid_submission",
        score=0,
        findings=[
            finding("runs", "failed", 0, 7, "The file defines no function."),
            finding("values", "skipped", 0, 43, "Not judged: NEVER CALLED."),
        ],
        **{"counterexample": None, "cases": [], **changes},
    )


@pytest.mark.parametrize("feedback", LEVELS)
def test_why_a_file_cannot_be_read_is_told_at_every_level(feedback: Feedback) -> None:
    found = for_student(unread(), feedback).findings
    assert [f.message for f in found][:1] == ["The file defines no function."]
    assert found[0].evidence == {"line": 11, "exception": "EXCEPTION"}
    assert [f.id for f in found][1:] == ([] if feedback == "score" else ["values"])


@pytest.mark.parametrize("feedback", ["score", "category"])
def test_a_call_that_claims_to_be_unread_carries_nothing_out(feedback: Feedback) -> None:
    text = to_json(for_student(unread(counterexample=staff_report().counterexample), feedback))
    assert b"invalid_submission" in text
    assert b"no function" not in text and b"EXCEPTION" not in text


@pytest.mark.parametrize(("held", "wanted"), list(product(LEVELS, LEVELS)))
def test_a_students_document_can_be_narrowed_and_never_widened(
    held: Feedback, wanted: Feedback
) -> None:
    claimed = unread(counterexample=staff_report().counterexample)
    for report in (staff_report(), internal_error(), unread(), claimed):
        document = for_student(report, held)
        if LEVELS.index(wanted) > LEVELS.index(held):
            with pytest.raises(UsageError, match=f"with feedback {held}, it cannot show {wanted}"):
                for_student(document, wanted)
        else:
            assert for_student(document, wanted) == for_student(report, wanted)


def test_every_field_was_decided_on() -> None:
    """A new field of the report fails here until views.py says who may see it."""
    assert set(Report.__struct_fields__) == {
        *("schema_version", "exercise", "submission", "verdict", "score", "max_score"),
        *("findings", "counterexample", "diagnosis", "stages", "cases", "suite"),
        *("confined_by", "environment", "usage", "shown"),
    }
    assert set(ExerciseName.__struct_fields__) == {"name", "digest"}
    assert set(SubmissionName.__struct_fields__) == {"name", "sha256"}
    assert set(Counterexample.__struct_fields__) == {
        *("arguments", "expected", "expected_shape", "actual", "actual_shape", "worst", "snippet"),
    }
    assert set(Stage.__struct_fields__) == {
        *("name", "agrees", "expected_shape", "actual_shape", "expected", "actual", "note"),
    }
    assert set(Usage.__struct_fields__) == {
        *("wall_s", "worker_cpu_s", "judge_cpu_s", "peak_memory_bytes"),
    }
