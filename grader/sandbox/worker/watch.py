"""Record every call of a module's layers by wrapping `__call__` of the classes it is made of."""

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any

import jax
import numpy as np
from flax import nnx

from .calling import FILE_NAME
from .recorder import Recorder, can_be_kept
from .settings import is_plain, shown
from .wire import LARGEST_LIST

_TAG = "_grader_path"
"""A static attribute: it survives nnx.split and nnx.merge, where object identity does not."""

_NO_WEIGHTS = (nnx.RngState, nnx.Intermediate)
"""Variables that no layer computes with; sown ones hold a tuple and no array."""

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

    def parameters(self) -> list[str]:
        """Names of the parameters of the root's __call__, without self."""
        return [] if self._root is None else list(self._signature.parameters)[1:]

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
        bound = self._signature.bind_partial(self._model, *args, **kwargs)
        bound.arguments[self._flag] = True
        self._model(*bound.args[1:], **bound.kwargs)

    def describe(self) -> dict[str, Any]:
        """Describe the model's submodules and the attributes of the root."""
        if self._model is None:
            return {}
        modules, paths = [], {}
        for path, module in _submodules(self._model)[:LARGEST_LIST]:
            paths[id(module)] = path
            modules.append(self._describe_module(path, module))
        attributes = [
            {"name": name, "type": type(value).__name__, "path": paths.get(id(value))}
            for name, value in vars(self._model).items()
            if not name.startswith(("_pytree__", "_object__", _TAG))
        ]
        return {"modules": modules, "attributes": attributes[:LARGEST_LIST]}

    def _describe_module(self, path: str, module: nnx.Module) -> dict[str, Any]:
        arrays, settings = {}, {}
        for name, value in vars(module).items():
            if isinstance(value, nnx.Variable) and not isinstance(value, _NO_WEIGHTS):
                index = self.recorder.keep(value.get_value())
                if index is not None:
                    arrays[name] = index
            elif not name.startswith("_"):
                value = shown(value)
                if is_plain(value):
                    settings[name] = value
        chain = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(module).__mro__]
        return {"path": path, "types": chain, "settings": settings, "arrays": arrays}

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
            self.transplanted = self._put_weights(dict(_submodules(model)))
        for path, module in _submodules(model):
            setattr(module, _TAG, path)
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

        @functools.wraps(original)  # who asks what the layer takes gets the answer of before
        def wrapper(module: Any, *args: Any, **kwargs: Any) -> Any:
            return handler(original, module, args, kwargs)

        setattr(kind, name, wrapper)
        self._undo.append(lambda: setattr(kind, name, original) if own else delattr(kind, name))


def _submodules(model: nnx.Module) -> list[tuple[str, nnx.Module]]:
    """Each distinct submodule with its dotted path; the root's is "". Shared ones appear once."""
    return [(".".join(map(str, path)), module) for path, module in nnx.iter_modules(model)]


def _is_traced(model: nnx.Module) -> bool:
    """Whether a model holds no numbers: it was built, or called, inside of a transformation."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(nnx.state(model)))


def _student_line() -> int | None:
    """Line of the submission that is running now."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != FILE_NAME:
        frame = frame.f_back
    return None if frame is None else frame.f_lineno
