"""Work that shares a commit succeeds or fails by itself, and nothing is lost between."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from processes import PATIENCE_S, until
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from grader.service.database import _WRITERS, Database, insert_once, is_away
from grader.service.settings import Settings
from grader.service.tables import Source, now
from grader.service.writing import Writer


def source(name: str) -> Source:
    return Source(name=name, kind="standard", created_at=now())


def names(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(select(Source.name)))


def test_work_is_done_and_its_result_returned(database: Database) -> None:
    def work(session: Session) -> int:
        session.add(source("one"))
        session.flush()
        return session.scalar(select(func.count()).select_from(Source)) or 0

    assert database.do(work) == 1
    assert names(database) == {"one"}


def test_of_many_at_once_each_fails_alone(database: Database) -> None:
    """Half of them break a key; the other half is kept, whatever transaction they shared."""
    database.do(lambda session: session.add(source("taken")))
    start = threading.Barrier(16)

    def attempt(number: int) -> str:
        start.wait()

        def work(session: Session) -> str:
            session.add(source(f"new-{number}"))
            session.flush()
            if number % 2:
                session.add(source("taken"))
            return "kept"

        try:
            return database.do(work)
        except IntegrityError:
            return "refused"

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(attempt, range(16)))
    assert outcomes == ["kept", "refused"] * 8
    assert names(database) == {"taken", *(f"new-{number}" for number in range(0, 16, 2))}


def test_what_fails_by_itself_leaves_nothing(database: Database) -> None:
    def work(session: Session) -> None:
        session.add(source("one"))
        session.flush()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        database.do(work)
    assert names(database) == set()
    database.do(lambda session: session.add(source("one")))
    assert names(database) == {"one"}


def test_when_the_commit_fails_everybody_is_told(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/x.sqlite")
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
        connection.execute(
            text(
                "CREATE TABLE child (parent INTEGER REFERENCES parent (id) "
                "DEFERRABLE INITIALLY DEFERRED)"
            )
        )

    def orphan(session: Session) -> None:
        session.execute(text("INSERT INTO child VALUES (7)"))

    with pytest.raises(IntegrityError):
        database.do(orphan)
    assert database.do(lambda session: 5) == 5  # and the next one is done
    with database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM child")) == 0
    database.close()


def test_many_share_a_commit(tmp_path: Path) -> None:
    """What waits while one commits is committed together: far fewer commits than pieces."""
    database = Database(f"sqlite:///{tmp_path}/x.sqlite")
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
    begun, go = threading.Event(), threading.Event()

    def hold(session: Session) -> None:
        begun.set()
        assert go.wait(60)

    connections: set[int] = set()

    def piece(session: Session) -> None:
        connections.add(id(session.connection().connection.dbapi_connection))
        session.execute(text("INSERT INTO t VALUES (1)"))

    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(database.do, hold)
        assert begun.wait(60)
        rest = [pool.submit(database.do, piece) for _ in range(8)]
        while database._writer._pieces.qsize() < 8:
            threading.Event().wait(0.01)
        go.set()
        for job in (first, *rest):
            job.result()
    assert len(connections) == 1
    database.close()


@pytest.mark.parametrize("kind", ["postgresql"])
def test_some_write_into_postgresql_at_once_and_not_more(kind: str, settings: Settings) -> None:
    begun, go = threading.Semaphore(0), threading.Event()

    def hold(session: Session) -> bool:
        begun.release()
        return go.wait(PATIENCE_S)

    with closing(Database(settings.url)) as database, ThreadPoolExecutor(9) as pool:
        jobs = []
        for _ in range(_WRITERS):
            jobs.append(pool.submit(database.do, hold))
            assert begun.acquire(timeout=PATIENCE_S), "it waits for one that is at work"
        jobs.append(pool.submit(database.do, hold))
        assert not begun.acquire(timeout=0.3)
        go.set()
        assert all(job.result() for job in jobs)


@pytest.mark.parametrize("kind", ["postgresql"])
def test_rows_of_a_transaction_whose_process_froze_are_given_back(
    kind: str, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.do(lambda session: session.add(source("one")))  # however long this machine takes
    monkeypatch.setattr("grader.service.database.IDLE_S", 0.2)
    with closing(Database(settings.url)) as hasty:
        row = select(Source).with_for_update()

        def freeze() -> None:
            with hasty.transaction() as held:
                held.scalars(row).one().kind = "frozen"
                held.flush()
                with hasty.transaction() as other:  # waits until the first is ended
                    assert other.scalars(row).one().kind == "standard"

        with pytest.raises(DBAPIError) as caught:
            freeze()
        assert is_away(caught.value), "whoever outlasts an outage tries again"


@pytest.mark.parametrize("kind", ["postgresql"])
def test_no_time_zone_of_postgresqls_own_makes_a_moment_unreadable(
    kind: str, settings: Settings, database: Database
) -> None:
    """In New York the year 1 began in the year before, which Python does not know."""
    name, first = database.engine.url.database, datetime(1, 1, 1, tzinfo=UTC)
    zone = text(f"ALTER DATABASE {name} SET TimeZone = 'America/New_York'")
    database.do(lambda session: session.execute(zone))
    with closing(Database(settings.url)) as other, other.transaction() as session:
        session.add(Source(name="one", kind="standard", created_at=first))
        session.flush()
        session.expire_all()
        assert session.scalars(select(Source.created_at)).one() == first


def test_a_row_is_inserted_once(database: Database) -> None:
    def insert(session: Session) -> bool:
        values = {"name": "x", "kind": "standard", "created_at": now()}
        texts = ("callback_url", "exercise", "course", "fetch_host", "fetch_token")
        return insert_once(session, Source, **values, **dict.fromkeys(texts, ""))

    assert [database.do(insert) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("kind", ["postgresql"])
def test_pieces_that_lock_each_others_rows_are_all_done(
    kind: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two transactions that take two rows in opposite orders one is given up, and done again."""
    monkeypatch.setattr("grader.service.database._WRITERS", 2)
    writers_hold, both_have_one = threading.Barrier(3), threading.Barrier(2)
    tries: list[str] = []

    def hold(go: threading.Event, session: Session) -> None:
        writers_hold.wait(PATIENCE_S)
        assert go.wait(PATIENCE_S)

    def mark(name: str, sign: str, meet: bool, session: Session) -> None:
        tries.append(name + sign)
        row = select(Source).where(Source.name == name).with_for_update()
        session.scalars(row).one().exercise += sign
        session.flush()
        if meet and tries.count(name + sign) == 1:
            both_have_one.wait(PATIENCE_S)

    with closing(Database(settings.url)) as database, ThreadPoolExecutor(6) as pool:
        database.do(lambda session: session.add_all([source("one"), source("two")]))
        events = threading.Event(), threading.Event()
        jobs = []
        for already, go in enumerate(events):  # one by one: each to a writer of its own
            until(lambda already=already: writers_hold.n_waiting == already)  # type: ignore[misc]
            jobs.append(pool.submit(database.do, partial(hold, go)))
        writers_hold.wait(PATIENCE_S)
        for go, sign, order in zip(events, "ab", (("one", "two"), ("two", "one")), strict=True):
            for name in order:
                waiting = database._writer._pieces.qsize()
                jobs.append(pool.submit(database.do, partial(mark, name, sign, name == order[0])))
                while database._writer._pieces.qsize() == waiting:
                    time.sleep(0.01)
            go.set()
            while database._writer._pieces.qsize():
                time.sleep(0.01)
        for job in jobs:
            job.result(PATIENCE_S)
        with database.reading() as session:
            signs = session.scalars(select(Source.exercise)).all()
    assert [sorted(each) for each in signs] == [["a", "b"], ["a", "b"]]
    assert len(tries) == 5, "one of the four was given up, and tried again"


@pytest.mark.parametrize("order", [("lost", "fine"), ("fine", "lost"), ("fine", "lost", "fine")])
def test_who_shares_a_lost_connection_is_told_that_it_is_lost(
    database: Database, order: tuple[str, ...]
) -> None:
    """Else it would be a bug of ours, and not done again."""

    def lost(session: Session) -> None:
        session.connection().invalidate()
        raise OperationalError("statement", {}, Exception(), connection_invalidated=True)

    works = {"lost": lost, "fine": lambda session: session.add(source("one"))}
    pieces = [(works[name], Future[Any]()) for name in order]
    Writer(database.engine, nullcontext())._commit(pieces)
    for _, future in pieces:
        failure = future.exception()
        assert isinstance(failure, OperationalError) and is_away(failure)
    assert names(database) == set()
