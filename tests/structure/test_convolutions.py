"""A convolution is recomputed as its settings say, if they are those of one that can be."""

import time
import tracemalloc
from itertools import product
from typing import Any

import jax.numpy as jnp
import msgspec
import numpy as np
import pytest
from flax import nnx

from grader.model import Layer, Observation
from grader.sandbox.worker.watch import Watch
from grader.structure.layers import complaint, follows

IMAGE = np.random.default_rng(150_001).standard_normal((11, 16, 4)).astype(np.float32)

KERNELS = [(3, 3), (2, 5), (1, 1)]
STRIDES = [1, 2, (3, 2)]
PADDINGS = ["SAME", "VALID", ((2, 1), (0, 3))]
DILATIONS = [1, (2, 3)]
GROUPS = [1, 2]
GRID = list(product(KERNELS, STRIDES, PADDINGS, DILATIONS, GROUPS))


class Net(nnx.Module):
    def __init__(self, layer: nnx.Module) -> None:
        self.layer = layer

    def __call__(self, x: Any) -> Any:
        return self.layer(x)


def watch(layer: nnx.Module, image: np.ndarray = IMAGE) -> Observation:
    """Return what a worker reports of one call of a layer, at "layer"."""
    with Watch(Net, "use_running_average") as watched:
        Net(layer)(jnp.asarray(image))
        facts = {"root": "Net", "found": True, **watched.describe(), "training": watched.visits}
    seen = msgspec.json.decode(msgspec.json.encode(facts), type=Observation)
    return msgspec.structs.replace(seen, arrays=watched.recorder.arrays)


def conv(kernel_size: tuple[int, ...] = (3, 3), features: int = 6, **settings: Any) -> nnx.Conv:
    layer = nnx.Conv(4, features, kernel_size=kernel_size, rngs=nnx.Rngs(0), **settings)
    layer.bias[...] = jnp.arange(float(features))
    return layer


def claiming(seen: Observation, **settings: Any) -> Observation:
    """Change what is claimed of the layer's settings."""
    modules = [
        msgspec.structs.replace(module, settings=module.settings | settings)
        if module.path == "layer"
        else module
        for module in seen.modules
    ]
    return msgspec.structs.replace(seen, modules=modules)


def own(seen: Observation, running: bool = False) -> bool | None:
    """Whether the layer's output follows, by the settings that it claims."""
    visit = next(visit for visit in seen.training if visit.path == "layer")
    return follows(seen, visit, running=running)


@pytest.mark.parametrize(("kernel", "strides", "padding", "dilation", "groups"), GRID)
def test_what_flax_computes_follows_and_nothing_near_it(
    kernel: tuple[int, int], strides: Any, padding: Any, dilation: Any, groups: int
) -> None:
    seen = watch(
        conv(
            kernel,
            strides=strides,
            padding=padding,
            kernel_dilation=dilation,
            feature_group_count=groups,
        )
    )
    assert own(seen) is True
    visit = next(visit for visit in seen.training if visit.path == "layer")
    assert visit.output is not None
    arrays = list(seen.arrays)
    arrays[visit.output] = arrays[visit.output] + np.float32(0.01)
    assert own(msgspec.structs.replace(seen, arrays=tuple(arrays))) is False


@pytest.mark.parametrize("size", [(1, 1), (5, 4), (4, 9)])
@pytest.mark.parametrize("strides", [2, 3])
def test_padding_under_strides_is_that_of_xla_at_every_size(
    size: tuple[int, int], strides: int
) -> None:
    image = IMAGE[: size[0], : size[1]]
    assert own(watch(conv((3, 2), strides=strides), image)) is True
    assert own(watch(conv((2, 5), strides=strides, padding="same"), image)) is True


@pytest.mark.parametrize(
    "settings",
    [{"padding": 1}, {"padding": (2, (0, 1))}, {"strides": None}, {"strides": (2, 1)}],
)
def test_every_form_that_flax_takes_is_read(settings: dict[str, Any]) -> None:
    assert own(watch(conv(**settings))) is True


