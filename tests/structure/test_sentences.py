"""Each sentence about a structure is true, and names what the student wrote."""

import pytest
from edited import PLAIN, Edits, judged

from grader.model import Exercise, Sandbox

WITH_BATCH = ("self.stem_conv(image)", "self.stem_conv(image[None])")
MEAN = "jnp.mean(x, axis=(0, 1))"
ADDS = "nnx.relu(y + x)"
EXPECTED = "expected the mean over height and width, axes (1, 2)"
MAP = "of block2's output of shape (1, 7, 5, 4)"
ENTRY = "def resnet_classifier_forward(seed, image, num_classes):\n"
BODY = PLAIN.partition(ENTRY)[0]


def indented(text: str) -> str:
    return "".join(f"    {line}" if line.strip() else line for line in text.splitlines(True))


RAISED = "TypeError on line 15: add got incompatible shapes for broadcasting: (7, 5, 4), (3, 5, 4)"
IN_BLOCK: Edits = [(ADDS, "nnx.relu(y + x[:3])")]

SAID: dict[str, tuple[Edits, dict[str, tuple[bool | None, str]]]] = {
    "mean_over_width_of_a_batch": (
        [WITH_BATCH, (MEAN, "jnp.mean(x, axis=2)")],
        {
            "global_average_pooling": (
                False,
                f"head receives the mean over width, axes (2,), {MAP}; {EXPECTED}.",
            )
        },
    ),
    "mean_over_batch_and_height": (
        [WITH_BATCH, (MEAN, "jnp.mean(x, axis=(0, 1))")],
        {
            "global_average_pooling": (
                False,
                f"head receives the mean over batch and height, axes (0, 1), {MAP}; {EXPECTED}.",
            )
        },
    ),
    "maximum_of_a_batch": (
        [WITH_BATCH, (MEAN, "jnp.max(x, axis=(1, 2))")],
        {
            "global_average_pooling": (
                False,
                f"head receives the max over height and width, axes (1, 2), {MAP}; {EXPECTED}.",
            )
        },
    ),
    "mean_of_a_batch": (
        [WITH_BATCH, (MEAN, "jnp.mean(x, axis=(1, 2))")],
        {
            "global_average_pooling": (
                True,
                "head receives the mean of block2 over axes (1, 2).",
            )
        },
    ),
    "maximum_that_a_block_returns_before_its_feature_map": (
        [
            (
                "        return nnx.relu(y + x)",
                "        y = nnx.relu(y + x)\n        return y.max((0, 1), keepdims=True), y",
            ),
            ("x = self.block1(", "_, x = self.block1("),
            ("x = self.block2(", "x, _ = self.block2("),
        ],
        {
            "global_average_pooling": (
                False,
                "head receives the max over height and width, axes (0, 1), of block2's output of "
                "shape (7, 5, 4); expected the mean over height and width, axes (0, 1).",
            )
        },
    ),
    "raises_at_the_end_of_a_block": (
        IN_BLOCK,
        {
            "class": (True, f"ResNetClassifier is an nnx.Module; the call raised {RAISED}."),
            "block1": (True, f"block1 is built right; the call raised {RAISED}."),
            "block2": (
                None,
                f"Not judged: block2 was not called before the call raised {RAISED}.",
            ),
            "head": (None, f"Not judged: head was not called before the call raised {RAISED}."),
            "global_average_pooling": (
                None,
                f"Not judged: block2 and head were not called before the call raised {RAISED}.",
            ),
            "blocks_called": (
                None,
                f"Not judged: block2 and head were not called before the call raised {RAISED}.",
            ),
            "running_average_flag": (None, f"Not judged: the call raised {RAISED}."),
        },
    ),
    "raises_inside_a_block": (
        [("        y = self.bn2", "        y = y + x[:3]\n        y = self.bn2")],
        {
            "block1": (
                None,
                "Not judged: not all layers of block1 were called before the call raised "
                f"{RAISED.replace('15', '14')}.",
            ),
        },
    ),
    "raises_inside_a_block_that_is_wrong": (
        [
            ("        y = self.bn2", "        y = y + x[:3]\n        y = self.bn2"),
            ("nnx.BatchNorm(features,", "nnx.BatchNorm(features, epsilon=1e-3,"),
        ],
        {"block1": (False, "Attribute block1.bn1 has epsilon=0.001; expected 1e-05.")},
    ),
    "raises_before_the_model": (
        [("    out = ", "    image[0, 0] = 0\n    out = ")],
        {
            "class": (
                False,
                "ResNetClassifier was not called before the function raised ValueError on line "
                "38: assignment destination is read-only; it must be an nnx.Module that computes.",
            )
        },
    ),
    "never_called": (
        [("        x = self.block2(x, use_running_average)\n", "")],
        {"block2": (False, "block2 exists but is never called.")},
    ),
    "output_is_of_another_layer": (
        [
            (
                "class BasicBlock",
                "class Head(nnx.Linear):\n    def __call__(self, x):\n"
                "        return super().__call__(x) + 1\n\n\nclass BasicBlock",
            ),
            ("nnx.Linear(", "Head("),
        ],
        {
            "head": (
                False,
                "The output of head does not follow from its own weights and input.",
            )
        },
    ),
    "no_layer": (
        [("        self.head = ", "        self.stem_bn = 3\n        self.head = ")],
        {"stem_bn": (False, "stem_bn is an int and not a layer.")},
    ),
    "classes_inside_the_function": (
        [
            (BODY, "import jax.numpy as jnp\nfrom flax import nnx\n\n"),
            (ENTRY, ENTRY + indented(BODY)),
        ],
        {
            "class": (
                False,
                "The class ResNetClassifier on line 22 is defined inside the function "
                "resnet_classifier_forward; define it at the top level of the file.",
            )
        },
    ),
    "class_bound_to_something_else": (
        [
            (
                "\n\ndef resnet",
                "\n\nModel, ResNetClassifier = ResNetClassifier, None\n\n\ndef resnet",
            ),
            ("model = ResNetClassifier", "model = Model"),
        ],
        {
            "class": (
                False,
                "The file has a class ResNetClassifier on line 18, but ResNetClassifier is no "
                "class after import.",
            )
        },
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_is_true(name: str, exercise: Exercise, forked: Sandbox) -> None:
    edits, wanted = SAID[name]
    found = judged(edits, exercise, forked)
    assert {key: (found[key].passed, found[key].message) for key in wanted} == wanted


@pytest.mark.parametrize("name", ["classes_inside_the_function", "class_bound_to_something_else"])
def test_a_class_that_is_not_at_the_top_level_costs_its_own_points_only(
    name: str, exercise: Exercise, forked: Sandbox
) -> None:
    found = judged(SAID[name][0], exercise, forked)
    assert [key for key, one in found.items() if one.passed is not True] == ["class"]
