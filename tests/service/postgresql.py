"""Run a PostgreSQL of the tests' own, from this machine's binaries."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from service.ports import free_port

_DEBIAN = Path("/usr/lib/postgresql")
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
}


class PostgreSQL:
    """A server in a folder of its own; `url` is where it answers."""

    def __init__(self, folder: Path) -> None:
        self._data, self._binaries = folder / "data", _binaries()
        self.port = free_port()
        # initdb refuses to run as root.
        self._user = "nobody" if os.getuid() == 0 else None
        if self._user is not None:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", self._data, "-U", "grader", "-A", "trust", "--no-sync")
        # Without fsync a crash of the machine loses data; a kill of the server does not.
        options = {**_OPTIONS, "port": str(self.port), "fsync": "off"}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in options.items())
        self.start()

    @property
    def url(self) -> str:
        return self.address("postgres")

    def address(self, name: str) -> str:
        return f"postgresql+psycopg://grader@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        log = self._data / "log"
        self._run("pg_ctl", "start", "-w", "-t", "60", "-D", self._data, "-l", log)

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", self._data)

    def _run(self, command: str, *arguments: object) -> None:
        words = [str(self._binaries / command), *map(str, arguments)]
        subprocess.run(
            words,
            user=self._user,
            group="nogroup" if self._user else None,
            check=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


def start() -> tuple[PostgreSQL, Path]:
    """Start a server; where there is none the test skips on a laptop and fails in CI."""
    if _binaries_or_none() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no initdb on PATH or in /usr/lib/postgresql: install PostgreSQL")
        pytest.skip("no PostgreSQL on this machine")
    folder = Path(tempfile.mkdtemp(prefix="grader-postgresql-"))
    folder.chmod(0o755)
    return PostgreSQL(folder), folder


def program(name: str) -> Path:
    """Return a program of PostgreSQL's."""
    return _binaries() / name


def _binaries() -> Path:
    found = _binaries_or_none()
    assert found is not None
    return found


def _binaries_or_none() -> Path | None:
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None
