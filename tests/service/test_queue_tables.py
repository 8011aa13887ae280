"""`grader migrate` brings the queue's tables to what a newer Procrastinate needs."""

import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from sqlalchemy import inspect

from grader.errors import UsageError
from grader.service import migrations
from grader.service.assembly import ensure_tables
from grader.service.database import Database
from grader.service.migrations import queue
from grader.service.settings import Settings

pytestmark = pytest.mark.parametrize("kind", ["postgresql"], indirect=True)


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install a Procrastinate that has one more migration."""
    folder = tmp_path / "sql"
    with resources.as_file(resources.files("procrastinate.sql")) as installed:
        shutil.copytree(installed, folder)
    monkeypatch.setattr(queue, "_sql", lambda: folder)

    def add(name: str, statements: str) -> None:
        (folder / "migrations" / f"{name}.sql").write_text(statements)

    return add


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names())


def test_what_is_new_is_applied_once_and_in_order(
    database: Database, settings: Settings, release: Callable[[str, str], None]
) -> None:
    ensure_tables(settings, database)
    release("98.00.00_50_post_b", "ALTER TABLE procrastinate_a RENAME TO procrastinate_b; -- 9 %s")
    release("98.00.00_01_pre_a", "CREATE TABLE procrastinate_a ();")
    with pytest.raises(UsageError, match="grader migrate"):
        ensure_tables(settings, database)
    for _ in range(2):
        migrations.upgrade(database)
        assert tables(database) >= {"procrastinate_b"}
    ensure_tables(settings, database)


def test_one_that_fails_leaves_everything(
    database: Database, release: Callable[[str, str], None]
) -> None:
    before = tables(database)
    release("98.00.00_01_pre_a", "CREATE TABLE procrastinate_a ();")
    release("98.00.00_50_post_b", "DROP TABLE there_is_none;")
    with pytest.raises(Exception, match="there_is_none"):
        migrations.upgrade(database)
    assert tables(database) == before
    assert not migrations.are_newest(database)


def test_tables_of_a_newer_release_are_not_served(
    database: Database, settings: Settings, release: Callable[[str, str], None]
) -> None:
    release("98.00.00_01_pre_a", "CREATE TABLE procrastinate_a ();")
    migrations.upgrade(database)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "_sql", lambda: resources.files("procrastinate.sql"))
        with pytest.raises(UsageError, match="grader migrate"):
            ensure_tables(settings, database)
        with pytest.raises(UsageError, match=r"newer Procrastinate \(98"):
            migrations.upgrade(database)


def test_tables_of_before_it_was_recorded_are_upgraded_as_well(
    database: Database, release: Callable[[str, str], None]
) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"COMMENT ON TABLE {queue.TABLE} IS NULL")
    release("98.00.00_01_pre_a", "CREATE TABLE procrastinate_a ();")
    migrations.upgrade(database)
    assert "procrastinate_a" in tables(database)


def test_an_installation_laid_out_anew_needs_no_migration(
    empty_url: str, release: Callable[[str, str], None]
) -> None:
    release("98.00.00_01_pre_a", "CREATE TABLE procrastinate_a ();")
    database = Database(empty_url)
    migrations.upgrade(database)
    assert "procrastinate_a" not in tables(database)  # schema.sql would hold it
    assert migrations.are_newest(database)
    database.close()
