"""Describe the result of one grading: one typed, versioned document."""

from typing import Any, Literal

import msgspec

Verdict = Literal[
    "accepted",
    "wrong_answer",
    "structure",
    "runtime_error",
    "time_limit",
    "memory_limit",
    "output_limit",
    "protocol",
    "invalid_submission",
    "internal_error",
]
Status = Literal["passed", "failed", "skipped", "informational"]
Number = float | Literal["nan", "inf", "-inf"]
"""A finite number, or the name of one that JSON cannot hold."""

View = Literal["staff", "student"]
Feedback = Literal["full", "counterexample", "category", "score"]

SCHEMA_VERSION: Literal[1] = 1


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the report's parts: frozen, keyword-only, strict when read back."""


class ExerciseName(Struct, frozen=True, kw_only=True):
    """Which exercise judged, to the byte.

    Attributes:
        digest: sha256, hex, over every file of the exercise's folder.
    """

    name: str
    digest: str


class SubmissionName(Struct, frozen=True, kw_only=True):
    """Which file was judged.

    Attributes:
        name: file name, made printable.
        sha256: hex, over the source that ran; empty when nothing could be read.
    """

    name: str
    sha256: str


class Finding(Struct, frozen=True, kw_only=True):
    """One graded fact.

    Attributes:
        points: what the student gets, 0 to max_points.
        message: one or two sentences: what was seen, what was expected, on which input.
        evidence: JSON-ready facts behind the sentence.
    """

    id: str
    title: str
    status: Status
    points: int
    max_points: int
    message: str
    evidence: dict[str, Any] = {}


class Image(Struct, frozen=True, kw_only=True):
    """An array argument.

    Attributes:
        values: row-major, shape[0] * shape[1] * ... numbers, float32 exactly.
    """

    shape: list[int]
    values: list[float]


class Worst(Struct, frozen=True, kw_only=True):
    """The element that misses its bound by the largest factor.

    Attributes:
        error: |actual - expected|, or "nan" when actual is not finite.
        bound: the largest error allowed on this case.
    """

    index: list[int]
    expected: float
    actual: Number
    error: Number
    bound: float


class Counterexample(Struct, frozen=True, kw_only=True):
    """The smallest failing case that was found.

    Attributes:
        arguments: by name; integers that are passed as floats stay floats.
        expected: flat, row-major; expected_shape says how it is to be read.
        actual: flat; None when the call returned nothing comparable.
        snippet: Python text that repeats the failure in the student's own session, without the
            reference: the inputs, their call, the expected numbers.
    """

    arguments: dict[str, float | Image]
    expected: list[float]
    expected_shape: list[int]
    actual: list[Number] | None
    actual_shape: list[int] | None
    worst: Worst | None
    snippet: str


class Stage(Struct, frozen=True, kw_only=True):
    """One point of the forward pass on the counterexample, beside the reference's.

    Attributes:
        name: of the attribute whose output it is, or what stands between two ("pooled").
        agrees: None where the submission showed nothing to compare.
        expected, actual: flat, row-major; None where there is too much of it, or nothing.
        note: what else was seen, such as weights that are not the reference's; "" for nothing.
    """

    name: str
    agrees: bool | None
    expected_shape: list[int]
    actual_shape: list[int] | None
    expected: list[Number] | None
    actual: list[Number] | None
    note: str = ""


class Diagnosis(Struct, frozen=True, kw_only=True):
    """Why the answer is wrong, as far as it is known.

    Attributes:
        kind: "misconception": exactly one known mistake explains the answers; "creation_order":
            right with the reference's weights; "pattern": the error has a known form; "none".
        id: of the misconception or the pattern; None for the other kinds.
        explained_cases: cases on which the explanation differs from the reference and agrees with
            the submission.
        first_differing_stage: name of the first stage that does not agree; agrees_before: those
            before it that do.
    """

    kind: Literal["misconception", "pattern", "creation_order", "none"]
    id: str | None = None
    title: str = ""
    message: str = ""
    explained_cases: int = 0
    first_differing_stage: str | None = None
    agrees_before: list[str] = []


class CaseResult(Struct, frozen=True, kw_only=True):
    """How one case of the suite went: for staff, never for the student.

    Attributes:
        number: position in the suite, from 1.
        margin: error in units of the bound; "inf" when nothing comparable came back.
        bound: the largest |actual - exact| allowed.
    """

    number: int
    family: str
    shape: list[int]
    margin: Number
    bound: float
    passed: bool


class SuiteName(Struct, frozen=True, kw_only=True):
    """Which cases were used; the same seed, number asked for and exercise give the same digest.

    Attributes:
        cases: that were judged by; fewer than asked for where more were thrown out than there are
            spares.
        asked: that were wanted, which decides how families share a suite; 0 where none were drawn.
    """

    seed: str
    digest: str
    cases: int
    asked: int = 0
    distinct_shapes: int


class Shown(Struct, frozen=True, kw_only=True):
    """How much a document shows.

    Attributes:
        view: "staff" sees everything; a student's document never holds a hidden case.
        feedback: what a student sees: "score" alone, the "category" of what is wrong, the
            "counterexample" as well, or the "full" diagnosis with its stages.
    """

    view: View = "staff"
    feedback: Feedback = "full"


class Usage(Struct, frozen=True, kw_only=True):
    """What the grading cost.

    Attributes:
        wall_s: seconds from the start of judging to the report.
        worker_cpu_s: CPU seconds of all workers.
        judge_cpu_s: CPU seconds of the judge and of its oracle.
        peak_memory_bytes: largest resident set of any worker.
    """

    wall_s: float
    worker_cpu_s: float
    judge_cpu_s: float
    peak_memory_bytes: int


class Report(Struct, frozen=True, kw_only=True):
    """The result of one grading; everything but `usage` repeats bit for bit.

    Attributes:
        stages: of the counterexample, in the order of the forward pass; empty when none was run.
        cases: every case that was judged; empty in what a student sees.
        shown: how much of it this document shows, and to whom.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    exercise: ExerciseName
    submission: SubmissionName
    verdict: Verdict
    score: int
    max_score: int
    findings: list[Finding]
    counterexample: Counterexample | None
    diagnosis: Diagnosis
    stages: list[Stage]
    cases: list[CaseResult]
    suite: SuiteName
    confined_by: list[str]
    environment: dict[str, str]
    usage: Usage
    shown: Shown = Shown()