@pytest.mark.parametrize(
    ("settings", "claimed"),
    [
        ({"strides": 2}, {"strides": 1}),
        ({"strides": 2}, {"strides": [2, 3]}),
        ({}, {"strides": 2}),
        ({"padding": "VALID"}, {"padding": "SAME"}),
        ({}, {"padding": "VALID"}),
        ({}, {"padding": [[0, 2], [1, 1]]}),
        ({"kernel_dilation": 2}, {"kernel_dilation": 1}),
        ({}, {"kernel_dilation": [1, 2]}),
        ({"feature_group_count": 2}, {"feature_group_count": 1}),
        ({}, {"feature_group_count": 2}),
        ({"padding": "CIRCULAR"}, {"padding": "SAME"}),
        ({"input_dilation": 2, "padding": 1}, {"input_dilation": 1}),
        ({"mask": np.tri(6, dtype=np.float32)[:4] * np.ones((3, 3, 1, 1), np.float32)},
         {"mask": None}),
    ],
)  # fmt: skip
def test_other_settings_than_the_layers_own_contradict_its_output(
    settings: dict[str, Any], claimed: dict[str, Any]
) -> None:
    assert own(claiming(watch(conv(**settings)), **claimed)) is False


@pytest.mark.parametrize(
    "settings",
    [
        {"padding": "CIRCULAR"},
        {"padding": "REFLECT"},
        {"padding": "SAME_LOWER"},
        {"padding": ((-1, 0), (1, 1))},
        {"input_dilation": (1, 2), "padding": 1},
        {"mask": np.ones((3, 3, 4, 6), np.float32)},
        {"kernel_size": (3,)},
    ],
)
def test_what_is_not_recomputed_is_not_called_a_contradiction(settings: dict[str, Any]) -> None:
    seen = watch(conv(**settings))
    assert own(seen) is None
    module = seen.module("layer")
    assert module is not None
    asked = {name: module.settings[name] for name in settings}
    assert complaint(seen, "layer", Layer("layer", "Conv", asked)) is None


ASKED: list[dict[str, Any]] = [
    {"strides": 2},
    {"strides": 2, "padding": "VALID", "kernel_dilation": 2},
    {"feature_group_count": 2, "kernel_size": [2, 3]},
    {"padding": [[1, 0], [2, 2]]},
]


def built(asked: dict[str, Any]) -> nnx.Conv:
    """Return a layer with the settings of an exercise, whose lists are Flax's tuples."""
    settings = dict(asked)
    if "kernel_size" in asked:
        settings["kernel_size"] = tuple(asked["kernel_size"])
    if isinstance(asked.get("padding"), list):
        settings["padding"] = tuple(map(tuple, asked["padding"]))
    return conv(**settings)


@pytest.mark.parametrize("asked", ASKED)
def test_a_layer_with_the_settings_that_are_asked_for_passes(asked: dict[str, Any]) -> None:
    assert complaint(watch(built(asked)), "layer", Layer("layer", "Conv", asked)) is None


@pytest.mark.parametrize("asked", ASKED)
def test_a_layer_without_them_is_told_the_first(asked: dict[str, Any]) -> None:
    wrong = complaint(watch(conv()), "layer", Layer("layer", "Conv", asked))
    assert wrong is not None
    assert wrong.startswith(f"layer has {next(iter(asked))}=")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"padding": "VALID"}, "padding=VALID; expected SAME"),
        ({"padding": "CIRCULAR"}, "padding=CIRCULAR; expected SAME"),
        ({"kernel_dilation": 2}, "kernel_dilation=2; expected 1"),
        ({"feature_group_count": 2}, "feature_group_count=2; expected 1"),
        ({"mask": np.tri(6, dtype=np.float32)[:4] * np.ones((3, 3, 1, 1), np.float32)},
         "mask=array; expected None"),
    ],
)  # fmt: skip
def test_a_setting_that_is_not_asked_for_is_flaxs_own(settings: dict[str, Any], said: str) -> None:
    layer = Layer("layer", "Conv", {"kernel_size": [3, 3], "strides": 1})
    assert complaint(watch(conv(**settings)), "layer", layer) == f"layer has {said}"
    lying = claiming(watch(conv(**settings)), padding="SAME", kernel_dilation=1, mask=None,
                     feature_group_count=1)  # fmt: skip
    wrong = complaint(lying, "layer", layer)
    assert wrong == "the output of layer does not follow from its own weights and input"


