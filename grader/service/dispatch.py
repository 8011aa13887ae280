"""Name what hands gradings to whoever is free: the local pool, or the cluster's queue."""

from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from grader.service.tables import Grading


class Dispatch(Protocol):
    """Tells workers that there is work. It may forget: the database is the truth."""

    def enqueue(self, session: Session, grading: Grading, *, at: datetime | None = None) -> None:
        """Announce a grading, as part of the transaction that made it wait.

        Args:
            at: not before this moment.
        """

    def wake(self) -> None:
        """Look for work now: a transaction that announced some has been committed."""


class NoDispatch:
    """Announces nothing: for a process that only looks, and for tests."""

    def enqueue(self, session: Session, grading: Grading, *, at: datetime | None = None) -> None:
        """Announce nothing."""

    def wake(self) -> None:
        """Wake nobody."""
