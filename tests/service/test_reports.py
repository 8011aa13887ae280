"""Reports are drawn one at a time, each once, and the first drawn are the first forgotten."""

import threading
import time
from datetime import UTC, datetime

import anyio
import pytest

from grader.model import Report
from grader.report import html
from grader.report.document import to_json
from grader.service import reports
from grader.service.reports import Reports
from grader.service.tables import Result
from service.fakes import report


class Drawing:
    """Stands in for Matplotlib: notes who drew, and whether two drew at once."""

    def __init__(self) -> None:
        self.drawn: list[str] = []
        self._one = threading.Lock()

    def __call__(self, drawn: Report, source: str | None) -> str:
        assert self._one.acquire(blocking=False), "two at once"
        time.sleep(0.01)  # so that others come meanwhile
        self._one.release()
        self.drawn.append(f"{drawn.score} {drawn.shown.view} {source}")
        return self.drawn[-1]


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Drawing:
    made = Drawing()
    monkeypatch.setattr(html, "render_part", made)
    return made


def result(number: int, id: int = 1) -> Result:
    """SQLite gives the id of a deleted result to the next one, which may be another student's."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    made = to_json(report(score=number))
    return Result(id=id, submission_id=f"s{number}", recorded_at=moment, report=made)


def test_each_reader_gets_theirs_drawn_once_and_never_two_at_a_time(drawing: Drawing) -> None:
    async def main() -> None:
        kept = Reports("full")
        async with anyio.create_task_group() as group:
            for number in (1, 2, 1, 2, 1):
                for staff in (True, False):
                    group.start_soon(lambda n=number, s=staff: kept.part(result(n), "x", staff=s))
        assert await kept.part(result(1), "x", staff=False) == "1 student x"

    anyio.run(main)
    assert sorted(drawing.drawn) == ["1 staff x", "1 student x", "2 staff x", "2 student x"]


def test_a_page_is_drawn_once_for_each_reader_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for theirs again and again has nobody else wait for what is drawn."""
    drawn: list[str] = []

    def draw(report: Report) -> str:
        drawn.append(report.shown.view)
        return f"page {report.score}"

    monkeypatch.setattr(html, "render", draw)

    async def main() -> None:
        kept = Reports("full")
        for staff in (True, False, True, False):
            assert await kept.page(result(1), staff=staff) == "page 1"

    anyio.run(main)
    assert drawn == ["staff", "student"]


def test_what_was_not_read_for_long_is_drawn_again(
    drawing: Drawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_MOST", 2)

    async def main() -> None:
        kept = Reports("full")
        for number in (1, 2, 1, 3, 1, 2):
            await kept.part(result(number), None, staff=True)

    anyio.run(main)
    assert [one.split()[0] for one in drawing.drawn] == ["1", "2", "3", "2"]
