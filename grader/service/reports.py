"""Draw the reports that people ask to see: one at a time, and the latest ones only once.

Matplotlib keeps its settings in one place for the whole process, so two threads that draw at once
spoil each other's pictures. A class that reads its reports at once waits in the event loop: were it
to wait in threads, all of them, nothing else would be answered.
"""

from collections import OrderedDict
from datetime import datetime

import anyio
from anyio.to_thread import run_sync
from markupsafe import Markup

from grader.model import Report
from grader.model.report import Feedback
from grader.report.document import from_json
from grader.report.views import for_student
from grader.service.tables import Result

_MOST = 64
"""Parts of pages that are kept, of some 100 KiB each: whoever reads theirs reads it again."""


class Reports:
    """What draws, for as long as the application runs.

    Args:
        feedback: how much students see.
    """

    def __init__(self, feedback: Feedback) -> None:
        self._feedback: Feedback = feedback
        self._drawing = anyio.Lock()
        self._kept: OrderedDict[tuple[str, datetime, bool], Markup] = OrderedDict()

    def of(self, result: Result, *, staff: bool) -> Report:
        """Return a report as its reader may see it."""
        report = from_json(result.report)
        return report if staff else for_student(report, self._feedback)

    async def page(self, report: Report) -> str:
        """Return a report as a page that needs nothing else."""
        async with self._drawing:
            return await run_sync(_page, report)

    async def part(self, result: Result, source: str | None, *, staff: bool) -> Markup:
        """Return a report as a part of one of our pages.

        Args:
            source: what was submitted; None leaves it out.
        """
        # Not by its id: SQLite gives that of a deleted result to the next one, maybe another's.
        key = (result.submission_id, result.recorded_at, staff)
        if key not in self._kept:
            async with self._drawing:
                if key not in self._kept:
                    self._kept[key] = await run_sync(self._part, result, source, staff)
        found = self._kept[key]
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return found

    def _part(self, result: Result, source: str | None, staff: bool) -> Markup:
        from grader.report import html  # Matplotlib: not before somebody looks

        return html.render_part(self.of(result, staff=staff), source)


def _page(report: Report) -> str:
    from grader.report import html

    return html.render(report)
