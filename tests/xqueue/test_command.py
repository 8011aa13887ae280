"""`grader xqueue` refuses what would send a password astray, and says what to do instead."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from grader.cli import app
from grader.cli.xqueue import credentials_of
from grader.errors import UsageError

HERE = ("--url", "http://127.0.0.1:9", "--queue", "q")
NAMES = ("GRADER_XQUEUE_USERNAME", "GRADER_XQUEUE_PASSWORD", "GRADER_XQUEUE_BASIC_AUTH")


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--url", "http://courses.example.org", "--queue", "q"), "--allow-http"),
        (("--url", "ftp://courses.example.org", "--queue", "q"), "http:// or https://"),
        (("--url", "courses.example.org", "--queue", "q"), "http:// or https://"),
        (
            ("--url", "https://a:b@courses.example.org", "--queue", "q"),
            "no path, query or password",
        ),
        (("--url", "https://courses.example.org/xqueue/", "--queue", "q"), "no path"),
        (HERE, "GRADER_XQUEUE_USERNAME and GRADER_XQUEUE_PASSWORD"),
        ((*HERE, "--credentials", "no/such.toml"), "no/such.toml"),
        ((*HERE, "--exercise", "no_such"), "no_such"),
        ((*HERE, "--jobs", "0"), "--jobs"),
    ],
)
def test_a_mistyped_command_exits_2_and_names_what_was_wrong(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--exercise" in arguments:
        monkeypatch.setenv(NAMES[0], "grader")
        monkeypatch.setenv(NAMES[1], "secret")
    done = CliRunner().invoke(app, ["xqueue", *arguments])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_credentials_come_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text('username = "u"\npassword = "p:w"\nbasic_auth = "proxy:s:t"\n')
    found = credentials_of(path)
    assert (found.username, found.password, found.basic) == ("u", "p:w", ("proxy", "s:t"))
    monkeypatch.setenv(NAMES[0], "e")
    monkeypatch.setenv(NAMES[1], "f")
    found = credentials_of(None)
    assert (found.username, found.password, found.basic) == ("e", "f", None)


@pytest.mark.parametrize(
    "text", ["username = 1\npassword = 'a'", "username = 'a'", "no toml", "password = 'p'", "\xff"]
)
def test_a_file_of_another_form_is_refused_without_showing_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=r"secrets\.toml"):
        credentials_of(path)
