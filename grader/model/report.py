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
        actual: flat; None when the call returned nothing comparable.
    """

    arguments: dict[str, float | Image]
    expected: list[float]
    actual: list[Number] | None
    worst: Worst | None


class SuiteName(Struct, frozen=True, kw_only=True):
    """Which cases were used; the same seed, count and exercise give the same digest."""

    seed: str
    digest: str
    cases: int
    distinct_shapes: int


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
    """The result of one grading; everything but `usage` repeats bit for bit."""

    schema_version: Literal[1] = SCHEMA_VERSION
    exercise: ExerciseName
    submission: SubmissionName
    verdict: Verdict
    score: int
    max_score: int
    findings: list[Finding]
    counterexample: Counterexample | None
    suite: SuiteName
    confined_by: list[str]
    environment: dict[str, str]
    usage: Usage
