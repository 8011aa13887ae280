"""Choose which findings Gradescope holds back: those that are named, and those that tell of one."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from grader.report.verdicts import is_unread

if TYPE_CHECKING:
    from grader.model import Finding, Report

_RESTS_ON = {"forward": "values"}
"""Also where its evidence names none: other weights are tried only where the values are wrong."""


def held_back(report: "Report", named: Collection[str]) -> frozenset[str]:
    """Return the ids of findings to hold back.

    There is nothing to hold back of a file that cannot be read, but a reason to be shown.

    Args:
        named: by the instructor; it need not be in the report.
    """
    held = frozenset(() if is_unread(report) else named)
    while more := {f.id for f in report.findings if _rests_on(f) in held} - held:
        held |= more
    return held


def _rests_on(finding: "Finding") -> str:
    """Return the id of the finding that decided this one; "" where none did."""
    return str(finding.evidence.get("because", _RESTS_ON.get(finding.id, "")))
