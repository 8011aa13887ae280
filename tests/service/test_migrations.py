"""The migrations lay out exactly the tables that the program knows."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from grader.service import migrations
from grader.service.columns import Base
from grader.service.database import Database


def test_migrated_tables_are_the_declared_ones(database: Database) -> None:
    ours = {"compare_type": True, "include_name": migrations.is_ours}
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=ours)
        assert compare_metadata(context, Base.metadata) == []


def test_a_column_that_no_migration_adds_would_be_seen(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE source DROP COLUMN fetch_host")
    with database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        assert any("fetch_host" in str(one) for one in found)


def test_an_empty_database_has_no_revision_and_a_migrated_one_the_newest(
    empty_url: str,
) -> None:
    database = Database(empty_url)
    assert migrations.current(database) is None
    migrations.upgrade(database)
    assert migrations.current(database) == migrations.newest()
    migrations.upgrade(database)  # once more changes nothing
    database.close()


def test_the_cluster_gets_its_queue_and_the_embedded_one_none(database: Database) -> None:
    tables = inspect(database.engine).get_table_names()
    assert ("procrastinate_jobs" in tables) is not database.is_sqlite
