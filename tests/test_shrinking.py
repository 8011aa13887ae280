"""A failing case shrinks to the one that was meant, within its attempts."""

import numpy as np
import pytest

from grader import shrinking
from grader.errors import InternalError
from grader.model import Case, Exercise


def test_wide_images_shrink_to_the_smallest_wide_one(exercise: Exercise) -> None:
    failing = Case(dict(exercise.watched), "ordinary")

    def is_wide(case: Case) -> bool:
        return np.shape(case.arguments["image"])[1] > 1

    found = shrinking.shrink(exercise, failing, is_wide, pool=(), attempts=60)
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

    found = shrinking.shrink(exercise, failing, always, pool=pool, attempts=60)
    inside = [shape in pool for shape in tried]
    assert inside.index(False) >= 2
    assert not any(inside[inside.index(False) :]), "once it leaves the pool it does not come back"
    assert exercise.shape(found) == (1, 2, 1, 1)


def test_shrinking_stays_in_the_pool_where_nothing_smaller_fails(exercise: Exercise) -> None:
    failing = Case(dict(exercise.watched), "ordinary")

    def is_tall(case: Case) -> bool:
        return np.shape(case.arguments["image"])[0] > 3

    pool = {(7, 5, 3, 1), (7, 5, 1, 1), (7, 5, 3, 10)}
    found = shrinking.shrink(exercise, failing, is_tall, pool=pool, attempts=60)
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
        shrinking.shrink(exercise, failing, is_lost, pool=(), attempts=60)
    assert len(tried) == 1


def test_shrinking_gives_up_after_its_attempts_with_a_failing_case(exercise: Exercise) -> None:
    failing = Case(dict(exercise.watched), "ordinary")
    tried = []

    def never_again(case: Case) -> bool:
        tried.append(case.digest)
        return False

    found = shrinking.shrink(exercise, failing, never_again, pool=(), attempts=7)
    assert found.digest == failing.digest
    assert len(tried) <= 7
