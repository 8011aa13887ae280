"""The service's processes keep what they promised when they are killed, and say nothing secret."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from processes import PATIENCE_S, until

from grader.service import migrations
from grader.service.database import Database
from grader.service.webhooks import sources
from service.ports import free_port
from service.processes import Process, answers
from service.senders import body, deliver, signed


class Embedded:
    """The embedded service: one process on SQLite, its address and its database."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url, self.log = f"http://127.0.0.1:{port}", folder / "log"
        self.environment = {
            "GRADER_DATA": str(folder / "data"),
            "GRADER_PORT": str(port),
            "GRADER_BASE_URL": self.url,
            "GRADER_OPERATOR_TOKEN": "hunter2",
        }
        database = Database(f"sqlite:///{folder}/data/grader.sqlite")
        migrations.upgrade(database)
        self.secret = sources.add(database, "campus")
        database.close()
        self._file = folder / "data" / "grader.sqlite"

    def process(self) -> Process:
        return Process("all", self.log, **self.environment)

    def ask(self, query: str) -> list[tuple[int, ...]]:
        with sqlite3.connect(self._file) as connection:
            found = connection.execute(query).fetchall()
        connection.close()
        return found


@pytest.fixture
def embedded(tmp_path: Path) -> Embedded:
    return Embedded(tmp_path)


def deliver_until_accepted(embedded: Embedded, content: bytes, message_id: str) -> str:
    """Do what a sender does: repeat the same delivery until somebody takes it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            with httpx.Client(base_url=embedded.url, trust_env=False, timeout=5) as client:
                answer = deliver(client, embedded.secret, content, message_id)
            if answer.status_code == 202:
                identity: str = answer.json()["id"]
                return identity
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("nobody takes it")


def test_the_embedded_service_is_killed_and_loses_nothing(embedded: Embedded) -> None:
    """Ten submissions; the one process is killed with -9 twice in their midst."""
    accepted = []
    for lives in (4, 4, 2):
        with embedded.process() as process:
            answers(embedded.url)
            for _ in range(lives):
                number = len(accepted)
                content = body(f"score={number} sleep=0.2")
                accepted.append(deliver_until_accepted(embedded, content, f"msg_{number}"))
            if len(accepted) == 10:
                # What was answered before the kills is still known after them.
                again = deliver_until_accepted(embedded, body("score=0 sleep=0.2"), "msg_0")
                assert again == accepted[0]
                until(lambda: embedded.ask("SELECT count(*) FROM result") == [(10,)])
            process.kill()
    assert len(set(accepted)) == 10
    query = "SELECT count(*), count(DISTINCT submission_id) FROM result"
    assert embedded.ask(query) == [(10, 10)]
    assert embedded.ask("SELECT max(tries) FROM grading") <= [(3,)]


def test_sigterm_finishes_what_is_under_way_and_keeps_the_rest(embedded: Embedded) -> None:
    with embedded.process() as process:
        answers(embedded.url)
        for number in range(3):
            deliver_until_accepted(embedded, body(f"score={number} sleep=1"), f"msg_{number}")
        until(lambda: embedded.ask("SELECT count(*) FROM grading WHERE tries > 0") != [(0,)])
        process.send(signal.SIGTERM)
        process.wait()
    states = dict(embedded.ask("SELECT state, count(*) FROM grading GROUP BY state"))  # type: ignore[arg-type]
    assert states["done"] >= 1
    assert states["done"] + states.get("waiting", 0) == 3
    # Nothing was cut short: what was begun is done.
    assert embedded.ask("SELECT count(*) FROM grading WHERE tries > 0 AND state != 'done'") == [
        (0,)
    ]


def test_logs_are_lines_of_json_without_code_tokens_or_secrets(embedded: Embedded) -> None:
    with embedded.process() as process:
        answers(embedded.url)
        with httpx.Client(base_url=embedded.url, trust_env=False, timeout=60) as client:
            code = "score=31 sleep=0.001 # squeamish ossifrage"
            told = deliver(client, embedded.secret, body(code)).json()
            url = told["status_url"]
            until(lambda: client.get(url).json()["state"] == "done")
            token = url.partition("token=")[2]
            client.get("/parked", headers={"authorization": "Bearer hunter2"})
            client.post(
                "/hooks/submissions/campus",
                content=b"squeamish",
                headers=signed(embedded.secret, b"squeamish"),
            )
        process.send(signal.SIGTERM)
        process.wait()
    log = embedded.log.read_text()
    events = {json.loads(line)["event"] for line in log.splitlines()}
    assert {"request", "grading"} <= events
    for secret in ("squeamish", token, embedded.secret, "hunter2", "alice"):
        assert secret not in log


def test_a_second_process_on_the_same_folder_is_refused(embedded: Embedded) -> None:
    with embedded.process():
        answers(embedded.url)
        with embedded.process() as second:
            assert second.wait() != 0
    assert "already" in embedded.log.read_text()


class Done(NamedTuple):
    """How a command ended."""

    exit_code: object
    stdout: str
    stderr: str


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Type a command, on a data folder of its own."""
    monkeypatch.setenv("GRADER_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("GRADER_DATABASE_URL", raising=False)

    from grader.cli import app as cli

    def typed(*words: str) -> Done:
        with pytest.raises(SystemExit) as ended:
            cli(list(words))
        return Done(ended.value.code, *capsys.readouterr())

    return typed


def test_senders_are_added_rotated_and_listed(run: Callable[..., Done]) -> None:
    empty = run("webhook", "list")
    assert "no senders yet" in empty.stdout
    added = run("webhook", "add", "campus", "--callback", "https://c.example/")
    assert "address: http://127.0.0.1:8000/hooks/submissions/campus" in added.stdout
    secret = added.stdout.split()[-1]
    assert secret.startswith("whsec_")
    rotated = run("webhook", "rotate", "campus")
    newer = rotated.stdout.split()[-1]
    assert newer != secret
    listed = run("webhook", "list")
    assert "campus  standard, 2 live secrets" in listed.stdout
    assert "https://c.example/" in listed.stdout
    assert "whsec_" not in listed.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["webhook", "add", "Campus!"], "no name"),
        (["webhook", "add", "x", "--kind", "svn"], "gitea"),
        (["webhook", "add", "x", "--kind", "github"], "--exercise"),
        (["webhook", "add", "x", "--callback", "ftp://x"], "https://"),
        (["webhook", "add", "x", "--fetch-token-file", "/bin/true"], "it is not UTF-8"),
        (
            [
                "webhook",
                "add",
                "x",
                "--fetch-host",
                "http://a",
                "--fetch-token-file",
                "/etc/hostname",
            ],
            "--fetch-host takes a host that speaks https",
        ),
        (["webhook", "add", "x", "--lti-platform", str(2**63)], "--lti-platform"),
        (["purge", "--older-than", "1000000"], "--older-than"),
        (["lti", "approve", str(2**63)], "2147483647"),
        (["grades", "why", str(2**63)], "2147483647"),
        (["grades", "resend", "1", str(2**63)], "2147483647"),
        (["grades", "resend", "999"], "there is no grade 999; grader grades status"),
        (["webhook", "add", "x", "--exercise", "nope"], "basic_block, resnet_classifier"),
        (["webhook", "rotate", "nobody"], "grader webhook list"),
        (["regrade", "basic_block", "--source", "nobody"], "no submission has source 'nobody'"),
        (["regrade", "basic_block", "--course", "nope"], "no submission has course 'nope'"),
        (["serve", "--role", "web"], "GRADER_DATABASE_URL"),
        (["worker"], "GRADER_DATABASE_URL"),
    ],
)
def test_a_mistaken_command_says_what_to_do(
    run: Callable[..., Done], words: list[str], says: str
) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert says in done.stderr


