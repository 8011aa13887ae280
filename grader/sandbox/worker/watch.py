"""Record every call of a module's layers by wrapping `__call__` of the classes it is made of."""

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from types import FrameType, FunctionType, TracebackType
from typing import Any

import jax
import numpy as np
from flax import nnx

from .calling import FILE_NAME
from .describing import describe, submodules
from .diverting import divert
from .recorder import Recorder, can_be_kept
from .wire import LARGEST_LIST

_TAG = "_grader_path"
"""A static attribute: it survives nnx.split and nnx.merge, where object identity does not."""

_TURN = f"{_TAG}_turn"
"""Another one for each watch: what nnx.jit and nnx.remat traced under an earlier one would run
without Python, and its layers would not be seen."""

Call = Callable[..., Any]


class Watch:
    """Watch the instances of one class while the context is open.

    A class that only a function of the submission knows is watched from its first instance on: what
    it is made into after its definition, by a decorator or a factory, is then done.

    Attributes:
        created, called: number of roots constructed, number of calls of a root.
        visits: one record per call of a submodule, in order of their starts.
        transplanted: whether every weight found its place in a model.

    Args:
        root: the class, or the name that it will have.
        weights: what to put into each model that is built: (path, variable) and array.
    """

    def __init__(
        self,
        root: type[nnx.Module] | str,
        flag: str,
        weights: Sequence[tuple[Sequence[str], np.ndarray]] = (),
    ) -> None:
        self._wanted, self._flag, self._weights = root, flag, weights
        self._root: type[nnx.Module] | None = None
        self.transplanted = False
        self._undo: list[Callable[[], None]] = []
        self._wrapped: set[type] = set()
        self._diverted: set[FunctionType] = set()
        self._turn = object()
        self._model: nnx.Module | None = None
        self._arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.needed_eager = False
        self.restart(Recorder())

    def restart(self, recorder: Recorder) -> None:
        """Forget what was seen; keep the model for a further call."""
        self.recorder = recorder
        self.created = self.called = 0
        self.visits: list[dict[str, Any]] = []
        self._active: list[str] = []

    def __enter__(self) -> "Watch":
        if isinstance(self._wanted, str):
            self._wrap(type(nnx.Module), "__call__", self._on_construction)
        else:
            self._watch(self._wanted)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for undo in reversed(self._undo):
            undo()

    @property
    def saw_numbers(self) -> bool:
        """Whether layers of a root ran in Python, on arrays and not on tracers."""
        seen = self.called > 0 and len(self.visits) > 1 and not self.recorder.traced
        self.needed_eager = self.needed_eager or not seen
        return seen

    def drop_never_run(self) -> None:
        """Forget what was only traced, to learn a shape: no number of it ever arrived."""
        arrived = self.recorder.arrived
        ran = [v for v in self.visits if arrived(v["input"]) and arrived(v.get("output"))]
        roots = sum(visit["path"] == "" for visit in ran)
        self.visits, self.called = ran, min(self.called, roots)

    def parameters(self) -> list[str]:
        """Names of the parameters of the root's __call__, without self.

        The flag is one of them where it was given by its name, which a decorator may hide.
        """
        if self._root is None:
            return []
        names = list(self._signature.parameters)[1:]
        _, given = self._arguments or ((), {})
        return names if self._flag in names or self._flag not in given else [*names, self._flag]

    def call_reversed(self, image: jax.Array) -> None:
        """Call the model as the submission did, with the flag reversed."""
        if self._model is None:
            raise RuntimeError("no model was created")
        args, kwargs = self._arguments or ((), {})
        if any(isinstance(value, jax.core.Tracer) for value in (*args, *kwargs.values())):
            args, kwargs = (), {}
        if not any(
            isinstance(value, (jax.Array, np.ndarray)) for value in (*args, *kwargs.values())
        ):
            args = (image,)
        if self._flag not in self._signature.parameters:  # a decorator takes it among others
            self._model(*args, **{**kwargs, self._flag: True})
            return
        bound = self._signature.bind_partial(self._model, *args, **kwargs)
        bound.arguments[self._flag] = True
        self._model(*bound.args[1:], **bound.kwargs)

    def describe(self) -> dict[str, Any]:
        """Describe the model's submodules and the attributes of the root."""
        return {} if self._model is None else describe(self._model, self.recorder, hidden=_TAG)

    def _watch(self, root: type[nnx.Module]) -> None:
        self._root, self._signature = root, inspect.signature(root.__call__)
        self._wrap(root, "__init__", self._on_init)
        self._wrap_call(root)

    def _on_construction(self, original: Call, kind: Any, args: Any, kwargs: Any) -> Any:
        """Watch a class before its first instance is made; each call may define it anew."""
        if kind.__name__ == self._wanted and kind not in self._wrapped:
            self._watch(kind)
        return original(kind, *args, **kwargs)

    def _on_init(self, original: Call, model: nnx.Module, args: Any, kwargs: Any) -> None:
        original(model, *args, **kwargs)
        if type(model) is self._root or self._model is None:
            self.created += 1
            self._adopt(model)

    def _adopt(self, model: nnx.Module) -> None:
        """Tag every submodule with its path and wrap its class; give it other weights if asked."""
        self._model = model
        if self._weights:
            self.transplanted = self._put_weights(dict(submodules(model)))
        for path, module in submodules(model):
            setattr(module, _TAG, path)
            setattr(module, _TURN, self._turn)
            self._wrap_call(type(module))

    def _put_weights(self, modules: dict[str, nnx.Module]) -> bool:
        """Put every weight into its place; return whether all of them had one."""
        for (path, name), array in self._weights:
            variable = getattr(modules.get(path), name, None)
            if not isinstance(variable, nnx.Variable) or variable[...].shape != array.shape:
                return False
            variable[...] = jax.numpy.asarray(array)
        return True

    def _on_call(self, original: Call, module: nnx.Module, args: Any, kwargs: Any) -> Any:
        root = self._root
        if root is not None and isinstance(module, root) and not hasattr(module, _TAG):
            self._adopt(module)  # a model that an earlier call cached
        path = getattr(module, _TAG, None)
        if path is None or path in self._active:  # not of the root, or its own super().__call__
            return original(module, *args, **kwargs)
        if path == "":
            self.called += 1
            self._arguments = (args, kwargs)
        if len(self.visits) == LARGEST_LIST:
            return original(module, *args, **kwargs)
        values = (*args, *kwargs.values())
        given = next(filter(can_be_kept, values), None)
        record: dict[str, Any] = {
            "path": path,
            "flag": self._flag_of(original, module, args, kwargs),
        }
        record |= {"line": _student_line(), "input": self.recorder.keep(given)}
        self.visits.append(record)
        self._active.append(path)
        try:
            result = original(module, *args, **kwargs)
        finally:
            self._active.remove(path)
        kept = self.recorder.keep_each(result)
        record |= {"output": kept[0] if kept else None, "others": kept[1:]}
        if path == "" and not _is_traced(module):  # the one that computes, where several are built
            self._model = module
        return result

    def _flag_of(self, original: Call, module: nnx.Module, args: Any, kwargs: Any) -> bool | None:
        value = kwargs.get(self._flag)
        if value is None and args:
            try:
                bound = inspect.signature(original).bind_partial(module, *args, **kwargs)
                value = bound.arguments.get(self._flag)
            except (TypeError, ValueError):
                value = None
        if value is None:
            value = getattr(module, self._flag, None)
        return bool(value) if isinstance(value, (bool, int, np.bool_)) else None

    def _wrap_call(self, kind: type) -> None:
        if kind not in self._wrapped and getattr(kind, "__call__", None) is not None:  # noqa: B004
            self._wrapped.add(kind)
            self._wrap(kind, "__call__", self._on_call)

    def _wrap(self, kind: type, name: str, handler: Callable[..., Any]) -> None:
        original, own = getattr(kind, name), name in vars(kind)
        if isinstance(original, FunctionType) and original.__code__.co_filename == FILE_NAME:
            if original not in self._diverted:
                self._diverted.add(original)
                self._undo.append(divert(original, handler))
            return

        @functools.wraps(original)  # who asks what the layer takes gets the answer of before
        def wrapper(module: Any, /, *args: Any, **kwargs: Any) -> Any:
            return handler(original, module, args, kwargs)

        setattr(kind, name, wrapper)
        self._undo.append(lambda: setattr(kind, name, original) if own else delattr(kind, name))


def _is_traced(model: nnx.Module) -> bool:
    """Whether a model holds no numbers: it was built, or called, inside of a transformation."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(nnx.state(model)))


def _student_line() -> int | None:
    """Line of the submission that is running now."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != FILE_NAME:
        frame = frame.f_back
    return None if frame is None else frame.f_lineno
