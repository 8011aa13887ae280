"""Suites repeat by seed, cover every family, and shrink to the case that was meant."""

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
from grader.errors import ExerciseError, InternalError
from grader.model import Case, Exercise, Family


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


def test_wide_images_shrink_to_the_smallest_wide_one(exercise: Exercise) -> None:
    failing = Case(dict(exercise.watched), "ordinary")

    def is_wide(case: Case) -> bool:
        return np.shape(case.arguments["image"])[1] > 1

    found = cases.shrink(exercise, failing, is_wide, pool=(), attempts=60)
    assert np.shape(found.arguments["image"]) == (1, 2, 1)
    assert found.arguments["seed"] == 0.0
    assert found.arguments["num_classes"] == 1.0


def test_shrinking_tries_the_shapes_of_the_suite_first(exercise: Exercise) -> None:
    failing = Case(dict(exercise.watched), "ordinary")
    pool = {(7, 5, 3, 1), (7, 5, 1, 1), (7, 5, 3, 10)}
    tried: list[tuple[int, ...]] = []

    def always(case: Case) -> bool:
        tried.append(exercise.shape(case))
        return True

    found = cases.shrink(exercise, failing, always, pool=pool, attempts=60)
    inside = [shape in pool for shape in tried]
    assert inside.index(False) >= 2
    assert not any(inside[inside.index(False) :]), "once it leaves the pool it does not come back"
    assert exercise.shape(found) == (1, 2, 1, 1)


def test_shrinking_stays_in_the_pool_where_nothing_smaller_fails(exercise: Exercise) -> None:
    failing = Case(dict(exercise.watched), "ordinary")

    def is_tall(case: Case) -> bool:
        return np.shape(case.arguments["image"])[0] > 3

    pool = {(7, 5, 3, 1), (7, 5, 1, 1), (7, 5, 3, 10)}
    found = cases.shrink(exercise, failing, is_tall, pool=pool, attempts=60)
    assert exercise.shape(found) == (7, 5, 1, 1)
    assert found.arguments["seed"] == 0.0


@pytest.mark.parametrize("error", [InternalError("the worker is gone"), SystemExit(0)])
def test_an_error_of_ours_ends_the_search_at_once_and_as_itself(
    exercise: Exercise, error: BaseException
) -> None:
    """A worker that lacks a program is asked no more: Hypothesis would try to simplify that.

    A process that is told to end must: Hypothesis would make a failure of SystemExit.
    """
    tried = []

    def is_lost(case: Case) -> bool:
        tried.append(case.digest)
        raise error

    failing = Case(dict(exercise.watched), "ordinary")
    with pytest.raises(type(error), match=f"^{error}$"):
        cases.shrink(exercise, failing, is_lost, pool=(), attempts=60)
    assert len(tried) == 1


def test_arguments_keep_the_order_of_the_function(exercise: Exercise) -> None:
    for case in cases.generate(exercise, "3", 40).cases:
        assert list(case.arguments) == ["seed", "image", "num_classes"]


def test_shrinking_gives_up_after_its_attempts_with_a_failing_case(exercise: Exercise) -> None:
    failing = Case(dict(exercise.watched), "ordinary")
    tried = []

    def never_again(case: Case) -> bool:
        tried.append(case.digest)
        return False

    found = cases.shrink(exercise, failing, never_again, pool=(), attempts=7)
    assert found.digest == failing.digest
    assert len(tried) <= 7


def test_no_thread_ends_what_keeps_anothers_suite_its_own() -> None:
    found, kept = providers._get_local_constants, providers.CONSTANTS_CACHE
    here, there = ExitStack(), ExitStack()
    here.enter_context(cases._without_constants_of_modules)
    there.enter_context(cases._without_constants_of_modules)
    here.close()
    assert providers._get_local_constants is not found
    assert providers.CONSTANTS_CACHE is not kept
    there.close()
    assert providers._get_local_constants is found
    assert providers.CONSTANTS_CACHE is kept
