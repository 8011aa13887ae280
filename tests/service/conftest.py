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
from sqlalchemy import create_engine, text

import reference
from grader.service import addresses, migrations
from grader.service.app import create_app
from grader.service.core import Service
from grader.service.database import Database
from grader.service.settings import Secret, Settings
from grader.service.submissions import File, Incoming
from grader.service.webhooks import outbound
from service import postgresql

OPERATOR = "the operator's own token"


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql.PostgreSQL]:
    server, folder = postgresql.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def postgresql_url(server: postgresql.PostgreSQL) -> Iterator[str]:
    """The address of a new, empty database."""
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.url.rpartition("/")[0] + f"/{name}"
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of each kind."""
    if request.param == "sqlite":
        return ""
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        data=tmp_path / "data",
        database_url=Secret(database_url),
        operator_token=Secret(OPERATOR),
        base_url="http://testserver.local",
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings.url)
    migrations.upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture
def service(settings: Settings, database: Database) -> Service:
    exercises = {name: reference.load(name) for name in reference.names()}
    client = addresses.client(settings.allow_networks)
    return Service(settings, database, exercises, client, listeners=(outbound.plan,))


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
