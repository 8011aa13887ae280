"""A warm fork answers as a fresh worker does, bit for bit, or does not count."""

import dataclasses
import math
import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest
from conftest import FIXTURES, deadlines_of, sandbox_called, warm_wall

from grader.errors import InternalError, InvalidSubmission, Missed
from grader.intake import read_submission
from grader.judge import Judge
from grader.model import Deadlines, Exercise, Report, Sandbox
from grader.oracle import Oracle
from grader.questions import Questions, pose
from grader.rehearsal import steps
from grader.report.document import differences
from grader.sandbox.choice import choose
from grader.sandbox.forking import FORKED
from grader.sandbox.setup import Setup
from grader.sandbox.warm import WARM, WarmForking
from grader.sandbox.worker.rehearsal import rehearse
from grader.suites import simpler_cases

RIGHT = (FIXTURES / "accepted" / "plain" / "submission.py").read_bytes()
CASES = 24
NEVER_ANSWER = ("hostile/closes_its_pipes_and_loops", "hostile/loop_in_call")
SAMPLE = (
    *("accepted/plain", "accepted/batch_axis_before_model", "accepted/nnx_jit_call"),
    *("rejected/pool_max", "rejected/seed_ignored", "rejected/memoised_by_seed"),
    *("rejected/head_created_first", "rejected/flag_not_passed", "rejected/seed_not_cast"),
    *("hostile/exit_in_call", "hostile/huge_return", "hostile/drifts_with_calls"),
    *NEVER_ANSWER,
)
HURRIED_S = 5.0
"""For those that never end; others have the patience of all tests."""
SOON_S = 2.0
"""For those that are asked and never answer: they have nothing to import or to compile first."""
NOISY = ("rejected/relative_noise",)
"""Adds noise of no seed, so that no two gradings of it are the same by whatever way."""
EVERY = (
    f"{kind}/{path.name}"
    for kind in ("accepted", "rejected", "hostile")
    for path in sorted((FIXTURES / kind).iterdir())
    if f"{kind}/{path.name}" not in NOISY
)
NAMES = list(EVERY if os.environ.get("EVERY_FIXTURE") == "true" else SAMPLE)
"""Run once with EVERY_FIXTURE=true for all of them."""


@pytest.fixture(scope="module")
def warm(exercise: Exercise, oracle: Oracle) -> Iterator[WarmForking]:
    with closing(warm_wall(exercise, oracle, CASES)) as wall:
        yield wall


def graded(name: str, exercise: Exercise, sandbox: Sandbox, oracle: Oracle) -> Report:
    read = read_submission(FIXTURES / name, file_names=exercise.file_names, entry=exercise.entry)
    return Judge(exercise, sandbox, oracle, cases=CASES).grade(read)


