"""Fill in the blanks of what `new-exercise` lays out: a tiny exercise, one linear layer."""

from pathlib import Path

BLANKS = {
    "__init__.py": [("BLANK: what the exercise asks for, in one line.", "One layer.")],
    "solution.py": [
        ("BLANK: what this computes, in one line: the reference.", "Linear, then ReLU."),
        ("BLANK: the layers, in one line.", "One linear layer."),
        ("self.BLANK = BLANK", "self.linear = nnx.Linear(features, features, rngs=rngs)"),
        ("return BLANK", "return nnx.relu(self.linear(x))"),
    ],
    "exact.py": [
        (
            "output = BLANK",
            "kernel, bias = _array(model.linear.kernel), _array(model.linear.bias)\n"
            "    output = formulas.relu(formulas.linear(x, kernel, bias))",
        ),
        ("scale = BLANK", "scale = formulas.linear(np.abs(x), np.abs(kernel), np.abs(bias))"),
    ],
    "exercise.py": [
        ("layers=(BLANK,)", 'layers=(Layer("linear", "Linear", settings={"use_bias": True}),)'),
        ("    BLANK,\n", '    Criterion("linear", "Attribute linear", 20),\n'),
        ("BLANK: a title", "A linear layer and a ReLU"),
    ],
    "misconceptions/mistakes.toml": [
        ("BLANK_a_mistake_of_this_exercise", "no_relu"),
        ("BLANK: a few words", "No ReLU"),
        (
            "BLANK: what the student did, and what to do in its place; 40 to 500 characters.",
            "You left the ReLU out; negative results are cut off at 0.",
        ),
        ("BLANK: a text of solution.py", "nnx.relu(self.linear(x))"),
        ("BLANK: the mistake", "self.linear(x)"),
    ],
    "statement.md": [
        ("BLANK: a title", "A linear layer and a ReLU"),
        ("BLANK: a table of the attributes and their layers", "`linear`: an `nnx.Linear`."),
        ("BLANK: of which shape", "of the shape of `x`"),
        ("BLANK: the mistakes that you expect", "Forgetting the ReLU."),
        ("BLANK: the rubric in words", "Values and the class."),
    ],
    "fixtures/rejected/example/expected.toml": [("BLANK: what is wrong with it.", "No ReLU.")],
}
RIGHT = """
import jax.numpy as jnp
from flax import nnx


class TinyLayer(nnx.Module):
    def __init__(self, width, rngs):
        self.linear = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, x):
        return jnp.maximum(self.linear(x), 0)


def tiny_layer_forward(seed, x):
    return TinyLayer(x.shape[2], nnx.Rngs(int(seed)))(jnp.asarray(x))
"""


def fill_in(folder: Path) -> None:
    """Fill in every blank of a folder that is laid out as tiny_layer."""
    for name, pairs in BLANKS.items():
        path = folder / name
        text = path.read_text()
        for blank, filled in pairs:
            assert text.count(blank) == 1, (name, blank)
            text = text.replace(blank, filled)
        path.write_text(text)
    wrong = RIGHT.replace("jnp.maximum(self.linear(x), 0)", "self.linear(x)")
    (folder / "fixtures/accepted/plain/submission.py").write_text(RIGHT)
    (folder / "fixtures/rejected/example/submission.py").write_text(wrong)
