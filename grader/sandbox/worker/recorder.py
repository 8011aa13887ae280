"""Keep copies of the arrays that a watched call shows, within a size limit."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import is_dataclass
from itertools import islice
from typing import Any

import jax
import numpy as np

from .wire import LARGEST_COUNT, LARGEST_NDIM

LARGEST_TOTAL = 512 << 10
_LARGEST_RESULT = 256 << 10
_MOST_RETURNED = 16
"""Arrays of one call's result that are kept."""
_DEEPEST = 4
"""Of tuples in tuples that are looked into."""


class Recorder:
    """Copies of arrays, in the order in which they were seen."""

    def __init__(self) -> None:
        self._arrays: list[np.ndarray | None] = []
        self._bytes = 0
        self.traced = False

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What was kept; an array that never arrived is empty."""
        empty = np.zeros(0, np.float32)
        return tuple(empty if array is None else array for array in self._arrays)

    def arrived(self, index: int | None) -> bool:
        """Whether an array came; None stands for what was not kept."""
        return index is None or self._arrays[index] is not None

    def keep(self, value: Any) -> int | None:
        """Copy an array and return its index; None for what cannot be kept, or is too much.

        Inside vmap or a trace there is no number yet: a callback delivers it when the program runs.
        """
        if not can_be_kept(value) or self._bytes > LARGEST_TOTAL:
            return None
        if len(self._arrays) >= LARGEST_COUNT - 1:  # one more is for the result
            return None
        self._bytes += int(value.size) * value.dtype.itemsize
        if self._bytes > LARGEST_TOTAL:
            return None
        return self._add(value)

    def keep_each(self, value: Any) -> list[int]:
        """Copy the first arrays of what a call returned, in its order; return their indices."""
        found: list[Any] = []
        with suppress(Exception):  # of a class of the submission's own; nobody else looks into it
            found.extend(islice(_arrays_in(value), _MOST_RETURNED))
        kept = map(self.keep, found)
        return [index for index in kept if index is not None]

    def keep_result(self, value: Any) -> int | None:
        """Copy what the function returned, however much was kept before; once."""
        if not can_be_kept(value):
            return None
        if int(value.size) * value.dtype.itemsize > _LARGEST_RESULT:
            return None
        return self._add(value)

    def _add(self, value: Any) -> int:
        index = len(self._arrays)
        self._arrays.append(None)
        if isinstance(value, jax.core.Tracer):
            self.traced = True
            jax.debug.callback(lambda array: self._store(index, array), value)
        else:
            self._store(index, value)
        return index

    def _store(self, index: int, value: Any) -> None:
        array = np.array(value)
        self._arrays[index] = array.astype(np.float32) if array.dtype.kind == "V" else array


def can_be_kept(value: Any) -> bool:
    """Whether a value is an array that a frame can hold: not of random keys, of text, of objects.

    A module may return or take such ones beside its numbers.
    """
    if not isinstance(value, (jax.Array, np.ndarray)) or value.ndim > LARGEST_NDIM:
        return False
    if not any(jax.dtypes.issubdtype(value.dtype, kind) for kind in (np.number, np.bool_)):
        return False
    return value.dtype not in (np.longdouble, np.clongdouble)


def _arrays_in(value: Any, depth: int = _DEEPEST) -> Iterator[Any]:
    """Yield the arrays of a tuple, a dict or a dataclass of them.

    Not by jax.tree, which sorts the keys of a dict and raises where they have no order.
    """
    if isinstance(value, (jax.Array, np.ndarray)):
        yield value
        return
    if isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, (list, tuple)):
        parts = list(value)
    else:
        parts = list(getattr(value, "__dict__", {}).values()) if is_dataclass(value) else []
    for part in parts if depth else ():
        yield from _arrays_in(part, depth - 1)
