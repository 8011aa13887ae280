"""Write a failing call as Python text that a student can paste into a session of their own."""

import textwrap
from typing import TYPE_CHECKING

from grader.model import Case, Value

if TYPE_CHECKING:
    import numpy as np

_LINES = textwrap.TextWrapper(
    88, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
)


def snippet(entry: str, case: Case, expected: "np.ndarray") -> str:
    """Return the text: inputs, call, expected numbers, and the difference between them.

    It needs nothing but NumPy and the student's own file, called submission.py. Numbers have nine
    significant digits, which hold every float32 exactly.

    Args:
        entry: name of the student's function.
        expected: float64, what a right answer is close to.
    """
    lines = ["import numpy as np", f"from submission import {entry}", ""]
    for name, value in case.arguments.items():
        lines.append(f"{name} = {_literal(value)}")
        if not isinstance(value, int | float):  # as the grader gives it: writing to it raises
            lines.append(f"{name}.setflags(write=False)")
    lines += [
        f"expected = {_literal(expected)}",
        f"actual = np.asarray({entry}({', '.join(case.arguments)}))",
        'print("expected", expected.shape, expected)',
        'print("actual  ", actual.shape, actual)',
        "if actual.shape == expected.shape:",
        '    print("largest difference", np.abs(actual - expected).max())',
    ]
    return "\n".join(lines) + "\n"


def _literal(value: Value) -> str:
    if isinstance(value, int | float):
        return repr(float(value))
    numbers = ", ".join(f"{number:.9g}" for number in value.ravel())
    if len(numbers) > _LINES.width:  # a page or a platform cuts lines that are much longer
        numbers = f"\n{_LINES.fill(numbers)}\n"
    return f"np.array([{numbers}], np.float32).reshape({value.shape})"
