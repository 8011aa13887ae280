"""Watch one call of the submission: what it builds, what it calls, the arrays at each stage.

Everything reported here is a claim: a submission that owns this process can lie. The judge checks
the claims against each other and against the values it knows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import jax
import numpy as np
from flax import nnx

from .calling import Program, describe_error
from .recorder import Recorder
from .watch import Watch


def observe(
    program: Program, arguments: Sequence[np.ndarray], *, root: str, flag: str
) -> tuple[dict[str, Any], tuple[np.ndarray, ...]]:
    """Call the submission under watch, then its model once more with the flag reversed.

    Args:
        root: name of the class to watch.
        flag: name of the parameter that chooses running statistics.

    Returns:
        Facts that decode as an Observation, and the arrays that they name by index.
    """
    kind = _to_watch(program, root)
    if kind is None:
        return {"root": root, "found": True}, ()
    watch = Watch(kind, flag)
    with watch:
        result, error = _run_visibly(program, arguments, watch)
        watch.drop_never_run()
        facts = {
            "root": root,
            "found": not isinstance(kind, str),
            "created": watch.created,
            "called": watch.called,
            "parameters": watch.parameters(),
            "training": watch.visits,
            "error": error,
            "result": watch.recorder.keep_result(result),
            **watch.describe(),
        }
        training = watch.recorder
        facts["evaluation_error"] = _evaluate(watch, arguments)
        facts["evaluation"] = watch.visits
    return facts, training.arrays


class NothingToTransplant(Exception):
    """The function built no model that could be given other weights."""


def transplant(
    program: Program, arrays: Sequence[np.ndarray], *, root: str, places: Sequence[Sequence[str]]
) -> object:
    """Call the submission with other weights in the model that it builds; return its result.

    Args:
        arrays: the arguments, then one array for each place.
        root: name of the class of the model.
        places: dotted path of a module and name of its variable, for each weight.

    Raises:
        NothingToTransplant: no model was built, or it lacks one of the places.
        BaseException: whatever the submission raises.
    """
    kind = _to_watch(program, root)
    if kind is None:
        raise NothingToTransplant(f"{root} is not an nnx.Module")
    count = len(arrays) - len(places)
    watch = Watch(kind, "", list(zip(places, arrays[count:], strict=True)))
    with watch:
        result = program.run(arrays[:count])
    if not watch.transplanted:
        raise NothingToTransplant(f"no {root} was built, or it has other weights")
    return result


def _to_watch(program: Program, root: str) -> type[nnx.Module] | str | None:
    """Return the class, its name where only a function knows it, None where it is no module."""
    kind = program.namespace.get(root)
    if not isinstance(kind, type):
        return root
    return kind if issubclass(kind, nnx.Module) else None


def _run_visibly(
    program: Program, arguments: Sequence[np.ndarray], watch: Watch
) -> tuple[object, str | None]:
    """Call the submission; when compiled code hid its layers, once more without compiling.

    A jitted function that an earlier call compiled runs without Python, and a first trace shows
    tracers in place of numbers. A call that raises has shown everything up to there.
    """
    result, error = None, None
    for mode in (nullcontext(), _without_jit()):
        watch.restart(Recorder())
        try:
            with mode:
                result = program.run(arguments)
                jax.effects_barrier()
            error = None
        except Exception as raised:
            error = _say(raised)
        if watch.saw_numbers:
            break
    return result, error


def _evaluate(watch: Watch, arguments: Sequence[np.ndarray]) -> str | None:
    """Call the watched model with the flag reversed; return why that failed, if it did."""
    image = next(array for array in arguments if array.ndim)
    watch.restart(watch.recorder)
    try:
        with _without_jit() if watch.needed_eager else nullcontext():
            watch.call_reversed(jax.numpy.asarray(image))
            jax.effects_barrier()
    except Exception as error:
        return _say(error)
    return None


@contextmanager
def _without_jit() -> Iterator[None]:
    """Compile nothing, in the threads of the submission as well: jax.disable_jit is of one."""
    before = jax.config.jax_disable_jit
    jax.config.update("jax_disable_jit", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_jit", before)


def _say(error: Exception) -> str:
    description = describe_error(error)
    where = "" if description["line"] is None else f" on line {description['line']}"
    return f"{description['type']}{where}: {description['message'].rstrip('.')}"[:300]
