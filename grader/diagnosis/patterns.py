"""Recognise the form of an error: a factor, a permutation, another input, a repeated answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from grader.errors import ExerciseError
from grader.model import Arguments, Case, Exercise, Expected
from grader.oracle import Oracle

LEAST_EXPLAINED = 3
_ALLOWANCE = 8.0
"""Floors of the bound by which an answer may differ from what a pattern predicts."""

Form = Callable[[np.ndarray], np.ndarray]
Change = Callable[[Arguments], Arguments | None]
"""None where it cannot be made."""


class Wrong(NamedTuple):
    """One wrong answer that can be compared: same shape, finite or not."""

    case: Case
    expected: Expected
    actual: np.ndarray


class Pattern(NamedTuple):
    """A form of error.

    Attributes:
        message: the sentence that helps the student.
        foretells: whether it says what the answer to any other input must be, too.
    """

    id: str
    title: str
    message: str
    explained: int
    foretells: bool = True


_FORMS: Mapping[str, tuple[str, str, Form]] = {
    "sign": ("The sign is reversed", "Every number has the wrong sign.", lambda x: -x),
    "softmax": (
        "A softmax was applied",
        "What you return is the softmax of the right result; return the result itself.",
        lambda x: _softmax(x),
    ),
    "log_softmax": (
        "A log_softmax was applied",
        "What you return is the log_softmax of the right result; return the result itself.",
        lambda x: np.log(_softmax(x)),
    ),
    "sigmoid": (
        "A sigmoid was applied",
        "What you return is the sigmoid of the right result; return the result itself.",
        lambda x: 1 / (1 + np.exp(-x)),
    ),
    "reversed": (
        "The last axis is reversed",
        "The numbers are right, but the last axis runs the other way.",
        lambda x: x[..., ::-1],
    ),
    "relu": (
        "Negative results are cut off",
        "Your result is right where it is positive, and 0 where it should be negative.",
        lambda x: np.maximum(x, 0),
    ),
}
_INPUTS: Mapping[str, tuple[str, str, Form]] = {
    "channels_reversed": (
        "The channels are reversed",
        "Your result is the right one for the image with its channels in reverse order.",
        lambda x: x[..., ::-1],
    ),
    "axes_swapped": (
        "Height and width are swapped",
        "Your result is the right one for the image with its first two axes exchanged.",
        lambda x: x.swapaxes(0, 1),
    ),
    "upside_down": (
        "The image is upside down",
        "Your result is the right one for the image with its rows in reverse order.",
        lambda x: x[::-1],
    ),
    "mirrored": (
        "The image is mirrored",
        "Your result is the right one for the image with its columns in reverse order.",
        lambda x: x[:, ::-1],
    ),
}


def find_pattern(
    exercise: Exercise, oracle: Oracle, wrong: Sequence[Wrong], *, some_right: bool = False
) -> Pattern | None:
    """Return the one form that every wrong answer has; None where there are too few, or none.

    Args:
        some_right: whether other answers were right, and so not zeros.
    """
    if len(wrong) < LEAST_EXPLAINED:
        return None
    # An error of a few bounds is near every form that changes little.
    if any(_is(exercise, one, one.expected.exact) for one in wrong):
        return None
    # A submission may return anything finite or not, and a form may overflow: then it is not it.
    with np.errstate(all="ignore"):
        found = None if some_right else _zeros(wrong)
        found = found or _form(exercise, wrong) or _factor(exercise, wrong)
        found = found or _repeated(exercise, wrong)
        return found or _other_input(exercise, oracle, wrong)


def _zeros(wrong: Sequence[Wrong]) -> Pattern | None:
    """See whether there is nothing in the answers: a stub, or a factor that is zero."""
    if any(one.actual.any() for one in wrong):
        return None
    text = "Every number that your function returns is 0, whatever it is given."
    return Pattern("same_answer", "Nothing but zeros", text, len(wrong))


def _form(exercise: Exercise, wrong: Sequence[Wrong]) -> Pattern | None:
    """Find a function that leads from every right answer to the wrong one."""
    for name, (title, message, form) in _FORMS.items():
        predicted = [_applied(form, one.expected.exact) for one in wrong]
        if all(
            x is not None and _is(exercise, one, x) for one, x in zip(wrong, predicted, strict=True)
        ):
            return Pattern(name, title, message, len(wrong))
    return None


def _factor(exercise: Exercise, wrong: Sequence[Wrong]) -> Pattern | None:
    """Find a factor that is the same everywhere, or that is a size of the image."""
    sizes: dict[str, Callable[[Case], float]] = {
        "height * width": lambda case: _side(exercise, case, 0) * _side(exercise, case, 1),
        "the height": lambda case: _side(exercise, case, 0),
        "the width": lambda case: _side(exercise, case, 1),
    }
    for name, size in sizes.items():
        for power, how in ((1.0, "too large by a factor of"), (-1.0, "divided once more by")):
            predicted = [one.expected.exact * size(one.case) ** power for one in wrong]
            if all(_is(exercise, one, x) for one, x in zip(wrong, predicted, strict=True)):
                text = f"Every number is {how} {name}."
                return Pattern("size_factor", f"A factor of {name}", text, len(wrong))
    factor = float(np.vdot(wrong[0].expected.exact, wrong[0].actual))
    factor /= float(np.vdot(wrong[0].expected.exact, wrong[0].expected.exact)) or 1.0
    if factor and all(_is(exercise, one, one.expected.exact * factor) for one in wrong):
        text = f"Every number is {factor:.6g} times the right one."
        return Pattern("constant_factor", f"A constant factor of {factor:.6g}", text, len(wrong))
    return None


def _repeated(exercise: Exercise, wrong: Sequence[Wrong]) -> Pattern | None:
    """See whether different inputs got one and the same answer."""
    same = [one for one in wrong if one.actual.shape == wrong[0].actual.shape]
    cases = {one.case.digest for one in same}
    if len(cases) < LEAST_EXPLAINED or len(same) < len(wrong):
        return None
    if all(np.array_equal(one.actual, same[0].actual) for one in same):
        text = "Your function gives one and the same answer to different inputs."
        title = "The same answer to different inputs"
        return Pattern("same_answer", title, text, len(same), foretells=False)
    return None


def _other_input(exercise: Exercise, oracle: Oracle, wrong: Sequence[Wrong]) -> Pattern | None:
    """See whether the answers are right ones to a changed input."""
    for name, title, message, change in _changes(exercise):
        if all(_is_answer_to_changed(exercise, oracle, one, change) for one in wrong):
            return Pattern(name, title, message, len(wrong), foretells=False)
    return None


def _is_answer_to_changed(exercise: Exercise, oracle: Oracle, one: Wrong, change: Change) -> bool:
    arguments = change(one.case.arguments)
    if arguments is None:
        return False
    case = Case(arguments, one.case.family)
    if case.digest == one.case.digest:
        return False
    try:
        expected = oracle.expect([case])[0]
    except ExerciseError:  # the reference takes no such input: then it is not that one
        return False
    return _is(exercise, one, expected.exact)


def _applied(form: Form, x: np.ndarray) -> np.ndarray | None:
    """Return what a form makes of an array, None of one with too few axes for it."""
    try:
        return form(x)
    except IndexError:  # NumPy's AxisError is one
        return None


def _changes(exercise: Exercise) -> Iterator[tuple[str, str, str, Change]]:
    """Yield (id, title, message, how the arguments are changed)."""
    for argument in exercise.arguments:
        if argument.kind == "array":
            for name, (title, message, form) in _INPUTS.items():
                yield name, title, message, _replacing(argument.name, form)
        elif not argument.sizes:
            for shift, how in ((1.0, "one more than"), (-1.0, "one less than")):
                title = f"{argument.name} is shifted by one"
                message = f"Your result is the right one for a {argument.name} that is {how} given."
                yield "shifted_seed", title, message, _shifting(argument.name, shift)


def _replacing(name: str, form: Form) -> Change:
    def change(arguments: Arguments) -> Arguments | None:
        changed = _applied(form, np.asarray(arguments[name]))
        return None if changed is None else {**arguments, name: np.ascontiguousarray(changed)}

    return change


def _shifting(name: str, shift: float) -> Change:
    def change(arguments: Arguments) -> Arguments | None:
        value = arguments[name]
        assert isinstance(value, float)
        return {**arguments, name: max(0.0, value + shift)}

    return change


def _is(exercise: Exercise, one: Wrong, predicted: np.ndarray) -> bool:
    """Whether a wrong answer is what a pattern predicts, up to rounding."""
    if predicted.shape != one.actual.shape or not np.isfinite(predicted).all():
        return False
    scale = one.expected.scale
    largest = max(scale, float(np.max(np.abs(predicted), initial=0.0)))
    allowed = _ALLOWANCE * exercise.tolerance.floor(one.expected) / scale * largest
    error = np.max(np.abs(one.actual.astype(np.float64) - predicted), initial=0.0)
    return bool(error <= allowed)


def _side(exercise: Exercise, case: Case, axis: int) -> float:
    """Length of one axis of the first array argument; 1 where it has none."""
    arrays = (value for value in case.arguments.values() if isinstance(value, np.ndarray))
    shape = next((array.shape for array in arrays), ())
    return float(shape[axis]) if axis < len(shape) else 1.0


def _softmax(x: np.ndarray) -> np.ndarray:
    grown: np.ndarray = np.exp(x - x.max(-1, keepdims=True))
    total: np.ndarray = grown.sum(-1, keepdims=True)
    share: np.ndarray = grown / total
    return share
