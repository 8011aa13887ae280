"""Right programs of unusual build pass every structural criterion; wrong ones near them fail."""

import pytest
from edited import Edits, failed

from grader.model import Exercise, Sandbox

BUILD = "ResNetClassifier(image.shape[-1], int(num_classes), nnx.Rngs(int(seed)))"
CALL = "model(image, use_running_average=False)"
NORM = """
class Norm(nnx.BatchNorm):
    def __call__(self, x, frozen):
        return super().__call__(x, use_running_average=frozen)
"""
BOTH = """
from dataclasses import dataclass
from typing import Any

@dataclass
class Both:
    features: Any
    logits: Any
"""
LAZY = """
from collections.abc import Mapping

class Lazy(Mapping):
    def __getitem__(self, name):
        raise KeyError(f"{name} is not computed yet")

    def __iter__(self):
        return iter(["attention"])

    def __len__(self):
        return 1
"""
ONLY_WHAT_IT_KNOWS = """
import inspect

def call(layer, x, **given):
    known = inspect.signature(layer.__call__).parameters
    return layer(x, **{name: value for name, value in given.items() if name in known})
"""
IN_A_THREAD = """
from concurrent.futures import ThreadPoolExecutor

@nnx.jit
def compiled(model, image):
    return model(image, use_running_average=False)

def resnet"""

TIMED = """
import time

def timed(function):
    def wrapper(*args, **kwargs):
        start = time.perf_counter()
        result = function(*args, **kwargs)
        assert time.perf_counter() >= start
        return result
    return wrapper
"""
HEADER = "    def __call__(self, x, use_running_average):"
ROOT_HEADER = "    def __call__(self, image, use_running_average):"
COMPILED = """
forward = nnx.jit(ResNetClassifier.__call__, static_argnames=("use_running_average",))


def resnet"""

