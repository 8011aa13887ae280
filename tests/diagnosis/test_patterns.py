"""An error's form is recognised when all wrong answers have it, and never otherwise."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.diagnosis.patterns import Wrong, find_pattern
from grader.errors import ExerciseError
from grader.inputs import draw_image
from grader.model import Case, Exercise, Expected
from grader.oracle import Oracle


@pytest.fixture(scope="module")
def asked(oracle: Oracle) -> list[tuple[Case, Expected]]:
    shapes = [(7, 5, 3), (4, 9, 3), (8, 1, 3), (7, 5, 3)]
    cases = [
        Case(
            {
                "seed": 11.0 + number,
                "image": draw_image("ordinary", shape, number),
                "num_classes": 10.0,
            }
        )
        for number, shape in enumerate(shapes)
    ]
    return list(zip(cases, oracle.expect(cases), strict=True))


def softmax(x: np.ndarray) -> np.ndarray:
    grown: np.ndarray = np.exp(x) / np.exp(x).sum()
    return grown


def answer_to(oracle: Oracle, case: Case, **changes: object) -> np.ndarray:
    return oracle.expect([Case({**case.arguments, **changes})])[0].exact  # type: ignore[dict-item]


def image(case: Case) -> np.ndarray:
    return np.asarray(case.arguments["image"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sign", lambda case, right, oracle: -right.exact),
        ("softmax", lambda case, right, oracle: softmax(right.exact)),
        ("log_softmax", lambda case, right, oracle: np.log(softmax(right.exact))),
        ("sigmoid", lambda case, right, oracle: 1 / (1 + np.exp(-right.exact))),
        ("reversed", lambda case, right, oracle: right.exact[::-1]),
        ("same_answer", lambda case, right, oracle: 0 * right.exact),
        ("relu", lambda case, right, oracle: right.exact.clip(0)),
        ("size_factor", lambda case, right, oracle: right.exact * image(case)[..., 0].size),
        ("size_factor", lambda case, right, oracle: right.exact / len(image(case))),
        ("constant_factor", lambda case, right, oracle: right.exact * 0.37),
        ("same_answer", lambda case, right, oracle: np.arange(10.0)),
        (
            "channels_reversed",
            lambda case, right, oracle: answer_to(oracle, case, image=image(case)[..., ::-1]),
        ),
        (
            "axes_swapped",
            lambda case, right, oracle: answer_to(oracle, case, image=image(case).swapaxes(0, 1)),
        ),
        (
            "shifted_seed",
            lambda case, right, oracle: answer_to(oracle, case, seed=case.arguments["seed"] + 1),
        ),
    ],
)
def test_a_form_is_recognised(
    exercise: Exercise,
    oracle: Oracle,
    asked: list[tuple[Case, Expected]],
    name: str,
    change: Callable[[Case, Expected, Oracle], np.ndarray],
) -> None:
    wrong = [Wrong(c, e, change(c, e, oracle).astype(np.float32)) for c, e in asked]
    found = find_pattern(exercise, oracle, wrong)
    assert found is not None
    assert found.id == name
    assert found.explained == len(asked)
    assert found.message.endswith(".")


def test_noise_has_no_form(
    exercise: Exercise, oracle: Oracle, asked: list[tuple[Case, Expected]]
) -> None:
    noise = np.random.default_rng(0).normal(size=(len(asked), 10)).astype(np.float32)
    wrong = [Wrong(c, e, row) for (c, e), row in zip(asked, noise, strict=True)]
    assert find_pattern(exercise, oracle, wrong) is None


def test_one_answer_of_another_form_is_enough_for_silence(
    exercise: Exercise, oracle: Oracle, asked: list[tuple[Case, Expected]]
) -> None:
    wrong = [Wrong(c, e, (-e.exact).astype(np.float32)) for c, e in asked]
    odd = wrong[2]._replace(actual=wrong[2].actual * np.float32(1.001))
    assert find_pattern(exercise, oracle, [*wrong[:2], odd, wrong[3]]) is None


def test_two_answers_are_too_few(
    exercise: Exercise, oracle: Oracle, asked: list[tuple[Case, Expected]]
) -> None:
    wrong = [Wrong(c, e, (-e.exact).astype(np.float32)) for c, e in asked]
    assert find_pattern(exercise, oracle, wrong[:2]) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    fill=st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, 3e38, 1e-45]),
    scale=st.sampled_from([0.0, 1e-3, 1e6, 1e300]),
)
def test_no_answer_is_too_odd_to_be_looked_at(
    exercise: Exercise,
    oracle: Oracle,
    asked: list[tuple[Case, Expected]],
    fill: float,
    scale: float,
) -> None:
    wrong = []
    for number, (case, expected) in enumerate(asked):
        actual = np.full(10, fill, np.float32)
        actual[number] = 1.0
        huge = dataclasses.replace(expected, exact=expected.exact * scale)
        wrong.append(Wrong(case, huge, actual))
    assert find_pattern(exercise, oracle, wrong) is None


@pytest.mark.parametrize(("shape", "output"), [((5,), (3,)), ((7, 5, 3), ()), ((4,), ())])
def test_forms_that_need_more_axes_are_not_looked_for(
    tiny: Exercise, shape: tuple[int, ...], output: tuple[int, ...]
) -> None:
    assert find_pattern(tiny, Recorded(), answers(shape, output)) is None  # type: ignore[arg-type]


def test_an_input_that_the_reference_does_not_take_is_not_the_one(tiny: Exercise) -> None:
    class Refusing(Recorded):
        def expect(self, cases: list[Case]) -> list[Expected]:
            raise ExerciseError("no such input")

    refusing = Refusing()
    assert find_pattern(tiny, refusing, answers((7, 5, 3), (7, 5, 3))) is None  # type: ignore[arg-type]


class Recorded:
    """An oracle that answers as it did before, whatever it is asked."""

    def expect(self, cases: list[Case]) -> list[Expected]:
        return [expected_of(np.zeros(3)) for _ in cases]


def expected_of(exact: np.ndarray) -> Expected:
    return Expected(exact, exact.astype(np.float32), 1.0, 1.0, 1.0, 0.0)


def answers(shape: tuple[int, ...], output: tuple[int, ...]) -> list[Wrong]:
    """Return wrong answers without a form to inputs of a shape."""
    rng = np.random.default_rng(1)
    found = []
    for number in range(4):
        case = Case({"seed": float(number), "x": rng.random(shape, np.float32)})
        right, wrong = rng.normal(size=output), rng.normal(size=output)
        found.append(Wrong(case, expected_of(np.asarray(right)), np.asarray(wrong, np.float32)))
    return found


def test_an_error_of_a_few_bounds_has_no_form(
    asked: list[tuple[Case, Expected]], exercise: Exercise, oracle: Oracle
) -> None:
    rng = np.random.default_rng(3)
    near = [
        Wrong(case, right, (right.exact * (1 + 3e-6 * rng.normal(size=10))).astype(np.float32))
        for case, right in asked
    ]
    assert find_pattern(exercise, oracle, near) is None


def test_nothing_but_zeros_is_no_factor(
    asked: list[tuple[Case, Expected]], exercise: Exercise, oracle: Oracle
) -> None:
    zeros = [Wrong(case, right, np.zeros(10, np.float32)) for case, right in asked]
    found = find_pattern(exercise, oracle, zeros)
    assert found is not None and found.id == "same_answer"


def test_zeros_beside_right_answers_are_not_all_that_is_returned(tiny: Exercise) -> None:
    """A ReLU at the end: answers without a negative number are right."""
    wrong = [
        one._replace(expected=expected_of(-1.0 - np.abs(one.expected.exact)), actual=np.zeros(2))
        for one in answers((7, 5, 3), (2,))
    ]
    found = find_pattern(tiny, Recorded(), wrong, some_right=True)  # type: ignore[arg-type]
    assert found is not None and found.id == "relu"
    found = find_pattern(tiny, Recorded(), wrong)  # type: ignore[arg-type]
    assert found is not None and found.title == "Nothing but zeros"
