"""Grade every stored submission: each must get the verdict that lies beside it.

Right and wrong ones go the way of a class, behind a wall whose workers are forked with all
compiled: cheaper by a quarter, and no report differs by it (sandbox/test_warm.py). Hostile ones get
a fresh worker behind each wall.
"""

import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from conftest import CACHE, FIXTURES, deadlines_of, sandbox_called, statuses, warm_wall
from taken import assert_every_platform_takes

import reference
from grader.errors import InvalidSubmission
from grader.intake import read_submission
from grader.judge import Judge
from grader.meter import Meter
from grader.model import Exercise, Report, Sandbox
from grader.oracle import Oracle
from grader.questions import Questions
from grader.report.document import to_json
from grader.result import refuse
from grader.sandbox.choice import LAUNCHERS


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


@pytest.fixture(scope="module")
def judges() -> Iterator[Judges]:
    """Return what grades a fixture: the judge of its exercise."""
    opened: dict[str, tuple[Judge, Oracle]] = {}
    with ExitStack() as stack:

        def find(folder: Path) -> tuple[Judge, Oracle]:
            name = exercise_of(folder)
            if name not in opened:
                exercise = reference.load(name)
                oracle = stack.enter_context(Oracle(exercise, CACHE))
                wall = stack.enter_context(closing(warm_wall(exercise, oracle, exercise.cases)))
                opened[name] = Judge(exercise, wall, oracle), oracle
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


CONTAINERS = ("docker+runsc", "docker")
"""Walls that cost more CPU: 1.4 and 2.2 times."""
THROUGH_CONTAINERS = {
    "resources": "fork memory_private memory_one_array memory_made_read_only memory_shared threads"
    " loop_in_call loop_holding_the_lock stdout_flood native_crash kills_itself"
    " closes_its_pipes_and_loops",
    "forging": "frames_ahead_of_calls write_to_every_descriptor patch_worker exit_in_call"
    " late_writer_thread",
    "reading": "read_parent_memory read_reference_by_path read_reference_by_traversal"
    " read_system_files read_environment poison_compile_cache read_open_descriptors list_folders"
    " leave_the_root",
    "reaching_out": "tcp_connect unix_socket docker_socket af_vsock io_uring ptrace kill_everyone"
    " namespaces file_locks daemon x32_system_calls undo_the_wall",
    "gaming": "drifts_with_calls decoy_module",
    "intake": "hidden_by_encoding no_function",
}
"""The submissions whose ending depends on the wall, of every class of attack; --all-walls takes
every one. Files that cannot be read never reach a wall, and wrong answers pass each alike."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Pair hostile submissions with walls: all with one, with others what may end otherwise."""
    if metafunc.function is not test_hostile_fixture_is_contained:
        return
    chosen = {name for names in THROUGH_CONTAINERS.values() for name in names.split()}
    every = metafunc.config.getoption("--all-walls")
    pairs = [
        pytest.param(folder, wall, id=f"{wall}-{identify(folder)}")
        for wall in LAUNCHERS
        for folder in folders("hostile")
        if every or folder.name in chosen or _depends_on(wall, folder)
    ]
    metafunc.parametrize(("folder", "wall"), pairs, indirect=["wall"])


def _depends_on(wall: str, folder: Path) -> bool:
    """Whether a submission goes through a wall even where it is not chosen."""
    answers_only = expectation(folder)["attack"] in ("gaming", "intake")
    return wall == "bubblewrap" or (wall not in CONTAINERS and not answers_only)


@pytest.fixture
def wall(request: pytest.FixtureRequest) -> Sandbox:
    return sandbox_called(request.param)


def test_every_class_of_attack_goes_through_containers() -> None:
    attacks = {folder.name: expectation(folder)["attack"] for folder in folders("hostile")}
    assert set(attacks.values()) == set(THROUGH_CONTAINERS)
    for attack, names in THROUGH_CONTAINERS.items():
        assert {attacks[name] for name in names.split()} == {attack}


def hurried_s(verdicts: list[str]) -> int:
    """Return the deadline for a submission that may never end.

    What is to be stopped by the clock hangs at once. What else stops one may take longer, and so
    does filling 8 GiB: without a limit it has to escape before the clock could hide that.
    """
    return 3 if verdicts[0] == "time_limit" and "memory_limit" not in verdicts else 10


def test_hostile_fixture_is_contained(
    folder: Path,
    exercise: Exercise,
    wall: Sandbox,
    oracle: Oracle,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("CANARY_SECRET", "a worker must not see this")
    expected = expectation(folder)
    if "time_limit" in expected["verdict"]:
        # The product's own are ten times what the reference took here: 40 s on a busy machine.
        monkeypatch.setattr(Questions, "deadlines", deadlines_of(hurried_s(expected["verdict"])))
    report = grade(folder, Judge(exercise, wall, oracle, cases=40), oracle)
    text = to_json(report).decode()
    facts = {"name": folder.name, "attack": expected["attack"], "verdict": report.verdict}
    record_property("hostile", facts | {"wall": wall.name})
    assert "ESCAPED" not in text
    assert report.verdict in expected["verdict"], text
    assert report.score <= expected["max_score"], text
    assert expected.get("log_contains", "") in text
    assert_every_platform_takes(report)


def test_fixture_banks_are_as_large_as_promised() -> None:
    kinds = ("accepted", "rejected", "hostile")
    counts = {kind: len(list((FIXTURES / kind).glob("*/expected.toml"))) for kind in kinds}
    assert counts["accepted"] >= 15
    assert counts["rejected"] >= 45
    assert counts["hostile"] >= 45
