"""Whatever a worker claims, the structure is judged: a lie is never an error of ours."""

import json
import tracemalloc
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from conftest import FIXTURES

from grader.diagnosis.stages import trace
from grader.diagnosis.transplant import first_other_weights, weights_for
from grader.model import Deadlines, Exercise, Module, Observation, Sandbox, Visit
from grader.model.observation import MOST_OUTPUTS
from grader.structure.layers import follows
from grader.structure.observed import judge_structure
from grader.structure.static import read_facts

RIGHT = (FIXTURES / "accepted" / "plain" / "submission.py").read_bytes()

VALUES = [None, True, -1, 0, 3, 10**400, 1e308, float("nan"), "SAME", [], [3, [3]], [10**400], {}]
PATHS = ["", "head", "block1", "block1.x", "nowhere", "\u202e", "block1.\x1b[31m\u202e"]
TYPES = [[], [""], ["."], ["flax.nnx.nn.x.Conv"], ["flax.nnx.nn.BatchNorm"], ["flax.nnx.nn.Linear"]]
DTYPES = ["<f4", "<f8", "|b1", "<i8", "|u1", "<c8", "<f2"]


@pytest.fixture(scope="module")
def honest(exercise: Exercise, forked: Sandbox) -> Observation:
    arguments = list(exercise.watched.values())
    assert exercise.structure is not None
    with forked.open(Deadlines()) as worker:
        worker.load(RIGHT, exercise.entry)
        return worker.inspect(arguments, exercise.structure)


def any_array(random: Random) -> np.ndarray:
    """Return an array of any dtype, rank and content, infinities included."""
    shape = [random.randint(0, 8) for _ in range(random.randint(0, 5))]
    array = np.full(shape, random.choice([0, 1, 255]), random.choice(DTYPES))
    if array.dtype.kind in "fc" and array.size and random.random() < 0.5:
        array.flat[0] = random.choice([np.nan, np.inf, 6e4])
    return array


def lie(random: Random, claims: dict[str, Any], arrays: list[np.ndarray]) -> None:
    """Change one claim."""
    visits = claims["training"] + claims["evaluation"]
    what = random.choice(["array", "setting", "path", "index", "others", "drop", "types"])
    if what == "array":
        arrays[random.randrange(len(arrays))] = any_array(random)
    elif what == "index" and visits:
        side = random.choice(["input", "output"])
        random.choice(visits)[side] = random.choice([None, -1, 0, 7, 20, 10**6])
    elif what == "others" and visits:
        indices = [random.choice([-1, 0, 7, 20, 10**6]) for _ in range(random.randint(0, 40))]
        random.choice(visits)["others"] = indices
    elif what == "path" and visits:
        random.choice(visits)["path"] = random.choice(PATHS)
    elif what == "types" and claims["modules"]:
        random.choice(claims["modules"])["types"] = random.choice(TYPES)
    elif what == "setting" and claims["modules"]:
        name = random.choice(["epsilon", "strides", "kernel_size", "momentum"])
        random.choice(claims["modules"])["settings"][name] = random.choice(VALUES)
    elif what == "drop":
        members = claims[random.choice(["modules", "attributes", "training", "evaluation"])]
        if members:
            members.pop(random.randrange(len(members)))


@pytest.mark.parametrize("start", range(0, 1000, 100))
def test_any_lie_is_judged(exercise: Exercise, honest: Observation, start: int) -> None:
    assert exercise.structure is not None
    truth = msgspec.json.encode(msgspec.structs.replace(honest, arrays=()))
    facts, logits = read_facts(RIGHT), honest.array(honest.result)
    for seed in range(start, start + 100):
        random = Random(seed)
        claims, arrays = json.loads(truth), list(honest.arrays)
        for _ in range(random.randint(1, 6)):
            lie(random, claims, arrays)
        try:
            lying = msgspec.json.decode(json.dumps(claims), type=Observation)
        except msgspec.DecodeError:
            continue  # refused before it is judged
        lying = msgspec.structs.replace(lying, arrays=tuple(arrays))
        judged = judge_structure(exercise.structure, facts, lying, logits)
        for judgement in judged.values():
            assert judgement.message.isprintable(), seed
            msgspec.json.encode(dict(judgement.evidence))
        for stage in trace(exercise.structure, honest, lying, 4e-6):
            assert stage.name.isprintable(), seed
            msgspec.json.encode(stage)
        weights_for(exercise.structure, honest, lying)
        other = first_other_weights(exercise.structure, honest, lying)
        assert other is None or other.isprintable(), seed