def test_the_same_padding_in_numbers_is_no_other_setting() -> None:
    layer = Layer("layer", "Conv", {"kernel_size": [3, 3], "strides": 1})
    assert complaint(watch(conv(padding=((1, 1), (1, 1)))), "layer", layer) is None


HOSTILE: list[Any] = [
    0, -1, 10**9, 10**400, 1.5, 1e308, float("nan"), float("inf"), True, "", "SAMEISH", "CAUSAL",
    [], [2], [1, 2, 3], [[2, 2], [2, 2]], [[[2]], 1], [10**9, 10**400], [[10**9, 0], [0, 0]],
    [[-(10**400), 10**400], [0, 0]], {}, {"a": 1}, [None, None], ["1", "1"], [float("nan"), 1],
]  # fmt: skip
SETTINGS = [
    "strides", "padding", "kernel_dilation", "input_dilation", "feature_group_count", "mask",
    "kernel_size", "use_scale", "epsilon",
]  # fmt: skip


@np.errstate(all="ignore")  # as all of the structure is judged
@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_raises_or_is_computed_at_length(name: str) -> None:
    seen, normed = watch(conv()), watch(nnx.BatchNorm(4, rngs=nnx.Rngs(0)))
    began = time.process_time()
    tracemalloc.start()
    for value in HOSTILE:
        for claims in (claiming(seen, **{name: value}), claiming(normed, **{name: value})):
            assert own(claims) in (True, False, None)
            module = claims.module("layer")
            assert module is not None
            wrong = complaint(claims, "layer", Layer("layer", module.kinds[0], {name: value}))
            assert wrong is None or wrong.startswith(("layer has", "the output of layer"))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    ("given", "kernel", "output", "settings"),
    [
        ((2, 2, 1), (2, 2, 1, 1), (2, 2, 1), {"kernel_dilation": 10**9}),
        ((2, 2, 1), (2, 2, 1, 1), (2, 2, 1), {"kernel_dilation": 10**9, "strides": 10**9}),
        ((2, 2, 1), (1, 1, 1, 1), (1, 1, 1), {"padding": 10**6, "strides": 10**7}),
        ((2, 2, 1), (1, 1, 1, 1), (2, 2, 1), {"padding": [[0, 10**400], [0, 0]]}),
        ((700, 700, 1), (300, 300, 1, 1), (401, 401, 1), {"padding": "VALID"}),
        ((1, 1, 10**5), (1, 1, 1, 10**5), (1, 1, 10**5), {"feature_group_count": 10**4}),
        ((40, 40, 64), (8, 8, 32, 4096), (40, 40, 4096), {"feature_group_count": 2}),
    ],
)
def test_settings_that_would_take_much_are_not_computed(
    given: tuple[int, ...],
    kernel: tuple[int, ...],
    output: tuple[int, ...],
    settings: dict[str, Any],
) -> None:
    seen = claiming(watch(conv()), **settings)
    arrays = {"kernel": kernel, "bias": kernel[-1:]}
    module, visit = seen.module("layer"), seen.training[-1]
    assert module is not None and visit.input is not None and visit.output is not None
    shapes = {module.arrays[name]: shape for name, shape in arrays.items()}
    shapes |= {visit.input: given, visit.output: output}
    claims = tuple(
        np.broadcast_to(np.int8(1), shapes.get(at, (1,))) for at in range(len(seen.arrays))
    )
    lying = msgspec.structs.replace(seen, arrays=claims)
    tracemalloc.start()
    assert own(lying) is False
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("running", [True, False])
def test_a_batch_norm_without_a_scale_follows(use_bias: bool, running: bool) -> None:
    norm = nnx.BatchNorm(
        4, use_scale=False, use_bias=use_bias, use_running_average=running, rngs=nnx.Rngs(0)
    )
    norm.var[...] = jnp.array([1.0, 2.0, 3.0, 4.0])
    seen = watch(norm)
    assert own(seen, running) is True
    assert own(seen, not running) is False
    assert own(claiming(seen, use_scale=True), running) is False
    asked = Layer("layer", "BatchNorm", {"use_scale": False})
    told = "layer has use_bias=False; expected True"
    assert complaint(seen, "layer", asked) == (None if use_bias else told)
    wrong = complaint(seen, "layer", Layer("layer", "BatchNorm"))
    assert wrong == "layer has use_scale=False; expected True"
