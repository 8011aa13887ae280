"""The backups of docs/operations.md hold what was there, and what they restore is up to date."""

import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from service import postgresql

from grader.service import migrations
from grader.service.database import Database
from grader.service.webhooks import sources


def laid_out(url: str) -> Database:
    """Return a migrated database that holds a sender."""
    database = Database(url)
    migrations.upgrade(database)
    sources.add(database, "campus")
    return database


def names(url: str) -> list[str]:
    """Return the senders in a database, which has to be at the newest revision."""
    database = Database(url)
    try:
        assert migrations.current(database) == migrations.newest()
        return [one.name for one in sources.listed(database)]
    finally:
        database.close()


@pytest.mark.parametrize("command", ["sqlite3 ", "pg_dump "])
def test_no_other_user_may_read_a_backup(command: str, tmp_path: Path) -> None:
    lines = (ROOT / "docs/operations.md").read_text().splitlines()
    [line] = [one.strip() for one in lines if one.startswith("    ") and command in one]
    before, _, _ = line.partition(command)
    # As each of the two makes its file; their own commands are not everywhere.
    subprocess.run(f"{before} cat > backup)", shell=True, check=True, cwd=tmp_path, input=b"")
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o600


def test_sqlite_is_copied_while_it_serves(tmp_path: Path) -> None:
    file, backup = tmp_path / "grader.sqlite", tmp_path / "backup.sqlite"
    database = laid_out(f"sqlite:///{file}")
    # What `.backup` of the command sqlite3 calls.
    with sqlite3.connect(file) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    source.close()
    target.close()
    bare = tmp_path / "bare.sqlite"
    shutil.copy(file, bare)
    database.close()
    assert names(f"sqlite:///{backup}") == ["campus"]
    with sqlite3.connect(bare) as alone:
        tables = alone.execute("SELECT count(*) FROM sqlite_master").fetchone()
    alone.close()
    assert tables == (0,), "the file alone would do: then say so"


@pytest.fixture
def server() -> Iterator[postgresql.PostgreSQL]:
    server, folder = postgresql.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


def test_postgresql_is_dumped_while_it_serves(
    server: postgresql.PostgreSQL, tmp_path: Path
) -> None:
    database, dump = laid_out(server.url), str(tmp_path / "grader.dump")
    at = ["--host=127.0.0.1", f"--port={server.port}", "--username=grader"]
    for command in (
        ["pg_dump", *at, "--format=custom", f"--file={dump}", "postgres"],
        ["createdb", *at, "--owner=grader", "restored"],
        ["pg_restore", *at, "--dbname=restored", "--no-owner", "--role=grader", dump],
    ):
        program = postgresql.program(command[0])
        subprocess.run([program, *command[1:]], check=True, capture_output=True)
    restored = server.address("restored")
    assert names(restored) == ["campus"]
    again = Database(restored)
    assert migrations.upgrade(again) == migrations.newest()  # the queue's tables are there
    again.close()
    database.close()
