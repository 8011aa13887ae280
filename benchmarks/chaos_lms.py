"""A learning platform that fails and freezes, for chaos.py: students hand in, grades come back."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from service.lti.conftest import describe
from service.lti.fake_gradebook import Faults, Gradebook
from service.lti.fake_platform import FakePlatform
from service.lti.served import asgi, free_port, serving
from sqlalchemy import select

import reference
from grader.service.cluster.queue import QueueDispatch
from grader.service.database import Database
from grader.service.lti import grades, key_store, keys, registry
from grader.service.lti.tables import LtiAttempt, LtiGrade, LtiLink
from grader.service.submissions import File, Incoming, accept
from grader.service.tables import Result, Submission, now

ATTEMPTS = 2
"""Submissions of each student; the best counts."""
FREEZE_S = 2.0
ENVIRONMENT = {"GRADER_ALLOW_NETWORKS": "127.0.0.0/8", "GRADER_LTI_SETTLE_S": str(FREEZE_S + 1)}
"""What the service needs to know: it waits for as long as a score may freeze."""
# Few are 500: five in a row are how a grade looks that a teacher has locked.
_FAULTS = Faults(
    rate=0.3,
    kinds=("500", *["503"] * 6),
    token_rate=0.02,
    freeze_rate=0.3,
    freeze_s=FREEZE_S,
)


class Lms:
    """One course of it, with one placement.

    Attributes:
        asked: requests that its gradebook answered.
    """

    def __init__(self, database: Database, seed: int) -> None:
        self._database, self._dispatch = database, QueueDispatch()
        self._platform = FakePlatform(
            Gradebook("moodle", faults=_FAULTS, rng=random.Random(seed)),
            tool_keys=self._keys_of_the_tool,
            issuer=f"http://127.0.0.1:{free_port()}",
        )
        self._platform.gradebook.columns["7"] = {}

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve it, once it and its course are registered, until the block ends."""
        with self._database.transaction() as session:
            platform = registry.get(session, registry.add(session, describe(self._platform)))
            link = LtiLink(
                platform_id=int(platform.id),
                course="algebra",
                link="link-1",
                exercise=reference.DEFAULT,
                line_item=self._platform.line_item,
                seen_at=now(),
            )
            session.add(link)
            session.flush()
            self._link = link.id
        port = int(self._platform.issuer.rpartition(":")[2])
        with serving(asgi(self._platform.respond), port):
            yield

    def hand_in(self, number: int, content: bytes) -> str:
        """Take in what a student uploads, as the page does; return the submission's id."""
        incoming = Incoming(
            source="lti:1",
            course="algebra",
            user=f"student-{number // ATTEMPTS}",
            exercise=reference.DEFAULT,
            files=(File("hw.py", f"upload {number}", content),),
            submitted_at=datetime.now(UTC),
        )
        with self._database.transaction() as session:
            submission = accept(session, incoming, self._dispatch)
            grades.count_for(session, submission, session.get_one(LtiLink, self._link))
            return submission.id

    def is_busy(self) -> bool:
        """Return whether a grade is on its way."""
        rows = select(LtiGrade.id).where(LtiGrade.step.not_in(["done", "parked", ""]))
        with self._database.reading() as session:
            return session.scalars(rows.limit(1)).first() is not None

    @property
    def asked(self) -> int:
        return len(self._platform.gradebook.requests)

    def wrong_grades(self) -> dict[str, tuple[float | None, int]]:
        """Return the students whose grade is not their best: what the platform has, and ours."""
        rows = select(LtiAttempt.user, Result.score).join(
            Submission, Submission.id == LtiAttempt.submission_id
        )
        best: dict[str, int] = {}
        with self._database.reading() as session:
            for user, score in session.execute(
                rows.join(Result, Result.submission_id == Submission.id)
            ):
                best[user] = max(score, best.get(user, 0))
        cells = self._platform.gradebook.columns["7"]
        given = {user: cell.given for user, cell in cells.items()}
        return {u: (given.get(u), points) for u, points in best.items() if given.get(u) != points}

    def _keys_of_the_tool(self) -> dict[str, Any]:
        return keys.published(key_store.available(self._database), now())
