"""Gather what many threads want to write, and commit it together.

A database waits for the disk at each commit, 2 to 20 ms; SQLite commits one after the other. Few
threads write, into SQLite one: while it waits for the disk more work comes in, and shares the next
commit. Had whoever came first committed for the others, each of those would have had to pass the
lock to see it: measured, 2 pieces a commit in place of 20.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

_T = TypeVar("_T")
_TOGETHER = 64
"""Pieces that share a commit, at most: the others wait no longer than these take."""

_Piece = tuple[Callable[[Session], Any], Future[Any]]
_Outcome = tuple[Any, BaseException | None]


class Writer:
    """The threads that do what `do` is given.

    Args:
        alone: held during a transaction, against writers that come by other ways.
        threads: transactions at once.
    """

    def __init__(
        self, engine: Engine, alone: AbstractContextManager[object], *, threads: int = 1
    ) -> None:
        self._engine, self._alone = engine, alone
        self._pieces: SimpleQueue[_Piece | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name="writer", daemon=True) for _ in range(threads)
        ]
        self._starting = threading.Lock()

    def do(self, work: Callable[[Session], _T]) -> _T:
        """Do a piece of work in a transaction, and return what it returns.

        Args:
            work: fails alone: what others do in the same transaction is kept. It is done again
                where PostgreSQL rolled it back to end a deadlock.
        """
        future: Future[_T] = Future()
        self._pieces.put((work, future))
        with self._starting:
            for thread in self._threads:
                if thread.ident is None:
                    thread.start()
        return future.result()

    def stop(self) -> None:
        """Do what was asked for, then end."""
        for _ in self._threads:
            self._pieces.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _run(self) -> None:
        going_on = True
        while going_on:
            pieces, going_on = self._gathered()
            if pieces:
                self._commit(pieces)

    def _gathered(self) -> tuple[list[_Piece], bool]:
        """Wait for a piece; return it with those that are there as well, and whether to go on."""
        pieces: list[_Piece] = []
        try:
            piece = self._pieces.get()
            while piece is not None:
                pieces.append(piece)
                if len(pieces) == _TOGETHER:
                    return pieces, True
                piece = self._pieces.get_nowait()
        except Empty:
            return pieces, True
        return pieces, False

    def _commit(self, pieces: list[_Piece]) -> None:
        losers: list[_Piece] = []
        for piece, (result, failure) in zip(pieces, self._outcomes(pieces), strict=True):
            if failure is None:
                piece[1].set_result(result)
            elif _is_deadlock(failure):
                losers.append(piece)
            else:
                piece[1].set_exception(failure)
        for piece in losers:  # alone it holds none of the rows that the others had locked
            self._commit([piece])

    def _outcomes(self, pieces: list[_Piece]) -> list[_Outcome]:
        """Do pieces of work in one transaction, and return how each of them went."""
        try:
            with self._alone, self._engine.begin() as connection:
                if len(pieces) == 1:
                    return [(_done(connection, pieces[0][0]), None)]
                return [_attempted(connection, work) for work, _ in pieces]
        except BaseException as error:  # nothing was committed, for nobody
            return [(None, error)] * len(pieces)


def _is_deadlock(failure: BaseException) -> bool:
    """Whether PostgreSQL gave a piece up, as its transaction and another waited for each other.

    Each piece locks rows in an order that no other one crosses, but those that share a transaction
    come in any order.
    """
    orig = failure.orig if isinstance(failure, DBAPIError) else None
    return getattr(orig, "sqlstate", None) == "40P01"


def _done(connection: Connection, work: Callable[[Session], Any]) -> Any:
    """Do the only piece of work of a transaction: no savepoint to wait for."""
    with Session(connection, expire_on_commit=False) as session, session.begin():
        return work(session)


def _attempted(connection: Connection, work: Callable[[Session], Any]) -> _Outcome:
    """Do a piece of work in a savepoint of its own; return its result, or its error."""
    session = Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
    try:
        with session, session.begin():
            return work(session), None
    except BaseException as error:
        if connection.invalidated:  # all that shares it is lost as well
            raise _loss(error) from error
        return None, error


def _loss(error: BaseException) -> BaseException:
    """Return what lost the connection; rolling back, without one, hides it behind its own error."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, DBAPIError):
        found = found.__context__
    return found or error
