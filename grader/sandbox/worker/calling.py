"""Load a submission and call its function."""

import linecache
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import jax
import numpy as np

FILE_NAME = "submission.py"
_LONGEST_MESSAGE = 2000


class MissingFunction(Exception):
    """The submission does not define the function that the exercise asks for."""


class Program:
    """One submission: its namespace and its function."""

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {}
        self._function: Callable[..., object] | None = None

    def load(self, source: bytes, entry: str) -> None:
        """Execute the source as the module `submission` and look up its function.

        Raises:
            MissingFunction: nothing callable has the name entry.
            BaseException: whatever the source raises.
        """
        module = ModuleType("submission")
        module.__file__ = FILE_NAME
        sys.modules["submission"] = module
        # Decoded here: bytes would be compiled by whatever coding the file declares.
        text = source.decode("utf-8-sig")
        lines = text.splitlines(keepends=True)
        linecache.cache[FILE_NAME] = (len(source), None, lines, FILE_NAME)
        self.namespace = vars(module)
        exec(compile(text, FILE_NAME, "exec"), self.namespace)
        function = self.namespace.get(entry)
        if not callable(function):
            raise MissingFunction(f"the file defines no function called {entry}")
        self._function = function

    def run(self, arguments: Sequence[np.ndarray]) -> object:
        """Call the function: rank 0 arrays become floats, others are read-only like JAX's own."""
        assert self._function is not None
        values: list[object] = []
        for array in arguments:
            if array.ndim == 0:
                values.append(array.item())
            else:
                values.append(_read_only(array))
        return self._function(*values)

    def call(self, arguments: Sequence[np.ndarray]) -> tuple[dict[str, Any], np.ndarray | None]:
        """Call the function; return what kind of thing it returned, and the array if it is one."""
        return describe_result(self.run(arguments))


def describe_result(result: object) -> tuple[dict[str, Any], np.ndarray | None]:
    """Describe a result; only a JAX or NumPy array is taken as one, never what claims to be."""
    # type(), not isinstance(): a lying __class__ answers isinstance.
    if not issubclass(type(result), (jax.Array, np.ndarray, np.generic)):
        return {"returned": type(result).__name__[:80]}, None
    array = np.asarray(result)
    answer = {"returned": "array", "dtype": array.dtype.name, "shape": list(array.shape)}
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    return answer, array


def describe_error(error: BaseException) -> dict[str, Any]:
    """Describe an exception by type, text and the submission's own line."""
    line = None
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == FILE_NAME:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    if isinstance(error, SyntaxError) and error.filename == FILE_NAME:
        line = error.lineno
    return {
        "type": _said(lambda: type(error).__name__),
        "message": _said(lambda: str(error)),
        "line": line,
    }


def _said(ask: Callable[[], str]) -> str:
    """Ask for a text of the submission's own making: it may raise, or hold halves of characters."""
    try:
        text = ask()[:_LONGEST_MESSAGE]
    except BaseException:
        return "(its text cannot be made)"
    return text.encode("utf-8", "replace").decode()


def _read_only(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.setflags(write=False)
    return copy
