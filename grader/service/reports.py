"""Draw the reports that people ask to see: one at a time, and the latest ones only once.

Matplotlib keeps its settings in one place for the whole process, so two threads that draw at once
spoil each other's pictures. A class that reads its reports at once waits in the event loop: were it
to wait in threads, all of them, nothing else would be answered.
"""

from collections import OrderedDict
from collections.abc import Callable
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
"""Drawn ones that are kept, of some 100 KiB each: whoever reads theirs reads it again."""
_Key = tuple[str, str, datetime, bool]


class Reports:
    """What draws, for as long as the application runs.

    Args:
        feedback: how much students see.
    """

    def __init__(self, feedback: Feedback) -> None:
        self._feedback: Feedback = feedback
        self._drawing = anyio.Lock()
        self._kept: OrderedDict[_Key, str] = OrderedDict()

    def of(self, result: Result, *, staff: bool) -> Report:
        """Return a report as its reader may see it."""
        report = from_json(result.report)
        return report if staff else for_student(report, self._feedback)

    async def page(self, result: Result, *, staff: bool) -> str:
        """Return a report as a page that needs nothing else."""
        return await self._once(_key("page", result, staff), lambda: self._page(result, staff))

    async def part(self, result: Result, source: str | None, *, staff: bool) -> Markup:
        """Return a report as a part of one of our pages.

        Args:
            source: what was submitted; None leaves it out.
        """
        key = _key("part", result, staff)
        return Markup(await self._once(key, lambda: self._part(result, source, staff)))

    async def _once(self, key: _Key, draw: Callable[[], str]) -> str:
        if key not in self._kept:
            async with self._drawing:
                if key not in self._kept:
                    self._kept[key] = await run_sync(draw)
        found = self._kept[key]
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return found

    def _part(self, result: Result, source: str | None, staff: bool) -> Markup:
        from grader.report import html  # Matplotlib: not before somebody looks

        return html.render_part(self.of(result, staff=staff), source)

    def _page(self, result: Result, staff: bool) -> str:
        from grader.report import html

        return html.render(self.of(result, staff=staff))


def _key(form: str, result: Result, staff: bool) -> _Key:
    # Not by its id: SQLite gives that of a deleted result to the next one, maybe another's.
    return form, result.submission_id, result.recorded_at, staff
