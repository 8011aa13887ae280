"""Show staff their class, and let them take its table home."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from grader.report.html.histogram import binned, histogram
from grader.report.html.words import VERDICTS
from grader.report.spreadsheet import cell
from grader.service.access import Access
from grader.service.lti import grades
from grader.service.lti.web import service_of
from grader.service.pages import class_view, staff
from grader.service.pages.class_view import SORTS, Class, Line
from grader.service.pages.standing import due, rules
from grader.service.pages.summaries import Summaries
from grader.service.pages.visit import Visit

Asked = Request[Any, Any, Any]
AT_ONCE = 100
"""Students on one page."""
_UPWARDS = ("student", "mistake", "result", "grade")
"""Begin with the lowest when they are first chosen; numbers and times begin with the highest."""


@dataclass(frozen=True)
class Wish:
    """Which students, in which order, from which page on."""

    sort: str = "student"
    down: bool = False
    mistake: str = ""
    find: str = ""
    page: int = 1

    def link(self, **changes: Any) -> str:
        """Return the query that asks for this, otherwise."""
        wished = {**vars(self), "page": 1, **changes}
        asked = {name: value for name, value in wished.items() if value != getattr(_NO, name)}
        asked |= {"down": 1} if wished["down"] else {}
        return f"?{urlencode(asked)}#students"

    def by(self, sort: str) -> str:
        """Return the query that sorts by a column; by the same one, the other way round."""
        other = not self.down if sort == self.sort else sort not in _UPWARDS
        return self.link(sort=sort, down=other)

    def order(self, sort: str) -> str:
        """Return what aria-sort says of a column."""
        if sort != self.sort:
            return "none"
        return "descending" if self.down else "ascending"


_NO = Wish()


@get("/links/{link_id:str}/class", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def overview(
    request: Asked,
    visit: NamedDependency[Visit],
    sort: FromQuery[str] = "student",
    down: FromQuery[str] = "",
    mistake: FromQuery[str] = "",
    find: FromQuery[str] = "",
    page: FromQuery[str] = "1",
) -> Response[str]:
    """Show how the class did, and a line for each student."""
    found = _look(request, visit)
    order = sort if sort in SORTS else "student"
    wish = Wish(order, bool(down), mistake, find[:200], staff.number(page))
    lines = class_view.chosen(found.lines, mistake=wish.mistake, find=wish.find)
    lines = class_view.ordered(lines, wish.sort, descending=wish.down)
    start = (wish.page - 1) * AT_ONCE
    policy, tally = grades.policy_of(visit.placement), found.tally
    return staff.page(
        request,
        visit,
        "class",
        found=found,
        tally=tally,
        verdicts=[
            (said, tally.verdicts[name]) for name, said in VERDICTS.items() if tally.verdicts[name]
        ],
        histogram=_histogram(found),
        lines=lines[start : start + AT_ONCE],
        matching=len(lines),
        first=start + 1,
        pages=-(-len(lines) // AT_ONCE),
        wish=wish,
        chosen=_title(found, mistake),
        rules=rules(policy, "The"),
        due=due(policy),
    )


@get("/links/{link_id:str}/class.csv", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def table(request: Asked, visit: NamedDependency[Visit]) -> Response[bytes]:
    """Return a line a student as CSV: the platform's own ids, and no name."""
    found = _look(request, visit)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for line in _table(found):
        writer.writerow([cell(one) for one in line])
    headers = {
        "Content-Disposition": f'attachment; filename="class-{visit.placement.id}.csv"',
        "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    }
    data = text.getvalue().encode("utf-8-sig", "backslashreplace")  # Excel needs the mark
    return Response(data, media_type="text/csv", headers=headers)


def _look(request: Asked, visit: Visit) -> Class:
    service, link = service_of(request.app), visit.placement
    summaries: Summaries = request.app.state.summaries
    with service.database.reading() as session:
        return class_view.look(session, summaries, link, service.exercises.get(link.exercise))


def _histogram(found: Class) -> Any:
    tally = found.tally
    if not tally.graded or not tally.max_score:
        return None
    return histogram(binned(tally.scores, tally.max_score), what="Students")


def _title(found: Class, mistake: str) -> str:
    """Return what a filter is called; "" for none."""
    if mistake == class_view.UNEXPLAINED:
        return "Wrong, and no known mistake explains it"
    titles = (line.title for line in found.lines if mistake and line.mistake == mistake)
    return next(titles, mistake)


_COLUMNS = (
    *("user", "attempts", "counted_attempt", "score", "max_score", "percent_off", "verdict"),
    *("mistake", "last_submitted_at", "waiting", "failed", "grade", "grade_problem"),
)


def _table(found: Class) -> Iterator[tuple[object, ...]]:
    yield _COLUMNS
    for line in class_view.ordered(found.lines, "student", descending=False):
        yield _cells(line)


def _cells(line: Line) -> tuple[object, ...]:
    score = (
        ("", "", "")
        if line.score is None
        else (line.score.given, line.score.maximum, line.percent_off)
    )
    return (
        *(line.user, line.attempts, line.number or "", *score),
        "" if line.judged is None else line.judged.verdict,
        line.title,
        f"{line.last_at:%Y-%m-%dT%H:%M:%SZ}",
        *(line.waiting, line.failed, line.sent, line.problem),
    )


HANDLERS = [overview, table]
