"""Describe what a worker saw of a student's module: claims, to be checked against each other."""

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import numpy as np


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """Base: frozen, keyword-only."""


MOST_OUTPUTS = 16
"""Arrays of one call's result that are looked at, whatever is claimed."""


class Module(Struct, frozen=True, kw_only=True):
    """One submodule of the root.

    Attributes:
        path: dotted, "" for the root, "block1.conv1".
        types: class names along the inheritance chain, "flax.nnx....Conv" among them.
        settings: hyperparameters as plain JSON values.
        arrays: name to index into Observation.arrays, after the training call.
    """

    path: str
    types: list[str]
    settings: dict[str, Any] = {}
    arrays: dict[str, int] = {}

    @property
    def kinds(self) -> list[str]:
        """Names of the Flax layers it is, most derived first: ["Conv"], [] for a student's own."""
        return [name.rpartition(".")[2] for name in self.types if name.startswith("flax.nnx.nn.")]


class Attribute(Struct, frozen=True, kw_only=True):
    """One attribute of the root: the path of the module it holds, None when it holds none."""

    name: str
    type: str
    path: str | None = None


class Visit(Struct, frozen=True, kw_only=True):
    """One call of one submodule.

    Attributes:
        flag: the effective training flag, None when the module has none.
        input: index of the first array argument, output: of the result's first array; None when
            there is none.
        others: indices of the further arrays that it returned, in a tuple or a dict.
        line: line of the submission that made the call.
    """

    path: str
    flag: bool | None = None
    input: int | None = None
    output: int | None = None
    others: list[int] = []
    line: int | None = None


class Observation(Struct, frozen=True, kw_only=True):
    """What happened when the function ran once under watch.

    Attributes:
        root: name of the class looked for; found tells whether the file has it at its top level.
        created: how many roots the function created; called: how often a root was called.
        parameters: names of the root's __call__ parameters.
        training: visits of the submission's own forward, evaluation: of a second call with
            the training flag reversed; evaluation_error says why there is none.
        error: what the submission's own forward raised, after all that is recorded.
        result: index of the forward's own result.
        arrays: np.ndarray, of any shape and dtype: they come beside the JSON.
    """

    root: str
    found: bool
    created: int = 0
    called: int = 0
    parameters: list[str] = []
    modules: list[Module] = []
    attributes: list[Attribute] = []
    training: list[Visit] = []
    evaluation: list[Visit] = []
    evaluation_error: str | None = None
    error: str | None = None
    result: int | None = None
    arrays: tuple[Any, ...] = ()

    def array(self, index: int | None) -> "np.ndarray | None":
        """The array at index; None when a claim points nowhere, or to no real numbers."""
        if index is None or not 0 <= index < len(self.arrays):
            return None
        array = self.arrays[index]
        return array if array.size and array.dtype.kind in "fiub" else None

    def outputs(self, visit: Visit) -> "list[np.ndarray]":
        """The arrays that a call returned, each once; a module may return several."""
        named = dict.fromkeys((visit.output, *visit.others[: MOST_OUTPUTS - 1]))
        arrays = (self.array(index) for index in named)
        return [array for array in arrays if array is not None]

    def module(self, path: str) -> Module | None:
        """The module at path."""
        return next((module for module in self.modules if module.path == path), None)
