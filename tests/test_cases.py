"""Suites repeat by seed and cover every family."""

import dataclasses
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

from grader import cases
from grader.drawing import without_constants_of_modules
from grader.errors import ExerciseError
from grader.model import Exercise, Family


def test_same_seed_gives_the_same_suite(exercise: Exercise) -> None:
    first = cases.generate(exercise, "0123", 40)
    again = cases.generate(exercise, "0123", 40)
    assert first.digest == again.digest
    assert [case.digest for case in first.cases] == [case.digest for case in again.cases]


@pytest.mark.parametrize("more", ["", "grader.judge, grader.platforms.child", "grader.bench"])
def test_a_suite_does_not_depend_on_what_else_is_loaded(
    exercise: Exercise, more: str, tmp_path: Path
) -> None:
    program = f"import {more or 'sys'}\nimport reference\nfrom grader import cases\n"
    program += f"exercise = reference.load({exercise.name!r})\n"
    program += "print(cases.generate(exercise, '0123', 40).digest)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(cases.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == cases.generate(exercise, "0123", 40).digest
    assert not list(tmp_path.iterdir())  # Hypothesis keeps constants that it finds in .hypothesis


def drawing(**other: object) -> tuple[Family, ...]:
    """Return a family whose inputs are the contract's but for those that are given."""
    right = {"seed": 1.0, "image": np.ones((1, 1, 3), np.float32), "num_classes": 2.0}
    return (Family("it", 1, lambda _: st.just({**right, **other})),)


@pytest.mark.parametrize(
    ("families", "said"),
    [
        ((), "no family for a suite of 4 cases"),
        ((Family("it", 1, lambda _: st.just({"seed": 1.0}), smallest_suite=5),), "no family"),
        ((Family("it", 1, lambda _: st.just({"seeds": 1.0})),), "strategy.py draws seeds"),
        (drawing(seed=1), "seed is an integer, as a float; strategy.py draws 1"),
        (
            drawing(image=np.ones((1, 1, 3))),
            "image is a float32 array; .* draws an array of float64",
        ),
        (drawing(image=[[[1.0]]]), "image is a float32 array; strategy.py draws"),
        ((Family("it", 1, lambda _: st.just(1 / 0)),), "strategy.py, family it: ZeroDivisionError"),
        (
            (Family("it", 1, lambda _: st.just(0).map(lambda n: {"seed": 1 / n})),),
            "strategy.py, family it: ZeroDivisionError",
        ),
    ],
)
def test_families_that_do_not_fit_the_contract_are_the_exercises_mistake(
    exercise: Exercise, families: tuple[Family, ...], said: str
) -> None:
    with pytest.raises(ExerciseError, match=said):
        cases.generate(dataclasses.replace(exercise, families=lambda: families), "5", 4)


def test_another_seed_gives_another_suite(exercise: Exercise) -> None:
    assert cases.generate(exercise, "1", 40).digest != cases.generate(exercise, "2", 40).digest


@pytest.mark.parametrize("count", [40, 64, 96, 150])
def test_every_family_of_its_size_is_in_the_suite(exercise: Exercise, count: int) -> None:
    suite = cases.generate(exercise, "ab", count)
    judged = suite.cases[:count]
    wanted = {
        family.name
        for family in exercise.families()
        if family.budget and family.smallest_suite <= count
    }
    assert {case.family for case in judged} == wanted
    assert len({exercise.shape(case) for case in judged}) >= 10
    assert len(suite.cases) > count, "spares stand in for cases that cannot be judged by"


@pytest.mark.parametrize("seed", ["1", "2", "feed"])
def test_suite_holds_the_inputs_that_show_rare_mistakes(exercise: Exercise, seed: str) -> None:
    judged = cases.generate(exercise, seed, 40).cases[:40]
    images = [np.asarray(case.arguments["image"]) for case in judged]
    seeds = [float(case.arguments["seed"]) for case in judged]  # type: ignore[arg-type]
    classes = {case.arguments["num_classes"] for case in judged}
    assert {1, 3, 4, 8} <= {image.shape[2] for image in images}
    assert any(image.shape[0] == 1 for image in images)
    assert any(image.shape[1] == 1 for image in images)
    assert any(image.shape[0] > image.shape[1] > 1 for image in images)
    assert any(image.shape[1] > image.shape[0] > 1 for image in images)
    assert any(np.abs(image).max() < 3e-3 for image in images)
    assert any(np.abs(image).max() > 1000 for image in images)
    assert {1.0, 10.0, 100.0} <= classes
    assert any(int(value) != int(np.float32(value)) for value in seeds)
    assert max(seeds) > 2**30
    assert any(case.family == "repeated" for case in judged)


def test_other_pixels_differ_only_in_pixels(exercise: Exercise) -> None:
    suite = cases.generate(exercise, "77", 96)
    keys = [(c.arguments["seed"], exercise.shape(c), c.family) for c in suite.cases]
    twins = [key for key in keys if key[2] == "other_pixels"]
    assert all(any(k[:2] == key[:2] and k[2] != key[2] for k in keys) for key in twins)


def test_arguments_keep_the_order_of_the_function(exercise: Exercise) -> None:
    for case in cases.generate(exercise, "3", 40).cases:
        assert list(case.arguments) == ["seed", "image", "num_classes"]


def test_no_thread_ends_what_keeps_anothers_suite_its_own() -> None:
    found, kept = providers._get_local_constants, providers.CONSTANTS_CACHE
    here, there = ExitStack(), ExitStack()
    here.enter_context(without_constants_of_modules)
    there.enter_context(without_constants_of_modules)
    here.close()
    assert providers._get_local_constants is not found
    assert providers.CONSTANTS_CACHE is not kept
    there.close()
    assert providers._get_local_constants is found
    assert providers.CONSTANTS_CACHE is kept
