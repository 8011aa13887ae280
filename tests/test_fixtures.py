"""Grade every stored submission: each must get the verdict that lies beside it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import FIXTURES, statuses

from grader.errors import InvalidSubmission
from grader.intake import read_submission
from grader.judge import Judge, refuse
from grader.model import Exercise, Report, Sandbox
from grader.oracle import Oracle
from grader.report.document import to_json


def folders(kind: str) -> list[Path]:
    return sorted(path.parent for path in (FIXTURES / kind).glob("*/expected.toml"))


def expectation(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "expected.toml").read_text())


def grade(folder: Path, judge: Judge, oracle: Oracle) -> Report:
    """Grade a fixture as the command line does: intake, then the judge."""
    exercise = judge.exercise
    try:
        read = read_submission(folder, file_names=exercise.file_names, entry=exercise.entry)
    except InvalidSubmission as error:
        return refuse(exercise, oracle, folder.name, error)
    return judge.grade(read)


def identify(folder: Path) -> str:
    return folder.name


@pytest.mark.parametrize("folder", folders("accepted"), ids=identify)
def test_accepted_fixture_gets_full_marks(folder: Path, judge: Judge, oracle: Oracle) -> None:
    report = grade(folder, judge, oracle)
    assert (report.verdict, report.score) == ("accepted", 100), to_json(report).decode()


@pytest.mark.parametrize("folder", folders("rejected"), ids=identify)
def test_rejected_fixture_fails_where_it_is_wrong(
    folder: Path, judge: Judge, oracle: Oracle
) -> None:
    expected = expectation(folder)
    report = grade(folder, judge, oracle)
    found = statuses(report)
    assert report.verdict in expected["verdict"], to_json(report).decode()
    assert {name: found[name] for name in expected["failed"]} == dict.fromkeys(
        expected["failed"], "failed"
    )
    assert report.score < 100
    if report.verdict == "wrong_answer":
        assert report.counterexample is not None


@pytest.mark.parametrize("folder", folders("hostile"), ids=identify)
def test_hostile_fixture_is_contained(
    folder: Path,
    exercise: Exercise,
    sandbox: Sandbox,
    oracle: Oracle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CANARY_SECRET", "a worker must not see this")
    expected = expectation(folder)
    report = grade(folder, Judge(exercise, sandbox, oracle, cases=40), oracle)
    text = to_json(report).decode()
    assert "ESCAPED" not in text
    assert report.verdict in expected["verdict"], text
    assert report.score <= expected["max_score"], text


def test_fixture_banks_are_as_large_as_promised() -> None:
    counts = {kind: len(folders(kind)) for kind in ("accepted", "rejected", "hostile")}
    assert counts["accepted"] >= 15
    assert counts["rejected"] >= 45
    assert counts["hostile"] >= 45
