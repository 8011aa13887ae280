"""A placement in a course of the fake platform, and what its students send in."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import msgspec
from processes import PATIENCE_S
from sqlalchemy import select

from grader.service import results
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.lti import grades, key_store
from grader.service.lti.ags.gateway import Gateway
from grader.service.lti.ags.loop import Outbox
from grader.service.lti.ags.row import Timing
from grader.service.lti.ags.store import DatabaseStore
from grader.service.lti.service_token import ServiceTokens
from grader.service.lti.tables import LtiGrade, LtiLink
from grader.service.submissions import Incoming, accept
from grader.service.tables import Submission
from service.fakes import report
from service.lti.fake_gradebook import Cell
from service.lti.fake_platform import FakePlatform
from service.lti.virtual_time import Wire

DUE = datetime(2026, 11, 24, tzinfo=UTC)
QUICK = Timing(settle_s=0.4, base_s=0.02, most_s=0.1)


@dataclass
class Course:
    """One placement; `judge` lets a student send in, `send` runs the real outbox."""

    service: Service
    lms: FakePlatform
    link_id: int
    incoming: Callable[..., Incoming]

    @property
    def column(self) -> dict[str, Cell]:
        return self.lms.gradebook.columns["7"]

    @contextmanager
    def link(self) -> Iterator[LtiLink]:
        with self.service.database.transaction() as session:
            yield session.get_one(LtiLink, self.link_id)

    def judge(
        self, user: str, points: int, *, at: datetime = DUE, verdict: str = "wrong_answer"
    ) -> str:
        """Let a user send something in that is worth so many points."""
        sent = self.incoming(f"{user} {points} {at}".encode(), source="lti:1", user=user)
        with self.service.database.transaction() as session:
            link = session.get_one(LtiLink, self.link_id)
            dated = msgspec.structs.replace(sent, submitted_at=at, exercise=link.exercise)
            submission = accept(session, dated, NoDispatch())
            grades.count_for(session, submission, link)
        self.record(submission.id, points, verdict=verdict)
        return submission.id

    def record(
        self,
        submission_id: str,
        points: int,
        *,
        verdict: str = "wrong_answer",
        digest: str = "d1",
        round: int = 1,
    ) -> None:
        with self.service.database.transaction() as session:
            submission = session.get_one(Submission, submission_id)
            found = report(score=points, verdict=verdict, digest=digest)
            results.record(self.service, session, submission, found, round=round, worker="w")

    def row(self, user: str) -> LtiGrade:
        with self.service.database.reading() as session:
            return session.scalars(select(LtiGrade).where(LtiGrade.user == user)).one()

    def send(self, *, faulty_s: float = 0.0) -> None:
        """Run the real loop until no row has anything to do."""

        async def main() -> None:
            patience = httpx.Timeout(0.25)
            async with httpx.AsyncClient(transport=Wire(self.lms.respond), timeout=patience) as c:
                database = self.service.database
                tokens = ServiceTokens(c, lambda: key_store.signing(database))
                kept = DatabaseStore(database, QUICK)
                outbox, stop = Outbox(kept, Gateway(c, tokens), look_s=0.02), asyncio.Event()
                sending = asyncio.create_task(outbox.run(stop))
                async with asyncio.timeout(PATIENCE_S + faulty_s):
                    while await asyncio.to_thread(self.busy):
                        await asyncio.sleep(0.05)
                stop.set()
                await sending

        asyncio.run(main())

    def busy(self) -> bool:
        with self.service.database.reading() as session:
            rows = select(LtiGrade.id).where(LtiGrade.step.not_in(["done", "parked", ""]))
            return session.scalars(rows.limit(1)).first() is not None
