"""Run generic layers at given shapes, so that what they need is compiled before a worker is forked.

What is run here is what a compile cache holds: single operations of JAX and layers of Flax, each on
its own, in no order that tells how an exercise puts them together.
"""

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


def rehearse(kind: str, settings: Mapping[str, Any], shape: Sequence[int]) -> None:
    """Build a layer, call it with and without a batch axis, and do the usual to what it returns.

    Args:
        kind: name of a class of flax.nnx; "" for none: the usual is done to zeros.
        settings: of the layer; what its constructor does not take is left out.
        shape: of the layer's input, without a batch axis.
    """
    try:
        for given in _inputs(shape):
            for result in _results(kind, settings, given):
                # A program that still runs when a worker is forked would run there for ever.
                jax.block_until_ready([result, *_do_the_usual(result)])
    except Exception as error:  # whatever is missing later is compiled by another worker
        print(f"cannot rehearse {kind} at {shape}: {error!r}", file=sys.stderr)


def _inputs(shape: Sequence[int]) -> Iterator[jax.Array | np.ndarray]:
    """Yield an image as students pass it on: as it came, as JAX's array, in a batch of one."""
    image = np.zeros(shape, np.float32)
    image.setflags(write=False)
    yield image
    yield jnp.asarray(image)
    yield jnp.asarray(image)[None]
    yield jnp.expand_dims(image, 0)
    yield image[None]


def _results(
    kind: str, settings: Mapping[str, Any], given: jax.Array | np.ndarray
) -> Iterator[jax.Array]:
    if not kind:
        yield jnp.asarray(given)
        return
    build = getattr(nnx, kind)
    taken = inspect.signature(build.__init__).parameters
    given_to = {k: _as_tuples(v) for k, v in settings.items() if k in taken}
    layer = build(**given_to, rngs=nnx.Rngs(0))
    flags = [{"use_running_average": flag} for flag in (True, False)]
    for flag in flags if "use_running_average" in taken else [{}]:
        yield layer(given, **flag)
    for _, variable in nnx.state(layer).flat_state():  # last: what was updated must be there too
        if jnp.issubdtype(variable[...].dtype, jax.dtypes.prng_key):
            continue  # a Dropout's own: it is no weight, and NumPy takes none
        # Other weights come as NumPy's arrays, when they are put in; see observe.transplant.
        jax.block_until_ready(jnp.asarray(np.asarray(variable[...])))


def _as_tuples(value: Any) -> Any:
    """Undo what JSON does to tuples: Flax takes pairs of padding as nothing else."""
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _do_the_usual(array: jax.Array) -> Iterator[jax.Array]:
    """Activate, add, average, drop axes, look at the numbers; see docs/performance.md for what."""
    yield nnx.relu(array)
    yield array + array
    np.asarray(array)
    if array.ndim == 1:
        yield array.astype(jnp.float32)
    elif array.shape[0] == 1 and array.ndim != 3:
        yield from _leave_batch(array)
    elif array.ndim > 2:
        yield from _average(array)


def _leave_batch(array: jax.Array) -> Iterator[jax.Array]:
    """Drop the axis of a batch of one; of images before or after their average."""
    yield array[0]
    yield jnp.squeeze(array, 0)
    if array.ndim > 2:
        yield from _leave_batch(jnp.mean(array, axis=(1, 2)))
        return
    yield array.reshape(-1)
    yield jnp.squeeze(array)


def _average(array: jax.Array) -> Iterator[jax.Array]:
    """Average over height and width, however that is spelled, or take the maximum by mistake."""
    yield jnp.maximum(array, 0.0)
    yield jnp.maximum(array, 0)
    yield jnp.mean(array, axis=(0, 1))
    yield jnp.mean(array, axis=(-3, -2))
    yield jnp.mean(array, axis=(0, 1), dtype=jnp.float32)
    yield jnp.sum(array, axis=(0, 1)) / 2
    yield jnp.mean(jnp.mean(array, axis=0), axis=0)
    yield jnp.max(array, axis=(0, 1))
