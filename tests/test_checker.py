"""The checker accepts float32 noise and nothing more, and says what it saw."""

import msgspec
import numpy as np
import pytest

from grader.checker import first_mismatch, margin
from grader.model import Expected, Tolerance

TOLERANCE = Tolerance(4e-6, 4e-8, 3.0, 100.0, 1e-3, 1e-3)
EXACT = np.array([1.0, -2.0, 1e-9])


def expected(condition: float = 1.0, spread: float = 1.0) -> Expected:
    return Expected(EXACT, EXACT.astype(np.float32), 2.0, condition, spread, 0.0)


def test_the_reference_itself_is_right() -> None:
    assert first_mismatch(EXACT.astype(np.float32), expected(), TOLERANCE) is None


def test_an_element_near_zero_is_held_to_the_scale_of_the_case() -> None:
    actual = EXACT.astype(np.float32)
    actual[2] = 5e-6  # five thousand times the expected element, 2.5e-6 of the case's scale
    assert first_mismatch(actual, expected(), TOLERANCE) is None


@pytest.mark.parametrize("factor", [1.00001, 0.9999])
def test_an_error_of_a_hundred_thousandth_is_found(factor: float) -> None:
    found = first_mismatch((EXACT * factor).astype(np.float32), expected(), TOLERANCE)
    assert found is not None
    assert (found.kind, found.place) == ("value", (1,))
    assert found.error > found.bound > 0


def test_an_ill_conditioned_case_has_a_wider_bound() -> None:
    assert TOLERANCE.bound(expected(90.0)) > 1.8 * TOLERANCE.bound(expected(1.0))


def test_a_case_beyond_the_largest_condition_does_not_judge() -> None:
    assert TOLERANCE.unfit(expected(99.0)) is None
    assert TOLERANCE.unfit(expected(101.0)) == "ill-conditioned"


def test_a_case_whose_answers_are_all_zero_does_not_judge() -> None:
    zero = Expected(np.zeros(3), np.zeros(3, np.float32), 0.0, 1.0, 1.0, 0.0)
    assert TOLERANCE.unfit(zero) == "nearly zero"
    lenient = msgspec.structs.replace(TOLERANCE, smallest_scale=0.0)
    assert lenient.unfit(zero) == "nearly zero"


def test_a_case_whose_answers_are_all_the_same_does_not_judge() -> None:
    assert TOLERANCE.unfit(expected(spread=0.9e-3)) == "blind"
    assert TOLERANCE.unfit(expected(spread=1.1e-3)) is None


def test_a_case_that_the_reference_cannot_answer_does_not_judge() -> None:
    broken = Expected(EXACT, np.full(3, np.nan, np.float32), 2.0, 1.0, 1.0, 0.0)
    assert TOLERANCE.unfit(broken) == "not finite"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_is_never_right(value: float) -> None:
    actual = EXACT.astype(np.float32)
    actual[0] = value
    found = first_mismatch(actual, expected(), TOLERANCE)
    assert found is not None
    assert (found.kind, found.place) == ("non_finite", (0,))


@pytest.mark.parametrize(
    ("actual", "kind"),
    [
        (None, "kind"),
        (np.zeros((1, 3), np.float32), "shape"),
        (np.zeros(4, np.float32), "shape"),
        (np.zeros(0, np.float32), "shape"),
        (EXACT, "dtype"),
        (EXACT.astype(np.int32), "dtype"),
    ],
)
def test_shape_and_dtype_come_before_values(actual: np.ndarray | None, kind: str) -> None:
    found = first_mismatch(actual, expected(), TOLERANCE)
    assert found is not None
    assert found.kind == kind


def test_margin_is_one_at_the_bound() -> None:
    case = expected()
    wide = np.array([1.0 + TOLERANCE.bound(case), -2.0, 1e-9])
    assert margin(wide, case, TOLERANCE) == pytest.approx(1.0)