@pytest.mark.parametrize("command", [["migrate"], ["webhook", "list"]], ids=" ".join)
@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("GRADER_DATA", "/proc/nowhere", "nothing can be kept in /proc/nowhere: No such file"),
        ("GRADER_DATA", "/etc/hostname", "nothing can be kept in /etc/hostname: "),
        ("GRADER_DATA", "{folder}", "{folder}: the database cannot be opened: file is not a dat"),
        ("GRADER_DATABASE_URL", "postgresql+psycopg://u:hunter2@127.0.0.1:1/x", "port 1 failed"),
        ("GRADER_DATABASE_URL", "postgresql+psycopg://u:hunter2@localhost:x/x", "no address of a"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_line_that_names_the_setting(
    run: Callable[..., Done],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    variable: str,
    text: str,
    says: str,
) -> None:
    (tmp_path / "grader.sqlite").write_text("this is a letter, and no database")
    monkeypatch.setenv(variable, text.format(folder=tmp_path))
    done = run(*command)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"grader: {variable}")
    assert says.format(folder=tmp_path) in done.stderr
    assert "hunter2" not in done.stderr


def test_a_database_of_a_newer_version_is_left_as_it_is(
    run: Callable[..., Done], tmp_path: Path
) -> None:
    run("migrate")
    file = tmp_path / "data" / "grader.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = file.read_bytes()
    for command in (["migrate"], ["webhook", "list"]):
        done = run(*command)
        assert (done.exit_code, "of a newer version of this program" in done.stderr) == (2, True)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("GRADER_DATA", "/proc/nowhere", "nothing can be kept in /proc/nowhere: No such file"),
        ("GRADER_DATABASE_URL", "postgresql+psycopg://u:hunter2@127.0.0.1:1/x", "port 1 failed"),
    ],
)
def test_a_service_that_has_no_database_ends_with_one_line(
    variable: str, text: str, says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "grader", "serve"],
        env={**os.environ, variable: text},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(f"grader: {variable}") and says in line and "hunter2" not in line


def test_a_name_is_taken_once(run: Callable[..., Done]) -> None:
    run("webhook", "add", "campus")
    again = run("webhook", "add", "campus")
    assert again.exit_code == 2
    assert "rotate" in again.stderr


def test_purge_deletes_what_is_old(run: Callable[..., Done], tmp_path: Path) -> None:
    embedded = Embedded(tmp_path)
    with embedded.process():
        answers(embedded.url)
        for number in range(2):
            deliver_until_accepted(embedded, body(f"score={number}"), f"msg_{number}")
        until(lambda: embedded.ask("SELECT count(*) FROM result") == [(2,)])
    with sqlite3.connect(tmp_path / "data" / "grader.sqlite") as connection:
        connection.execute(
            "UPDATE submission SET received_at = '2020-01-01 00:00:00' WHERE id = "
            "(SELECT submission_id FROM delivery WHERE webhook_id = 'msg_0')"
        )
    connection.close()
    done = run("purge", "--older-than", "180")
    assert "1 submissions are gone" in done.stdout
    for table in ("submission", "grading", "result", "delivery"):
        assert embedded.ask(f"SELECT count(*) FROM {table}") == [(1,)], table
