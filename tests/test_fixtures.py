"""Grade every stored submission: each must get the verdict that lies beside it."""

import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import CACHE, FIXTURES, statuses
from taken import assert_every_platform_takes

import reference
from grader.errors import InvalidSubmission
from grader.intake import read_submission
from grader.judge import Judge
from grader.meter import Meter
from grader.model import Exercise, Report, Sandbox
from grader.oracle import Oracle
from grader.report.document import to_json
from grader.result import refuse


def folders(kind: str) -> list[Path]:
    """Return every fixture of a kind, of every exercise."""
    banks = [reference.load(name).fixtures for name in reference.names()]
    return sorted(path.parent for bank in banks for path in (bank / kind).glob("*/expected.toml"))


def expectation(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "expected.toml").read_text())


def exercise_of(folder: Path) -> str:
    """Return the name of the exercise whose bank holds a fixture."""
    bank = folder.parent.parent
    return next(name for name in reference.names() if reference.load(name).fixtures == bank)


def grade(folder: Path, judge: Judge, oracle: Oracle) -> Report:
    """Grade a fixture as the command line does: intake, then the judge."""
    exercise = judge.exercise
    try:
        read = read_submission(folder, file_names=exercise.file_names, entry=exercise.entry)
    except InvalidSubmission as error:
        return refuse(exercise, folder.name, error, Meter(oracle).usage())
    return judge.grade(read)


def identify(folder: Path) -> str:
    return f"{exercise_of(folder)}-{folder.name}"


Judges = Callable[[Path], tuple[Judge, Oracle]]


@pytest.fixture(scope="session")
def judges(bubblewrap: Sandbox) -> Iterator[Judges]:
    """Return what grades a fixture: the judge of its exercise."""
    opened: dict[str, tuple[Judge, Oracle]] = {}
    with ExitStack() as stack:

        def find(folder: Path) -> tuple[Judge, Oracle]:
            name = exercise_of(folder)
            if name not in opened:
                oracle = stack.enter_context(Oracle(reference.load(name), CACHE))
                opened[name] = Judge(reference.load(name), bubblewrap, oracle), oracle
            return opened[name]

        yield find


@pytest.mark.parametrize("folder", folders("accepted"), ids=identify)
def test_accepted_fixture_gets_full_marks(folder: Path, judges: Judges) -> None:
    report = grade(folder, *judges(folder))
    assert (report.verdict, report.score) == ("accepted", 100), to_json(report).decode()
    assert_every_platform_takes(report)


@pytest.mark.parametrize("folder", folders("rejected"), ids=identify)
def test_rejected_fixture_fails_where_it_is_wrong(folder: Path, judges: Judges) -> None:
    expected = expectation(folder)
    report = grade(folder, *judges(folder))
    found = statuses(report)
    assert report.verdict in expected["verdict"], to_json(report).decode()
    assert {name: found[name] for name in expected["failed"]} == dict.fromkeys(
        expected["failed"], "failed"
    )
    assert report.score < 100
    if report.verdict == "wrong_answer":
        assert report.counterexample is not None
    assert_every_platform_takes(report)


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
    assert_every_platform_takes(report)


def test_fixture_banks_are_as_large_as_promised() -> None:
    kinds = ("accepted", "rejected", "hostile")
    counts = {kind: len(list((FIXTURES / kind).glob("*/expected.toml"))) for kind in kinds}
    assert counts["accepted"] >= 15
    assert counts["rejected"] >= 45
    assert counts["hostile"] >= 45
