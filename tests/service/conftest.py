"""Share the two databases, a service on each, and a grader that needs no wall."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import Engine, NullPool, create_engine

import reference
from grader.service import addresses, limits, migrations
from grader.service.app import create_app
from grader.service.core import Service
from grader.service.database import Database
from grader.service.setting_values import Secret
from grader.service.settings import Settings
from grader.service.submissions import File, Incoming
from grader.service.webhooks import planning
from service import postgresql

OPERATOR = "the operator's own token"


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql.PostgreSQL]:
    server, folder = postgresql.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def admin(server: postgresql.PostgreSQL) -> Iterator[Engine]:
    """Connections that make and drop databases."""
    engine = create_engine(server.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def template(server: postgresql.PostgreSQL, admin: Engine) -> str:
    """The name of a migrated database, to be copied: migrating takes longer than a test."""
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE migrated")
    database = Database(server.address("migrated"))
    migrations.upgrade(database)
    database.close()
    return "migrated"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "grader.sqlite"
    database = Database(f"sqlite:///{path}")
    migrations.upgrade(database)
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kinds of database, one after the other."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new database without tables."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/data/grader.sqlite"
        return
    yield from _made(request, "template1")


@pytest.fixture
def database_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new migrated database."""
    if kind == "sqlite":
        (tmp_path / "data").mkdir()
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "data")
        yield f"sqlite:///{tmp_path}/data/grader.sqlite"
        return
    yield from _made(request, request.getfixturevalue("template"))


def _made(request: pytest.FixtureRequest, template: str) -> Iterator[str]:
    server: postgresql.PostgreSQL = request.getfixturevalue("server")
    admin: Engine = request.getfixturevalue("admin")
    name = f"test_{uuid.uuid4().hex}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.address(name)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        data=tmp_path / "data",
        database_url=Secret("" if database_url.startswith("sqlite") else database_url),
        operator_token=Secret(OPERATOR),
        base_url="http://testserver.local",
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings.url)
    yield opened
    opened.close()


@pytest.fixture
def service(settings: Settings, database: Database) -> Service:
    exercises = {name: reference.load(name) for name in reference.names()}
    client = addresses.client(settings.allow_networks)
    return Service(settings, database, exercises, client, listeners=(planning.plan,))


@pytest.fixture
def app(service: Service) -> Litestar:
    return create_app(service)


@pytest.fixture
def client(app: Litestar) -> Iterator[TestClient[Any]]:
    with TestClient(app) as opened:
        yield opened


@pytest.fixture
def incoming() -> Callable[..., Incoming]:
    """Make a submission, by default alice's of course algebra."""

    def make(content: bytes = b"x = 1\n", **changes: Any) -> Incoming:
        file = File("hw.py", uuid.uuid5(uuid.NAMESPACE_OID, content.hex()).hex, content)
        values = {
            "source": "campus",
            "course": "algebra",
            "user": "alice",
            "exercise": reference.DEFAULT,
            "files": (file,),
            "submitted_at": datetime.now(UTC),
        }
        return Incoming(**{**values, **changes})

    return make


@pytest.fixture
def no_new_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the counts of requests from starting anew between two of a test's."""
    monkeypatch.setattr(limits, "_WINDOW_S", 10**9)
