"""Say in plain text what a report says, for platforms that show text.

Everything here may be hostile: each line passes through `printable`, and lines are ours to break.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grader.report.verdicts import VERDICTS
from grader.text import printable

if TYPE_CHECKING:
    from grader.model import Counterexample, Diagnosis, Finding, Report

NAME_LIMIT = 120
_MOST_NUMBERS = 24
_MOST_LINES = 400


def title(finding: "Finding") -> str:
    """Return a finding's name on one line; never empty."""
    return printable(finding.title, NAME_LIMIT) or "unnamed"


def message(finding: "Finding", limit: int) -> str:
    """Return what a finding says, on one line."""
    return printable(finding.message, limit) if limit >= 3 else ""


def headline(report: "Report") -> str:
    """Return score and verdict on one line."""
    said = VERDICTS[report.verdict]
    return printable(f"{report.score} / {report.max_score}: {said}", NAME_LIMIT)


def summary(report: "Report", limit: int) -> str:
    """Return score, verdict, the likely mistake and the smallest failing input, on many lines.

    Args:
        limit: most characters of it.
    """
    lines = [headline(report), *diagnosis(report.diagnosis)]
    if report.counterexample is not None:
        lines += ["", *example(report.counterexample)]
    return joined(lines, limit)


def joined(lines: Sequence[str], limit: int) -> str:
    """Return lines as one text of at most so many characters, cut between two lines."""
    kept: list[str] = []
    left = limit - len("\n...")
    for line in lines[:_MOST_LINES]:
        left -= len(line) + 1
        if left < 0:
            return "\n".join([*kept, "..."])
        kept.append(line)
    return "\n".join(kept)


def diagnosis(found: "Diagnosis") -> list[str]:
    """Return what the mistake most likely is, and up to where everything agrees."""
    lines = []
    if found.kind != "none":
        lines.append(f"Most likely: {printable(found.title, 300)}")
        if found.message:
            lines.append(printable(found.message, 1000))
    if found.first_differing_stage is not None:
        stage = printable(found.first_differing_stage, NAME_LIMIT)
        before = printable(found.agrees_before[-1], NAME_LIMIT) if found.agrees_before else ""
        upto = f"Everything up to {before} agrees; " if before else ""
        lines.append(f"{upto}{stage} is the first that differs.")
    return lines


def example(found: "Counterexample") -> list[str]:
    """Return the smallest failing input, what was expected, what came back, and the snippet."""
    lines = ["Smallest failing input found:"]
    for name, value in list(found.arguments.items())[:20]:
        shown = printable(name, NAME_LIMIT)
        if isinstance(value, (int, float)):
            lines.append(f"  {shown} = {value:.17g}")
        else:
            lines.append(f"  {shown} of shape {_shape(value.shape)}: {_numbers(value.values)}")
    wanted = f"shape {_shape(found.expected_shape)}: {_numbers(found.expected)}"
    lines.append(f"  expected  {wanted}")
    if found.actual is None:
        lines.append("  yours     nothing that can be compared")
    else:
        got = f"shape {_shape(found.actual_shape or [])}: {_numbers(found.actual)}"
        lines.append(f"  yours     {got}")
    if found.snippet:
        lines += ["", "Repeat it in your own session:", ""]
        # Pasted as it is shown: an indentation of ours would be an error of Python's.
        lines += [printable(line, 4000) for line in found.snippet.rstrip("\n").split("\n")]
    return lines


def _shape(shape: Sequence[int]) -> str:
    return printable(str(tuple(shape[:16])), NAME_LIMIT)


def _numbers(values: Sequence[float | str]) -> str:
    shown = [
        value if isinstance(value, str) else f"{value:.6g}" for value in values[:_MOST_NUMBERS]
    ]
    more = f", ... ({len(values)} in all)" if len(values) > _MOST_NUMBERS else ""
    return f"[{printable(', '.join(shown), 1000)}{more}]"
