"""Open the database: SQLite in one file for one process, or PostgreSQL for many.

Everything is synchronous and runs off the event loop. On SQLite there is one writer at a time; the
lock here keeps this process's writers in a fair queue, where SQLite itself would have them poll.
"""

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, func, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from grader.service.columns import Base
from grader.service.writing import Writer

if TYPE_CHECKING:
    import psycopg

_log = structlog.get_logger()
_T = TypeVar("_T")

BUSY_S = 30
"""How long SQLite waits for another process, such as a command of the operator."""
IDLE_S = 60.0
"""How long PostgreSQL lets a transaction wait for its process before it gives back the rows: one
that is frozen in the middle would hold them for as long, and no lease runs out on them."""
_WRITERS = 3
"""Threads that write into PostgreSQL for one process. More only take the interpreter from each
other: 200 deliveries a second took 0.9 of a core by as many threads as asked, 0.6 by 3."""
OUTAGE_S = 600.0
"""How long a restart of the database is waited out before a good grade is given up."""


class Database:
    """Sessions on one database.

    Attributes:
        engine: SQLAlchemy's.
        is_sqlite: whether one process alone may use it.
    """

    def __init__(self, url: str, *, pool_size: int = 20) -> None:
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _sqlite(url) if self.is_sqlite else _postgresql(url, pool_size)
        # On PostgreSQL each query stands alone: there is no BEGIN and no ROLLBACK to wait for.
        options = {"only_reads": True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._reader = self.engine.execution_options(**options)
        self._writing = threading.Lock() if self.is_sqlite else nullcontext()
        self._writer = Writer(self.engine, self._writing, threads=1 if self.is_sqlite else _WRITERS)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a session whose changes are committed when the block ends without an error."""
        session = Session(self.engine, expire_on_commit=False)
        with self._writing, session, session.begin():
            yield session

    def do(self, work: Callable[[Session], _T]) -> _T:
        """Do a piece of work in a transaction, and return what it returns.

        It shares its commit with what others do meanwhile.

        Args:
            work: fails alone.
        """
        return self._writer.do(work)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that changes nothing."""
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Finish what is being written, and close every connection."""
        self._writer.stop()
        self.engine.dispose()


def insert(session: Session, row: Base) -> None:
    """Insert a new row as it is, at a third of what the session's own bookkeeping costs."""
    values = {name: value for name, value in vars(row).items() if not name.startswith("_")}
    table = row.metadata.tables[row.__tablename__]
    session.execute(table.insert(), values)


def insert_once(session: Session, table: type[Base], **values: Any) -> bool:
    """Insert a row unless one with the same key is there; return whether it was inserted."""
    dialect = postgresql if _dialect(session) == "postgresql" else sqlite
    rows = dialect.insert(table).values(**values).on_conflict_do_nothing()
    # What came back is asked for: the number of rows is not known with every driver.
    key = inspect(table).primary_key
    return session.execute(rows.returning(*key)).first() is not None


def take_turns(session: Session, name: str) -> None:
    """Let nobody else do what is called so before this transaction ends.

    Two that read before either has written would not see each other.
    """
    if _dialect(session) == "postgresql":  # into SQLite one writes at a time
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def outlasting(work: Callable[[], _T], *, patience_s: float = OUTAGE_S) -> _T:
    """Do a piece of work on the database again while the database is away.

    Args:
        work: opens its own transaction, and may be repeated.
        patience_s: for how long to try.

    Raises:
        DBAPIError: the database stayed away, or said no.
    """
    end, wait_s = time.monotonic() + patience_s, 0.05
    while True:
        try:
            return work()
        except DBAPIError as error:
            if not is_away(error) or time.monotonic() > end:
                raise
            _log.warning("database_away", error=type(error.orig).__name__)
        time.sleep(wait_s * random.uniform(0.5, 1.5))
        wait_s = min(wait_s * 2, 2.0)


def is_away(error: DBAPIError) -> bool:
    """Whether a failure is the connection's rather than the statement's: it may be repeated."""
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    # psycopg calls every loss, refusal and shutdown operational; SQLite also a missing table.
    locked = "locked" in str(error.orig) or not isinstance(error.orig, sqlite3.Error)
    return isinstance(error, OperationalError) and locked


def _dialect(session: Session) -> str:
    return session.get_bind().dialect.name


def _postgresql(url: str, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        connect_args={"connect_timeout": 10, "application_name": "nnx-grader"},
    )

    @event.listens_for(engine, "connect")
    def connect(connection: "psycopg.Connection", record: object) -> None:
        # Not among the options of the connection: poolers between refuse those.
        idle_ms = round(IDLE_S * 1000)
        connection.execute(f"SET idle_in_transaction_session_timeout = {idle_ms}")
        connection.execute("SET TIME ZONE 'UTC'")  # in others some moments are no datetime
        connection.commit()

    return engine


def _sqlite(url: str) -> Engine:
    path = Path(url.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)  # it holds signing secrets; its log files are made like it
    # Readers do not wait for writers under WAL, so they may be as many as there are threads.
    engine = create_engine(url, pool_size=50, max_overflow=50, connect_args={"timeout": BUSY_S})

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours: sqlite3's own comes too late
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: what was answered with 202 outlives a power failure.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("only_reads", False)
        # A writer that began as a reader would fail on the first change that came between.
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine
