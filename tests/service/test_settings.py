"""Settings come from variables or files, say what is wrong, and keep their secrets."""

import re
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import ROOT

from grader.errors import UsageError
from grader.service.core import load_exercises
from grader.service.setting_values import Secret
from grader.service.settings import Settings, read, variable


def test_nothing_set_is_the_embedded_service(tmp_path: Path) -> None:
    settings = read({})
    assert settings.is_embedded
    assert settings.url == "sqlite:///grader-data/grader.sqlite"


def test_a_secret_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql+psycopg://grader:hunter2@db/grader\n")
    settings = read({"GRADER_DATABASE_URL_FILE": str(file)})
    assert settings.url == "postgresql+psycopg://grader:hunter2@db/grader"
    assert not settings.is_embedded
    for shown in (repr(settings), str(settings), f"{settings.database_url}"):
        assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("GRADER_PORT", "eighty", "GRADER_PORT"),
        ("GRADER_PORT", "70000", "0 to 65535"),
        ("GRADER_SLOTS", "0", "at least 1"),
        ("GRADER_DRAIN_S", "-1", "positive"),
        ("GRADER_DRAIN_S", "nan", "positive"),
        ("GRADER_FEEDBACK", "everything", "counterexample"),
        ("GRADER_SANDBOX", "paper", "auto, docker+runsc, docker, bubblewrap, confined"),
        ("GRADER_SANDBOX", "", "bubblewrap"),
        ("GRADER_BASE_URL", "grader.example.org", "https://"),
        ("GRADER_BASE_URL", "https://x/?q=1", "https://"),
        ("GRADER_BASE_URL", "https://me:hunter2@x", "https://"),
        ("GRADER_ALLOW_NETWORKS", "10.1.0.0/99", "GRADER_ALLOW_NETWORKS"),
        ("GRADER_DATABASE_URL", "mysql://x", "postgresql+psycopg://"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        read({name: text})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GRADER_FEED_BACK", "GRADER_FEEDBACK"),
        ("GRADER_DATABASE_ULR", "GRADER_DATABASE_URL"),
        ("GRADER_DATABASE_URL_FILES", "GRADER_DATABASE_URL_FILE"),
        ("GRADER_LTI_ISSUER", "GRADER_LTI_ISSUERS"),
        ("GRADER_ZZZZ", None),
    ],
)
def test_a_name_that_nothing_reads_is_refused(name: str, meant: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        read({name: "hunter2"})
    ends = f"; is {meant} meant?" if meant else ""
    assert str(caught.value) == f"there is no setting {name}{ends}"


def test_what_other_parts_read_is_no_mistake() -> None:
    environment = {"GRADER_CACHE": "/x", "GRADER_WORKER_IMAGE": "y", "GRADER_XQUEUE_PASSWORD": "z"}
    assert read({**environment, "PATH": "/bin", "grader_port": "1"}) == read({})


@pytest.mark.parametrize("text", ["score\n", " score", "score \t"])
def test_space_around_a_value_is_no_part_of_it(text: str) -> None:
    assert read({"GRADER_FEEDBACK": text}).feedback == "score"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("HTTPS://Grader.Example.org/", "https://grader.example.org"),
        ("https://x:8443/Grader/\n", "https://x:8443/Grader"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_address_is_written_as_browsers_write_it(text: str, address: str) -> None:
    assert read({"GRADER_BASE_URL": text}).base_url == address


def test_a_variable_and_its_file_are_not_both_taken(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="both"):
        read({"GRADER_HOST": "::1", "GRADER_HOST_FILE": str(tmp_path / "host")})
    with pytest.raises(UsageError, match="GRADER_HOST_FILE"):
        read({"GRADER_HOST_FILE": str(tmp_path / "nowhere")})


def test_an_empty_secret_is_none() -> None:
    assert not Secret("")
    assert Secret("x")


def test_the_documentation_tells_every_setting_as_it_is() -> None:
    text = (ROOT / "docs" / "service.md").read_text()
    told = dict(re.findall(r"^\| `(GRADER_\w+)` \| (.*) \|$", text, re.MULTILINE))
    assert set(told) == {variable(one.name) for one in fields(Settings)}
    for one in fields(Settings):
        default = one.default
        if isinstance(default, Secret) or default == ():
            shown = ""
        elif isinstance(default, float):
            shown = f"`{default:g}`"
        else:
            shown = f"`{default}`"
        what = one.metadata["what"]
        assert told[variable(one.name)] == f"{shown} | {what}".strip(), one.name


def test_what_kubernetes_says_of_its_services_is_no_setting() -> None:
    said = {
        "GRADER_WEB_SERVICE_HOST": "10.0.0.7",
        "GRADER_WEB_SERVICE_PORT_HTTP": "8000",
        "GRADER_WEB_PORT": "tcp://10.0.0.7:8000",
        "GRADER_WEB_PORT_8000_TCP_ADDR": "10.0.0.7",
        "GRADER_SERVICE_HOST": "10.0.0.7",
    }
    assert read(said) == read({})


def test_two_exercises_of_one_name_are_refused(tmp_path: Path) -> None:
    for week in ("1", "2"):
        shutil.copytree(
            ROOT / "reference" / "basic_block",
            tmp_path / week / "my_block",
            ignore=shutil.ignore_patterns("fixtures"),
        )
    one, two = (str(tmp_path / week / "my_block") for week in ("1", "2"))
    assert set(load_exercises(Settings(exercises=(one, one)))) == {"basic_block"}
    with pytest.raises(UsageError, match=r"two exercises are called basic_block: .*/1/.*/2/"):
        load_exercises(Settings(exercises=(one, two)))
