"""Other weights reach a student's own model through every wall, or an error says why not."""

import numpy as np
import pytest
from conftest import FIXTURES

from grader.diagnosis.transplant import first_other_weights, weights_for
from grader.errors import RunError
from grader.model import Case, Deadlines, Exercise, Observation, Sandbox, Weight
from grader.oracle import Oracle

RIGHT = (FIXTURES / "accepted" / "plain" / "submission.py").read_bytes()
OTHER_NAMES = (FIXTURES / "accepted" / "block_names_conv_a" / "submission.py").read_bytes()
WITHIN = (FIXTURES / "rejected" / "class_inside_function" / "submission.py").read_bytes()


@pytest.fixture(scope="module")
def solution(exercise: Exercise) -> str:
    return (exercise.folder / "solution.py").read_text()


def observe(oracle: Oracle, text: str, exercise: Exercise, seed: float) -> Observation:
    assert exercise.structure is not None
    seen = oracle.observe(text, {**exercise.watched, "seed": seed}, exercise.structure)
    assert seen is not None
    return seen


@pytest.mark.parametrize(
    "source", [RIGHT, OTHER_NAMES, WITHIN], ids=["same_names", "other_names", "in_the_function"]
)
def test_weights_of_another_seed_give_its_answers(
    exercise: Exercise, oracle: Oracle, sandbox: Sandbox, solution: str, source: bytes
) -> None:
    assert exercise.structure is not None
    reference = observe(oracle, solution, exercise, 9.0)
    arguments = list(exercise.watched.values())
    with sandbox.open(Deadlines()) as worker:
        worker.load(source, exercise.entry)
        seen = worker.inspect(arguments, exercise.structure)
        weights = weights_for(exercise.structure, reference, seen)
        assert weights is not None
        answer = worker.transplant(arguments, exercise.structure, weights)
        own = worker.call(arguments, first=False)
    expected = oracle.expect([Case({**exercise.watched, "seed": 9.0})])[0]
    assert answer.array is not None
    assert np.abs(answer.array - expected.exact).max() <= exercise.tolerance.bound(expected)
    assert own.array is not None
    assert np.abs(own.array - expected.exact).max() > 0.01, "nothing stays in the worker"


@pytest.mark.parametrize(
    "source",
    [
        b"import numpy as np\ndef resnet_classifier_forward(a, b, c): return np.ones(10, 'f4')\n",
        RIGHT.replace(b"block2 = BasicBlock(4", b"block2 = BasicBlock(5"),
    ],
    ids=["no_class", "another_shape"],
)
def test_a_model_without_these_places_is_an_error_of_the_submission(
    exercise: Exercise, forked: Sandbox, source: bytes
) -> None:
    assert exercise.structure is not None
    places = [Weight("block2.conv1", "kernel", np.zeros((3, 3, 4, 4), np.float32))]
    with forked.open(Deadlines()) as worker:
        worker.load(source, exercise.entry)
        with pytest.raises(RunError):
            worker.transplant(list(exercise.watched.values()), exercise.structure, places)


@pytest.mark.parametrize("way", ["jit", "remat"])
def test_layers_that_were_compiled_before_are_seen_again(
    way: str, exercise: Exercise, oracle: Oracle, forked: Sandbox, solution: str
) -> None:
    assert exercise.structure is not None
    header = b"    def __call__(self, x, use_running_average):"
    static = b"static_argnames" if way == "jit" else b"static_argnums"
    which = b'("use_running_average",)' if way == "jit" else b"(2,)"
    decorator = b"    @functools.partial(nnx.%s, %s=%s)\n" % (way.encode(), static, which)
    source = b"import functools\n" + RIGHT.replace(header, decorator + header)
    assert source.count(decorator) == 1
    reference = observe(oracle, solution, exercise, 9.0)
    arguments = list(exercise.watched.values())
    with forked.open(Deadlines()) as worker:
        worker.load(source, exercise.entry)
        for _ in range(2):
            seen = worker.inspect(arguments, exercise.structure)
            assert weights_for(exercise.structure, reference, seen) is not None


def test_weights_have_no_place_in_a_network_of_another_kind(
    exercise: Exercise, oracle: Oracle, solution: str
) -> None:
    assert exercise.structure is not None
    reference = observe(oracle, solution, exercise, 3.0)
    wider = observe(oracle, solution.replace("FEATURES = 4", "FEATURES = 8"), exercise, 3.0)
    assert weights_for(exercise.structure, reference, wider) is None
    without = observe(oracle, solution.replace("self.stem_bn", "self.norm"), exercise, 3.0)
    assert weights_for(exercise.structure, reference, without) is None


def test_the_first_layer_with_other_weights_is_found(
    exercise: Exercise, oracle: Oracle, solution: str
) -> None:
    assert exercise.structure is not None
    reference = observe(oracle, solution, exercise, 3.0)
    assert first_other_weights(exercise.structure, reference, reference) is None
    conv, norm = (
        "        self.conv1 = nnx.Conv(features, features, kernel_size=(3, 3), rngs=rngs)\n",
        "        self.bn1 = nnx.BatchNorm(features, rngs=rngs)\n",
    )
    assert conv + norm in solution
    swapped = observe(oracle, solution.replace(conv + norm, norm + conv), exercise, 3.0)
    assert first_other_weights(exercise.structure, reference, swapped) == "block1.conv1"
