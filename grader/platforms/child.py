"""Judge one submission for a supervisor, and hand the result back on one line."""

import json
import os
import sys
import time
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from grader.platforms import find, log
from grader.platforms.judging_process import pack
from grader.platforms.order import Order, read_metadata
from grader.platforms.platform import Circumstances, Delivery, Platform
from grader.platforms.settings import Settings, read

if TYPE_CHECKING:
    from grader.model import Report

_KEPT = 0.2
_MOST_KEPT_S = 5.0
"""Share of the budget that a submission does not get: the worker's start, and the report of what it
did until its time was up."""


def main(arguments: list[str]) -> int:
    """Judge what the order names, for the given process; answer on the given descriptor."""
    from grader.sandbox.kernel import die_with_parent

    order, parent, descriptor, end = arguments
    die_with_parent(int(parent))
    delivery = deliver(Order(**json.loads(order)), float(end))
    with os.fdopen(int(descriptor), "wb") as reply:
        reply.write(pack(delivery))
    return 0


def deliver(order: Order, end: float) -> Delivery:
    """Return the result for an order.

    Args:
        end: on the monotonic clock: when the supervisor ends this process.
    """
    from grader.errors import GraderError

    platform = find(order.platform)
    settings = read(order.settings, platform)
    circumstances = platform.circumstances(settings.options, read_metadata(order.metadata))
    refused = platform.refuse(circumstances)
    if refused is not None:
        return refused
    try:
        report = _report(order, platform, settings, end)
    except (GraderError, ValueError) as error:  # the instructor's or the platform's to mend
        log.problem(str(error))
        return platform.not_judged(circumstances)
    return _rendered(report, platform, circumstances, order.feedback or settings.feedback)


def _report(order: Order, platform: Platform, settings: Settings, end: float) -> "Report":
    import reference
    from grader.platforms.grading import grade

    name = order.exercise or platform.exercise(settings.options) or settings.exercise
    exercise = reference.load(name or reference.DEFAULT)
    end -= min(_MOST_KEPT_S, _KEPT * (end - time.monotonic()))
    # The platform puts something into its own place; a file that the order names, the student does.
    is_students = "submission" in order.given
    path = Path(order.submission)
    return grade(exercise, path, sandbox=order.sandbox, end=end, is_students=is_students)


def _rendered(
    report: "Report", platform: Platform, circumstances: Circumstances, feedback: str
) -> Delivery:
    """Return the result that a student may see; the log gets the rest where only staff read it."""
    from grader.report.views import for_student

    if report.verdict == "internal_error":
        problems = {str(f.evidence.get("problem", "")) for f in report.findings}
        log.problem(" ".join(sorted(problems)))
    if platform.log_is_staffs:
        _log(report)
    return platform.render(for_student(report, feedback), circumstances)  # type: ignore[arg-type]


def _log(report: "Report") -> None:
    from rich.console import Console

    from grader.report.terminal import show

    text = StringIO()
    show(report, Console(file=text, width=100, force_terminal=False, highlight=False))
    log.line(text.getvalue().rstrip("\n"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
