"""Copies are found through what is easily changed, at a price that grows with the class."""

import re

import numpy as np
import pytest
from conftest import FIXTURES

from grader.batch.likeness import LEAST_ALIKE, near_identical, sketch
from grader.batch.skeleton import skeleton

PLAIN = (FIXTURES / "accepted" / "plain" / "submission.py").read_text()


def alike(*sources: str) -> list[tuple[int, int]]:
    skeletons = [skeleton(source.encode()) for source in sources]
    sketches = [one for one in map(sketch, skeletons) if one is not None]
    assert len(sketches) == len(sources)
    pairs = near_identical(sketches, skeletons.__getitem__)
    assert all(pair.likeness >= LEAST_ALIKE for pair in pairs)
    return [(pair.one, pair.other) for pair in pairs]


def renamed(source: str, **names: str) -> str:
    for before, after in names.items():
        source = re.sub(rf"\b{before}\b", after, source)
    return source


DISGUISES = {
    "comments": "# mine\n" + PLAIN.replace("\n", "  # a comment\n"),
    "docstring": PLAIN.replace(" rngs):\n", ' rngs):\n        """Mine."""\n', 1),
    "names": renamed(PLAIN, BasicBlock="Piece", image="picture", features="width", model="net"),
    "layout": PLAIN.replace("(", "( ").replace(", ", ",  "),
    "imports": PLAIN.replace("import jax.numpy as jnp", "import jax\nimport jax.numpy as jnp"),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguise_does_not_hide_a_copy(name: str) -> None:
    assert DISGUISES[name] != PLAIN
    assert alike(PLAIN, DISGUISES[name]) == [(0, 1)]


def test_definitions_in_another_order_do_not_hide_a_copy() -> None:
    one = "def f(a):\n    return a + 1\n\n\ndef g(b):\n    return [b * c for c in range(9)]\n"
    first, second = one.split("\n\n\n")
    assert skeleton(one.encode()) == skeleton(f"{second}\n\n{first}\n".encode())


def test_another_style_and_another_mistake_are_not_a_copy() -> None:
    others = ("accepted/vmap_batch_of_one", "accepted/loop_over_blocks", "rejected/pool_max")
    texts = [(FIXTURES / name / "submission.py").read_text() for name in others]
    assert alike(PLAIN, *texts) == []


def test_what_a_library_calls_something_counts_and_own_names_do_not() -> None:
    assert skeleton(b"x = nnx.Conv(3)") != skeleton(b"x = nnx.Linear(3)")
    assert skeleton(b"x = f(3)") != skeleton(b"x = f(4)")
    assert skeleton(b"x = f(3)") == skeleton(b"longer_name = f(3)  # same")


def test_a_short_or_a_huge_source_tells_nothing() -> None:
    assert sketch(skeleton(b"x = 1")) is None
    assert skeleton(b"x = 1\n" * 20_000) == ""


def test_a_class_of_copies_costs_no_square() -> None:
    sketches = [np.full(96, 7, np.uint64) for _ in range(400)]
    compared = []

    def skeleton_of(number: int) -> str:
        compared.append(number)
        return "a" * 50

    pairs = near_identical(sketches, skeleton_of)
    assert {number for pair in pairs for number in pair[1:]} == set(range(400))
    assert len(compared) <= 2 * 10 * 400  # all pairs would be 159,600
