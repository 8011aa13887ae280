"""Know what the reports of a class say in short, each read once: a report never changes."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.batch.entry import Judged
from grader.model.report import Status
from grader.service.tables import Result

_MOST = 20_000
"""Results that are kept, of some 600 bytes each."""
_AT_ONCE = 200
"""Reports in one question: they are some 30 KiB each."""


class _Finding(msgspec.Struct):
    id: str
    status: Status
    points: int


class _Diagnosis(msgspec.Struct):
    kind: str
    id: str | None = None
    title: str = ""


class _Short(msgspec.Struct):
    """The parts of a report that are read here; the others are passed over."""

    findings: list[_Finding]
    diagnosis: _Diagnosis


class Summary(msgspec.Struct, frozen=True):
    """A report in short.

    Attributes:
        findings: by the criterion's id.
        mistake: of what explains the answers, its id or else its kind; "" for nothing.
    """

    findings: dict[str, Judged]
    mistake: str
    title: str


class Summaries:
    """What remembers, for as long as the application runs."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, datetime], Summary] = OrderedDict()
        self._changing = threading.Lock()

    def of(self, session: Session, wanted: Mapping[int, datetime]) -> dict[int, Summary]:
        """Return the summaries of results by their ids; those that are gone are left out.

        Args:
            wanted: id of each, and when it was recorded: SQLite gives the id of a deleted result to
                the next one.
        """
        keys = {id: (id, at) for id, at in wanted.items()}
        with self._changing:
            found = {id: self._kept[key] for id, key in keys.items() if key in self._kept}
        missing = sorted(keys.keys() - found.keys())
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            rows = session.execute(select(Result.id, Result.report).where(Result.id.in_(some)))
            found |= {row.id: _read(row.report) for row in rows}
        with self._changing:
            self._kept.update((keys[id], found[id]) for id in missing if id in found)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return found


def _read(report: bytes) -> Summary:
    short = msgspec.json.decode(report, type=_Short)
    why = short.diagnosis
    return Summary(
        findings={one.id: Judged(one.status, one.points) for one in short.findings},
        mistake="" if why.kind == "none" else why.id or why.kind,
        title=why.title,
    )