def test_of_arrays_without_end_a_few_are_looked_at(honest: Observation) -> None:
    visit = Visit(path="head", output=0, others=list(range(10**5)))
    assert len(honest.arrays) > MOST_OUTPUTS == len(honest.outputs(visit)) + 1  # 0 stands twice
    assert len(honest.outputs(Visit(path="head", output=0, others=[0] * 10**5))) == 1


def test_a_layer_with_a_hostile_name_is_shown_escaped(
    exercise: Exercise, honest: Observation
) -> None:
    assert exercise.structure is not None
    text = msgspec.json.encode(msgspec.structs.replace(honest, arrays=())).decode()
    renamed = text.replace("block1.conv1", r"block1.\u001b[31m\u202e")
    first = next(visit.output for visit in honest.training if visit.path == "block1.conv1")
    assert first is not None
    arrays = tuple(array + (at >= first) for at, array in enumerate(honest.arrays))
    lying = msgspec.json.decode(renamed, type=Observation)
    lying = msgspec.structs.replace(lying, arrays=arrays)
    names = [stage.name for stage in trace(exercise.structure, honest, lying, 4e-6)]
    assert r"block1.\u001b[31m\u202e" in names


def claim(kind: str, given: np.ndarray, output: np.ndarray, **arrays: np.ndarray) -> Observation:
    """One call of one layer at "head"."""
    names = {name: at for at, name in enumerate(arrays, start=2)}
    module = Module(
        path="head", types=[f"flax.nnx.nn.{kind}"], settings={"epsilon": 1e-5}, arrays=names
    )
    visit = Visit(path="head", input=0, output=1)
    kept = (given, output, *arrays.values())
    return Observation(root="", found=True, modules=[module], training=[visit], arrays=kept)


LONG = 100_000
"""A column times a row of so many would be 80 GB in float64."""


@pytest.mark.parametrize(
    ("kind", "given", "arrays"),
    [
        ("Linear", (LONG, 1), {"kernel": (1, LONG)}),
        ("Conv", (LONG, 1, 1), {"kernel": (1, 1, 1, LONG)}),
        ("Conv", (400, 400, 1), {"kernel": (350, 350, 1, 1)}),
        ("Conv", (300, 300, 1), {"kernel": (1, 1, LONG)}),
        ("BatchNorm", (LONG, 1), {"scale": (1, LONG)}),
        ("BatchNorm", (LONG, 1), {"scale": (1,), "bias": (LONG,)}),
        ("BatchNorm", (LONG, 1), {"scale": (1,), "mean": (LONG,), "var": (1,)}),
    ],
)
@pytest.mark.parametrize("running", [False, True])
def test_claims_that_do_not_fit_together_are_not_computed(
    kind: str, given: tuple[int, ...], arrays: dict[str, tuple[int, ...]], running: bool
) -> None:
    ones = {name: np.ones(shape, np.int8) for name, shape in arrays.items()}
    seen = claim(kind, np.ones(given, np.int8), np.ones(given, np.int8), **ones)
    tracemalloc.start()
    assert follows(seen, seen.training[0], running=running) is False
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64 << 20


def test_settings_nested_without_end_are_other_settings(
    exercise: Exercise, honest: Observation
) -> None:
    assert exercise.structure is not None
    text = msgspec.json.encode(msgspec.structs.replace(honest, arrays=())).decode()
    nested = text.replace('"kernel_size":[3,3]', f'"kernel_size":[3,{"[" * 900}3{"]" * 900}]')
    nested = nested.replace('"strides":1', f'"strides":{"[" * 900}1{"]" * 900}')
    assert nested.count("[" * 900) > 2
    lying = msgspec.json.decode(nested, type=Observation)
    lying = msgspec.structs.replace(lying, arrays=honest.arrays)
    facts, logits = read_facts(RIGHT), honest.array(honest.result)
    judged = judge_structure(exercise.structure, facts, lying, logits)
    assert judged["stem_conv"].passed is False
