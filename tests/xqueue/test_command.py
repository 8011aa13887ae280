"""`grader xqueue` refuses what would send a password astray, and says what to do instead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader.errors import UsageError
from grader.xqueue.credentials import read

HERE = ("--url", "http://127.0.0.1:9", "--queue", "q")
NAMES = ("GRADER_XQUEUE_USERNAME", "GRADER_XQUEUE_PASSWORD", "GRADER_XQUEUE_BASIC_AUTH")


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
        (("--url", "https://[", "--queue", "q"), "--url"),
        (("--url", "https://courses.example.org:99999", "--queue", "q"), "Port out of range"),
        (HERE, "GRADER_XQUEUE_USERNAME and GRADER_XQUEUE_PASSWORD"),
        ((*HERE, "--credentials", "no/such.toml"), "no/such.toml"),
        ((*HERE, "--exercise", "no_such"), "no_such"),
        ((*HERE, "--jobs", "0"), "--jobs"),
        ((*HERE, "--file-host", "*.example.org"), "'*.example.org' is no host"),
    ],
)
def test_a_mistyped_command_exits_2_and_names_what_was_wrong(
    arguments: tuple[str, ...], said: str
) -> None:
    known = {name: value for name, value in os.environ.items() if name not in NAMES}
    if {"--exercise", "--file-host"} & set(arguments):
        known |= dict.fromkeys(NAMES[:2], "secret")
    command = [sys.executable, "-m", "grader", "xqueue", *arguments]
    done = subprocess.run(command, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "secret" not in done.stderr


def test_credentials_come_from_a_file_or_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text('username = "u"\npassword = "p:w"\nbasic_auth = "proxy:s:t"\n')
    found = read(path, {})
    assert (found.username, found.password, found.basic) == ("u", "p:w", ("proxy", "s:t"))
    found = read(None, {NAMES[0]: "e", NAMES[1]: "f"})
    assert (found.username, found.password, found.basic) == ("e", "f", None)


@pytest.mark.parametrize(
    "text", ["username = 1\npassword = 'a'", "username = 'a'", "no toml", "password = 'p'", "\xff"]
)
def test_a_file_of_another_form_is_refused_without_showing_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=r"secrets\.toml"):
        read(path, {})