RIGHT: dict[str, Edits] = {
    "call_is_compiled_at_import": [
        ("\n\ndef resnet", COMPILED),
        (CALL, CALL.replace("model(", "forward(model, ")),
    ],
    "call_is_another_name_for_forward": [
        (HEADER, HEADER.replace("__call__", "forward")),
        (
            "        return nnx.relu(y + x)\n",
            "        return nnx.relu(y + x)\n\n    __call__ = forward\n",
        ),
        ("x = self.block1(x", "x = self.block1.forward(x"),
        ("x = self.block2(x", "x = self.block2.forward(x"),
    ],
    "a_decorator_hides_the_flag": [
        ("from flax import nnx\n", f"from flax import nnx\n{TIMED}"),
        (ROOT_HEADER, f"    @timed\n{ROOT_HEADER}"),
    ],
    "its_shape_is_asked_first": [
        ("    out =", "    nnx.eval_shape(lambda model: " + CALL + ", model)\n    out ="),
    ],
    "calls_are_counted": [
        (
            "        self.head =",
            "        self.calls = nnx.Variable(jnp.array(0))\n        self.head =",
        ),
        ("        return self.head", "        self.calls[...] += 1\n        return self.head"),
    ],
    "built_under_jit": [(BUILD, f"nnx.jit(lambda: {BUILD})()")],
    "one_more_built_in_the_abstract": [
        ("    out =", f"    nnx.eval_shape(lambda: {BUILD})\n    out ="),
    ],
    "features_are_sown": [
        (
            "        return self.head",
            "        self.sow(nnx.Intermediate, 'f', x)\n        return self.head",
        )
    ],
    "features_are_kept": [
        (
            "        return self.head",
            "        self.f = nnx.Intermediate(x)\n        return self.head",
        )
    ],
    "signatures_are_asked": [
        ("self.stem_conv(image)", "call(self.stem_conv, image, use_running_average=False)"),
        ("self.stem_bn(x,", "call(self.stem_bn, x,"),
        ("\n\nclass BasicBlock", f"{ONLY_WHAT_IT_KNOWS}\n\nclass BasicBlock"),
    ],
    "norms_name_the_flag_otherwise": [
        ("use_running_average=use_running_average", "frozen=use_running_average"),
        ("nnx.BatchNorm(", "Norm("),
        ("\n\nclass BasicBlock", f"{NORM}\n\nclass BasicBlock"),
    ],
    "the_flag_is_an_array": [(CALL, CALL.replace("False", "jnp.array(False)"))],
    "sizes_are_numpys": [
        ("nnx.Conv(in_channels, 4,", "nnx.Conv(in_channels, np.int64(4),"),
        ("nnx.BatchNorm(4,", "nnx.BatchNorm(np.int32(4),"),
        ("nnx.Linear(4,", "nnx.Linear(np.prod((4,)),"),
        ("import jax.numpy as jnp", "import jax.numpy as jnp\nimport numpy as np"),
    ],
    "epsilon_is_numpys": [
        ("nnx.BatchNorm(4,", "nnx.BatchNorm(4, epsilon=np.float32(1e-5),"),
        ("import jax.numpy as jnp", "import jax.numpy as jnp\nimport numpy as np"),
    ],
    "kernel_sizes_are_numpys": [
        ("nnx.Conv(in_channels, 4, kernel_size=(3, 3)", "nnx.Conv(in_channels, 4, kernel_size=K"),
        ("import jax.numpy as jnp", "import jax.numpy as jnp\nimport numpy as np"),
        ("\n\nclass BasicBlock", "\nK = tuple(np.array([3, 3]))\n\nclass BasicBlock"),
    ],
    "strides_are_left_to_flax": [("kernel_size=(3, 3),", "kernel_size=(3, 3), strides=None,")],
    "results_are_remembered": [
        ("\n\ndef resnet", "\n\nseen = {}\n\n\ndef resnet"),
        ("    model =", "    key = (seed, image.tobytes(), image.shape)\n    model ="),
        (f"    out = {CALL}", f"    out = seen[key] if key in seen else {CALL}"),
        ("    return out.reshape", "    seen[key] = out\n    return out.reshape"),
    ],
    "several_arrays_are_returned": [
        ("return nnx.relu(y + x)", "return {0: y, 'out': (None, nnx.relu(y + x))}"),
        ("self.block1(x, use_running_average)", "self.block1(x, use_running_average)['out'][1]"),
        ("self.block2(x, use_running_average)", "self.block2(x, use_running_average)['out'][1]"),
        ("return self.head(x)", "return Both(x, self.head(x))"),
        (CALL, f"{CALL}.logits"),
        ("\n\nclass BasicBlock", f"{BOTH}\n\nclass BasicBlock"),
    ],
    "random_keys_are_handed_on": [
        ("def __call__(self, x, use", "def __call__(self, key, x, use"),
        ("return nnx.relu(y + x)", "return jax.random.fold_in(key, 1), nnx.relu(y + x)"),
        ("x = self.block1(x,", "key, x = self.block1(jax.random.key(0), x,"),
        ("x = self.block2(x,", "key, x = self.block2(key, x,"),
        ("import jax.numpy as jnp", "import jax\nimport jax.numpy as jnp"),
    ],
    "what_is_returned_too_raises": [
        ("return self.head(x)", "return self.head(x), Lazy()"),
        (CALL, f"{CALL}[0]"),
        ("\n\nclass BasicBlock", f"{LAZY}\n\nclass BasicBlock"),
    ],
    "names_are_returned_too": [
        ("return self.head(x)", "return self.head(x), np.array(['logits'])"),
        (CALL, f"{CALL}[0]"),
        ("import jax.numpy as jnp", "import jax.numpy as jnp\nimport numpy as np"),
    ],
    "compiled_with_several_arrays": [
        ("        return self.head(x)", "        return self.head(x), {'pooled': x}"),
        (CALL, f"nnx.jit(lambda model: {CALL})(model)[0]"),
    ],
    "compiled_in_a_thread": [
        (CALL, "ThreadPoolExecutor(1).submit(compiled, model, image).result()"),
        ("def resnet", IN_A_THREAD.lstrip("\n")),
    ],
}

WRONG: dict[str, tuple[str, Edits]] = {
    "pools_otherwise_when_evaluated": (
        "global_average_pooling",
        [
            (
                "jnp.mean(x, axis=(0, 1))",
                "x.max((0, 1)) if use_running_average else x.mean((0, 1))",
            )
        ],
    ),
    "pools_an_output_that_is_pooled": (
        "global_average_pooling",
        [
            (
                "        return nnx.relu(y + x)",
                "        y = nnx.relu(y + x)\n        return y, y.max((0, 1), keepdims=True)",
            ),
            (
                "x = self.block1(x, use_running_average)",
                "x, _ = self.block1(x, use_running_average)",
            ),
            (
                "x = self.block2(x, use_running_average)",
                "_, x = self.block2(x, use_running_average)",
            ),
        ],
    ),
    "returns_none_of_several_arrays": (
        "class",
        [
            ("        return self.head(x)", "        return self.head(x), x"),
            ("return out.reshape(-1)", "return jnp.flip(out[0])"),
        ],
    ),
    "weights_under_another_kind_of_variable": (
        "class",
        [
            ("        self.head =", "        self.w = nnx.Cache(jnp.ones(4))\n        self.head ="),
            ("self.head(x)", "self.head(x * self.w)"),
        ],
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_program_passes(name: str, exercise: Exercise, forked: Sandbox) -> None:
    assert failed(RIGHT[name], exercise, forked) == {}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_one_near_it_fails(name: str, exercise: Exercise, forked: Sandbox) -> None:
    criterion, edits = WRONG[name]
    assert set(failed(edits, exercise, forked)) == {criterion}
