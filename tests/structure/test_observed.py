"""Structure is judged by what the watched call shows; claims that contradict each other fail."""

import msgspec
import numpy as np
import pytest
from conftest import FIXTURES

from grader.model import Deadlines, Exercise, Observation, Sandbox
from grader.sandbox.worker.wire import LARGEST_LIST
from grader.structure.judgement import Judgement
from grader.structure.observed import judge_structure
from grader.structure.static import Facts, read_facts

RIGHT = (FIXTURES / "accepted" / "plain" / "submission.py").read_bytes()


def watch(
    source: bytes, exercise: Exercise, forked: Sandbox
) -> tuple[Facts, Observation, np.ndarray | None]:
    arguments = list(exercise.watched.values())
    assert exercise.structure is not None
    with forked.open(Deadlines()) as worker:
        worker.load(source, exercise.entry)
        logits = worker.call(arguments, first=True).array
        return read_facts(source), worker.inspect(arguments, exercise.structure), logits


@pytest.fixture(scope="module")
def seen(exercise: Exercise, forked: Sandbox) -> tuple[Facts, Observation, np.ndarray | None]:
    return watch(RIGHT, exercise, forked)


def judge(
    exercise: Exercise, facts: Facts, seen: Observation, logits: np.ndarray | None
) -> dict[str, Judgement]:
    assert exercise.structure is not None
    return judge_structure(exercise.structure, facts, seen, logits)


def failed(judged: dict[str, Judgement]) -> set[str]:
    return {name for name, judgement in judged.items() if judgement.passed is False}


def test_the_plain_solution_passes_everything(exercise: Exercise, seen: object) -> None:
    judged = judge(exercise, *seen)  # type: ignore[misc]
    assert all(judgement.passed for judgement in judged.values()), judged


def test_every_layer_reports_what_a_student_could_be_told(seen: object) -> None:
    observation: Observation = seen[1]  # type: ignore[index]
    conv = observation.module("stem_conv")
    assert conv is not None
    assert conv.settings["kernel_size"] == [3, 3]
    assert {"kernel", "bias"} == set(conv.arrays)
    norms = [visit for visit in observation.training if "bn" in visit.path]
    assert len(norms) == 5
    assert all(visit.flag is False for visit in norms)


@pytest.mark.parametrize(
    ("path", "side", "finding"),
    [
        ("stem_conv", "output", "stem_conv"),
        ("stem_bn", "output", "stem_bn"),
        ("head", "output", "head"),
        ("head", "input", "global_average_pooling"),
        ("block2", "output", "global_average_pooling"),
    ],
)
def test_an_array_that_does_not_follow_is_a_contradiction(
    exercise: Exercise, seen: object, path: str, side: str, finding: str
) -> None:
    facts, observation, logits = seen  # type: ignore[misc]
    visit = next(visit for visit in observation.training if visit.path == path)
    arrays = list(observation.arrays)
    index = getattr(visit, side)
    arrays[index] = arrays[index] + np.float32(0.01)
    lying = msgspec.structs.replace(observation, arrays=tuple(arrays))
    assert finding in failed(judge(exercise, facts, lying, logits))


def test_other_logits_while_watched_fail_the_class(exercise: Exercise, seen: object) -> None:
    facts, observation, logits = seen  # type: ignore[misc]
    assert "class" in failed(judge(exercise, facts, observation, logits + 1))


def test_indices_that_point_nowhere_are_no_crash(exercise: Exercise, seen: object) -> None:
    facts, observation, logits = seen  # type: ignore[misc]
    empty = msgspec.structs.replace(observation, arrays=())
    assert "class" in failed(judge(exercise, facts, empty, logits))


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("self.head = nnx.Linear", "self.fc = nnx.Linear", "head"),
        ("self.stem_bn = nnx.BatchNorm", "self.stem_bn = nnx.LayerNorm", "stem_bn"),
        ("class ResNetClassifier(nnx.Module)", "class ResNetClassifier(object)", "class"),
    ],
)
def test_a_changed_structure_fails_where_it_changed(
    exercise: Exercise, forked: Sandbox, old: str, new: str, finding: str
) -> None:
    text = RIGHT.decode()
    assert old in text
    source = text.replace(old, new).replace(
        "self.head(", "self.fc(" if "fc" in new else "self.head("
    )
    if "LayerNorm" in new:
        source = source.replace("self.stem_bn(x, use_running_average=use_running_average)",
                                "self.stem_bn(x)")  # fmt: skip
    try:
        watched = watch(source.encode(), exercise, forked)
    except Exception as error:  # a class that is no module may already fail to run
        pytest.skip(f"does not run: {error}")
    assert finding in failed(judge(exercise, *watched))


def test_what_json_cannot_hold_costs_nothing(exercise: Exercise, forked: Sandbox) -> None:
    odd = """        self.best, self.least = float("inf"), [float("nan")]
        self.name, self.large = "\\ud800", 10**5000
"""
    source = RIGHT.decode().replace("        self.head = ", odd + "        self.head = ", 1)
    facts, seen, logits = watch(source.encode(), exercise, forked)
    root = seen.module("")
    assert root is not None
    assert root.settings["best"] == "inf"
    assert not {"least", "name", "large"} & root.settings.keys()
    judged = judge(exercise, facts, seen, logits)
    assert all(judgement.passed for judgement in judged.values()), judged


def test_layers_called_without_end_are_told_of_up_to_a_limit(
    exercise: Exercise, forked: Sandbox
) -> None:
    often = "        for _ in range(600):\n            self.head(x)\n        return self.head("
    source = RIGHT.decode().replace("        return self.head(", often, 1)
    assert source.count("range(600)") == 1
    _, seen, _ = watch(source.encode(), exercise, forked)
    assert len(seen.training) == LARGEST_LIST
    assert seen.array(seen.result) is not None