@pytest.mark.parametrize("name", NAMES)
def test_report_is_the_same_by_every_way(
    name: str,
    exercise: Exercise,
    warm: WarmForking,
    oracle: Oracle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "time_limit" in (FIXTURES / name / "expected.toml").read_text():
        seconds = SOON_S if name in NEVER_ANSWER else HURRIED_S
        monkeypatch.setattr(Questions, "deadlines", deadlines_of(seconds))
    try:
        by_warm = graded(name, exercise, warm, oracle)
    except InvalidSubmission as error:
        pytest.skip(f"no worker meets it: {error}")
    # What a warm fork lacked, a cold one was asked, from zero: it has been graded that way too.
    is_cold = FORKED in by_warm.confined_by
    by_cold = by_warm if is_cold else graded(name, exercise, warm.cold, oracle)
    by_fresh = graded(name, exercise, sandbox_called("bubblewrap"), oracle)
    assert differences(by_fresh, by_cold) == []
    assert differences(by_fresh, by_warm) == []
    assert by_warm.verdict != "internal_error"


def test_usual_programs_are_there_and_others_go_the_long_way(
    exercise: Exercise, warm: WarmForking, oracle: Oracle
) -> None:
    usual = graded("accepted/plain", exercise, warm, oracle)
    assert WARM in usual.confined_by
    wrong = graded("rejected/pool_max", exercise, warm, oracle)
    assert WARM in wrong.confined_by, "its simpler inputs, watched call and other weights too"
    assert wrong.counterexample is not None
    jitted = graded("accepted/nnx_jit_call", exercise, warm, oracle)
    assert FORKED in jitted.confined_by
    assert WARM not in jitted.confined_by
    assert jitted.usage.worker_cpu_s > usual.usage.worker_cpu_s


NEW = "return jax.numpy.sinh(image).sum()[None]"
LOST = {
    "lacks": f"import jax\ndef f(seed, image, k): {NEW}",
    "hides_it": f"import jax\njax.monitoring.clear_event_listeners()\ndef f(seed, image, k): {NEW}",
    "ends": "import os\ndef f(*a): os._exit(0)",
    "crashes": "import ctypes\ndef f(*a): ctypes.string_at(0)",
    "sleeps": "import time\ndef f(*a): time.sleep(60)",
    "runs_on": "def f(*a):\n    while True: pass",
    "forges": "import os\ndef f(*a): os.write(4, b'NXG1' + bytes(40))",
}


@pytest.mark.parametrize("source", LOST.values(), ids=LOST)
def test_whatever_a_warm_fork_cannot_do_is_asked_of_another(source: str, warm: WarmForking) -> None:
    def ask() -> None:
        with warm.open(Deadlines(first_s=3.0)) as worker:
            worker.load(source.encode(), "f")
            worker.call([1.0, np.ones((9, 4, 2), np.float32), 3.0], first=True)

    with pytest.raises(Missed) as caught:
        ask()
    assert caught.value.instead is warm.cold


def test_forks_of_a_warm_template_answer_alike(
    exercise: Exercise, warm: WarmForking, oracle: Oracle
) -> None:
    asked = pose(exercise, oracle, exercise.default_seed, CASES).suite.cases
    found = set()
    for _ in range(10):
        with warm.open(Deadlines()) as worker:
            worker.load(RIGHT, exercise.entry)
            calls = (worker.call(list(case.arguments.values()), first=True) for case in asked)
            found.add(
                b"".join(answer.array.tobytes() for answer in calls if answer.array is not None)
            )
    assert len(found) == 1


def test_rehearsal_names_layers_and_nothing_of_how_they_are_joined(
    exercise: Exercise, oracle: Oracle
) -> None:
    suite = pose(exercise, oracle, exercise.default_seed, CASES).suite
    asked, simpler = suite.cases, simpler_cases(exercise, oracle, suite)
    rehearsal = steps(exercise, oracle, asked)
    assert {step["kind"] for step in rehearsal} == {"Conv", "BatchNorm", "Linear"}
    assert all(set(step) == {"kind", "settings", "shape"} for step in rehearsal)
    images = {tuple(step["shape"]) for step in rehearsal if step["kind"] == "Conv"}
    shapes = {np.shape(case.arguments["image"]) for case in simpler}  # the shrinker's choice
    assert min(map(math.prod, shapes)) < min(np.size(case.arguments["image"]) for case in asked)
    assert shapes <= images, "what failing inputs are simplified to"
    encoded = [msgspec.json.encode(step) for step in rehearsal]
    assert encoded == sorted(set(encoded))
    rubric = tuple(one for one in exercise.rubric if one.id in ("runs", "result", "values"))
    bare = dataclasses.replace(exercise, structure=None, rubric=rubric)
    assert steps(bare, oracle, asked) == []


@pytest.mark.filterwarnings("ignore:.*flax.nnx.State:DeprecationWarning")
def test_padding_in_pairs_is_rehearsed_although_json_has_no_tuples(
    capfd: pytest.CaptureFixture[str],
) -> None:
    padded = {"in_features": 1, "out_features": 1, "kernel_size": [2, 2]}
    rehearse("Conv", padded | {"padding": [[1, 0], [0, 1]]}, [2, 2, 1])
    assert "cannot rehearse" not in capfd.readouterr().err


@pytest.mark.filterwarnings("ignore:.*flax.nnx.State:DeprecationWarning")
def test_a_layer_that_holds_keys_is_rehearsed_like_any_other(
    capfd: pytest.CaptureFixture[str],
) -> None:
    rehearse("Dropout", {"rate": 0.5}, [2])
    assert capfd.readouterr().err == ""
    rehearse("Dropout", {"rate": "much"}, [2])
    assert "cannot rehearse Dropout at [2]" in capfd.readouterr().err


def test_a_warm_template_writes_nothing_into_the_compile_cache(
    exercise: Exercise, oracle: Oracle, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    rehearsal = (
        {"kind": "Linear", "settings": {"in_features": 2, "out_features": 3}, "shape": [2]},
    )
    wall = choose("bubblewrap", Setup(cache, rehearsal=rehearsal), workers="fork")
    with closing(wall), wall.open(Deadlines()) as worker, suppress(InternalError):
        worker.load(
            b"import flax.nnx as n\ndef f(): return n.Linear(2, 3, rngs=n.Rngs(0)).kernel[...]", "f"
        )
        assert worker.call([], first=True).array is not None
    assert list(cache.iterdir()) == []
