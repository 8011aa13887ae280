"""A snippet is Python that holds the very numbers, in lines that no page and no platform cuts."""

from typing import Any

import numpy as np
import pytest

from grader.model import Case
from grader.snippet import snippet


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 1), (7, 5, 8), (20, 20, 3)])
def test_any_image_is_pasted_whole(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).normal(0, 1e-5, shape).astype(np.float32)
    text = snippet("f", Case({"seed": 3.0, "image": image}), np.array([-1e-5, 2.5]))
    assert max(map(len, text.splitlines())) <= 120
    seen: dict[str, Any] = {}

    def f(**arguments: Any) -> np.ndarray:
        seen.update(arguments)
        return np.zeros(2)

    call = text.replace("from submission import f", "").replace("f(seed, image)", "f(**case)")
    call = call.replace("actual =", "case = {'seed': seed, 'image': image}\nactual =")
    scope: dict[str, Any] = {"f": f}
    exec(call, scope)
    assert (seen["image"] == image).all()
    assert seen["image"].dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):  # as the grader gives it
        seen["image"][0] = 0
    assert scope["expected"].tolist() == [np.float32(-1e-5), 2.5]
