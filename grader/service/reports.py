"""Draw the reports that people ask to see: one at a time, and the latest ones only once.

Matplotlib keeps its settings in one place for the whole process, so two threads that draw at once
spoil each other's pictures.
"""

import threading
from collections import OrderedDict

from markupsafe import Markup

from grader.model import Report
from grader.model.report import Feedback
from grader.report.document import from_json
from grader.report.views import for_student
from grader.service.tables import Result

_MOST = 64
"""Parts of pages that are kept, of some 100 KiB each: whoever reads theirs reads it again."""

_Key = tuple[int, bool, str]


class Reports:
    """What draws, for as long as the application runs.

    Args:
        feedback: how much students see.
    """

    def __init__(self, feedback: Feedback) -> None:
        self._feedback: Feedback = feedback
        self._drawing = threading.Lock()
        self._kept: OrderedDict[_Key, Markup] = OrderedDict()

    def of(self, result: Result, *, staff: bool) -> Report:
        """Return a report as its reader may see it."""
        report = from_json(result.report)
        return report if staff else for_student(report, self._feedback)

    def page(self, report: Report) -> str:
        """Return a report as a page that needs nothing else."""
        from grader.report import html  # Matplotlib: not before somebody looks

        with self._drawing:
            return html.render(report)

    def part(self, result: Result, source: str | None, *, staff: bool) -> Markup:
        """Return a report as a part of one of our pages.

        Args:
            source: what was submitted; None leaves it out.
        """
        from grader.report import html

        key = (result.id, staff, result.submission_id)
        with self._drawing:
            if key not in self._kept:
                self._kept[key] = html.render_part(self.of(result, staff=staff), source)
            self._kept.move_to_end(key)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
            return self._kept[key]
