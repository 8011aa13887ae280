"""Plain JSON: our own report; `grader schema` prints its JSON Schema."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from grader.platforms import sizing
from grader.platforms.checking import Problems, read_object
from grader.platforms.platform import NOT_JUDGED, SORRY, Circumstances, Delivery, Places, Platform
from grader.platforms.scores import whole

if TYPE_CHECKING:
    from grader.model import Report

MOST_BYTES = 16 << 20


def render(report: "Report", circumstances: Circumstances) -> Delivery:
    """Render a report: as it is, without what JSON cannot hold; points stay in their range."""
    import msgspec

    ours = report.verdict == "internal_error"
    fields = _plain(msgspec.to_builtins(report))
    for scored, points, most in [
        (fields, "score", "max_score"),
        *((finding, "points", "max_points") for finding in fields["findings"]),
    ]:
        scored[most] = whole(scored[most])
        scored[points] = min(whole(scored[points]), scored[most])
    return Delivery(document=sizing.to_json(fields), exit_code=NOT_JUDGED if ours else 0)


def _plain(value: Any) -> Any:
    """Return a value with finite numbers, and text without NUL and lone surrogates."""
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        text = value.replace("\0", "\\u0000")
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    return 0 if isinstance(value, float) and not math.isfinite(value) else value


def not_judged(circumstances: Circumstances) -> Delivery:
    """Return the report of an error of ours, made without our own types."""
    finding = {
        **{"id": "grading", "title": "Grading", "status": "skipped", "message": SORRY},
        **{"points": 0, "max_points": 0},
    }
    nothing = {"wall_s": 0.0, "worker_cpu_s": 0.0, "judge_cpu_s": 0.0, "peak_memory_bytes": 0}
    report = {
        "schema_version": 1,
        "exercise": {"name": "", "digest": ""},
        "submission": {"name": "", "sha256": ""},
        "verdict": "internal_error",
        "score": 0,
        "max_score": 0,
        "findings": [finding],
        "counterexample": None,
        "diagnosis": {"kind": "none"},
        "stages": [],
        "cases": [],
        "suite": {"seed": "", "digest": "", "cases": 0, "asked": 0, "distinct_shapes": 0},
        "confined_by": [],
        "environment": {},
        "usage": nothing,
        "shown": {"view": "student", "feedback": "full"},
    }
    return Delivery(document=sizing.to_json(report), exit_code=NOT_JUDGED)


def validate(document: bytes, beside: Mapping[str, bytes]) -> list[str]:
    """Name every rule that a report breaks: the schema, and scores within their range."""
    from grader.errors import UsageError
    from grader.report.document import from_json

    problems = Problems()
    if read_object(document, problems, most_bytes=MOST_BYTES) is None:
        return problems
    try:
        report = from_json(document)
    except UsageError as error:
        return [*problems, str(error)]
    for what, points, most in [
        ("score", report.score, report.max_score),
        *((f"finding {f.id}", f.points, f.max_points) for f in report.findings),
    ]:
        if not 0 <= points <= most:
            problems.append(f"{what} has {points} of {most} points")
    return problems


PLATFORM = Platform(
    name="json",
    title="Plain JSON",
    places=Places(submission=".", result=None, settings=""),
    budget_s=540,
    render=render,
    not_judged=not_judged,
    validate=validate,
)
