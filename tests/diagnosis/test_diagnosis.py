"""Mistakes are named on the smallest input that shows them; of unknown ones nothing is said."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from conftest import FIXTURES, statuses, submission

from grader.cases import generate
from grader.judge import Judge
from grader.model import Case, Exercise, Image, Report
from grader.oracle import Oracle, VariantAnswer

BRIGHT = [1.0, 0.0, 0.0, 0.0]
AFTER_STEM = ["stem_conv", "stem_bn", "ReLU after stem_bn"]
TO_BLOCK2 = [*AFTER_STEM, "block1", "block2"]

EXACT: dict[str, tuple[str | None, list[str], float, list[int], list[float]]] = {
    # fixture: first stage that differs, stages that agree before it, seed, shape, first pixels
    "pool_height_only": ("pooled", TO_BLOCK2, 0.0, [2, 2, 1], BRIGHT),
    "pool_max": ("pooled", TO_BLOCK2, 0.0, [2, 2, 1], BRIGHT),
    "pool_sum": ("pooled", TO_BLOCK2, 0.0, [2, 2, 1], BRIGHT),
    "stem_stride_two": ("stem_conv", [], 0.0, [2, 2, 1], BRIGHT),
    "epsilon_1e_3": ("stem_bn", ["stem_conv"], 0.0, [2, 2, 1], BRIGHT),
    "blocks_swapped": ("ReLU after stem_bn", ["stem_conv", "stem_bn"], 0.0, [2, 2, 1], BRIGHT),
    "softmax": (None, [*TO_BLOCK2, "pooled", "head"], 0.0, [2, 2, 1], BRIGHT),
    "result_2d": (None, [*TO_BLOCK2, "pooled", "head"], 0.0, [2, 2, 1], BRIGHT),
    "seed_ignored": ("stem_conv", [], 1.0, [1, 2, 1], [0.0, 1.0]),
    "image_channels_flipped": ("stem_conv", [], 0.0, [2, 2, 3], BRIGHT),
    "stem_three_channels": (None, [], 0.0, [2, 2, 1], BRIGHT),
    "ten_classes": ("head", [*TO_BLOCK2, "pooled"], 0.0, [2, 2, 1], BRIGHT),
}


def fixture(name: str) -> str:
    return (FIXTURES / "rejected" / name / "submission.py").read_text()


def grade(judge: Judge, name: str) -> Report:
    return judge.grade(submission(fixture(name)))


@pytest.mark.parametrize("name", sorted(EXACT))
def test_a_mistake_is_named_on_its_smallest_input_with_its_first_stage(
    judge: Judge, name: str
) -> None:
    report = grade(judge, name)
    stage, before, seed, shape, pixels = EXACT[name]
    found, example = report.diagnosis, report.counterexample
    assert (found.kind, found.id) == ("misconception", name)
    assert found.explained_cases >= 3
    assert (found.first_differing_stage, found.agrees_before) == (stage, before)
    assert example is not None
    image = example.arguments["image"]
    assert isinstance(image, Image)
    assert (example.arguments["seed"], image.shape) == (seed, shape)
    assert image.values[: len(pixels)] == pixels


def test_inside_a_block_its_own_layers_are_compared_under_the_students_names(judge: Judge) -> None:
    report = grade(judge, "no_residual")
    assert report.diagnosis.id == "no_residual"
    assert report.diagnosis.first_differing_stage == "block1"
    inner = ["block1.convA", "block1.bnA", "block1.convB", "block1.bnB"]
    assert report.diagnosis.agrees_before == [*AFTER_STEM, *inner]
    names = [stage.name for stage in report.stages]
    assert names.index("block1") == names.index("block1.bnB") + 1


RIGHT = (FIXTURES / "accepted" / "plain" / "submission.py").read_text()
BLOCK2 = "        self.block2 = BasicBlock(4, rngs)\n"
HEAD = "        self.head = nnx.Linear(4, num_classes, rngs=rngs)\n"
UNUSUAL_ORDER = RIGHT.replace(BLOCK2 + HEAD, "").replace(
    "        self.stem_conv", f"{BLOCK2}{HEAD}        self.stem_conv"
)


POOL = "        x = jnp.mean(x, axis=(0, 1))\n"
LAST = "return self.head(x)"
NOT_THEIR_MISTAKE = {
    # None: nothing that is known is named; else the kind of diagnosis that is true of it
    "branches_of_zero": (
        [
            (
                "self.bn2 = nnx.BatchNorm(features, ",
                "self.bn2 = nnx.BatchNorm(features, scale_init=nnx.initializers.zeros, ",
            )
        ],
        "creation_order",
    ),
    "both_blocks_forgotten": (
        [
            ("        x = self.block1(x, use_running_average)\n", ""),
            ("        x = self.block2(x, use_running_average)\n", ""),
        ],
        "none",
    ),
    "block2_is_a_copy": (
        [("BasicBlock(4, rngs)\n        self.head", "nnx.clone(self.block1)\n        self.head")],
        "creation_order",
    ),
    "a_faint_factor": ([(LAST, f"{LAST} * (1 + 1e-5)")], "none"),
    "a_factor_of_its_shape": (
        [(POOL, "        x = jnp.sum(x, axis=(0, 1)) / (x.shape[0] * x.shape[1] - 1 or 1)\n")],
        "none",
    ),
    "small_seeds_are_right": ([("int(seed)", "min(int(seed), 1000)")], "creation_order"),
}


@pytest.mark.parametrize("name", NOT_THEIR_MISTAKE)
def test_no_mistake_is_named_that_was_not_made(judge: Judge, name: str) -> None:
    edits, kind = NOT_THEIR_MISTAKE[name]
    text = RIGHT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    report = judge.grade(submission(text))
    assert report.verdict == "wrong_answer"
    assert (report.diagnosis.kind, report.diagnosis.id) == (kind, None)
    order = "in the order of the statement" in report.diagnosis.message
    assert order == (kind == "creation_order" and name != "small_seeds_are_right")


def test_another_order_of_creation_is_a_right_network(judge: Judge) -> None:
    report = judge.grade(submission(UNUSUAL_ORDER))
    assert report.diagnosis.kind == "creation_order"
    assert "first in stem_conv" in report.diagnosis.message
    assert "initialisers" in report.diagnosis.message
    assert statuses(report)["forward"] == "passed"
    assert statuses(report)["values"] == "failed"


def test_weights_of_another_initialiser_are_told_of_with_the_order(judge: Judge) -> None:
    lecun = "kernel_init=nnx.initializers.lecun_uniform()"
    source = RIGHT.replace("nnx.Linear(4, num_classes,", f"nnx.Linear(4, num_classes, {lecun},")
    report = judge.grade(submission(source))
    assert (report.diagnosis.kind, statuses(report)["forward"]) == ("creation_order", "passed")
    assert "first in head" in report.diagnosis.message
    assert "initialisers" in report.diagnosis.message


def test_a_known_order_of_creation_is_named_and_its_forward_pass_is_right(judge: Judge) -> None:
    report = grade(judge, "block2_created_before_block1")
    assert report.diagnosis.id == "block2_created_before_block1"
    assert report.diagnosis.first_differing_stage == "block1.conv1"
    assert statuses(report)["forward"] == "passed"


def test_a_mistake_beside_another_order_loses_the_forward_pass(judge: Judge) -> None:
    both = UNUSUAL_ORDER.replace("jnp.mean(x, axis=(0, 1))", "jnp.max(x, axis=(0, 1))")
    assert "jnp.max" in both
    report = judge.grade(submission(both))
    assert report.diagnosis.kind == "none"
    assert statuses(report)["forward"] == "failed"


def test_a_model_that_ignores_other_weights_is_not_right(judge: Judge) -> None:
    again = UNUSUAL_ORDER.replace(
        "    out = model(", "    model = ResNetClassifier(*shape)\n    out = model("
    ).replace(
        "    model = ResNetClassifier(image.shape[-1], int(num_classes), nnx.Rngs(int(seed)))\n",
        "    shape = image.shape[-1], int(num_classes), nnx.Rngs(int(seed))\n",
    )
    assert statuses(judge.grade(submission(again)))["forward"] == "passed"
    lazy = UNUSUAL_ORDER.replace("    out = model(image", "    out = 0 * model(image")
    assert statuses(judge.grade(submission(lazy)))["forward"] == "failed"


@pytest.mark.parametrize(
    "name", ["memoised_by_shape", "wrong_only_one_row", "one_call_in_twenty", "relative_noise"]
)
def test_an_unknown_mistake_is_not_guessed_at(judge: Judge, name: str) -> None:
    report = grade(judge, name)
    assert report.diagnosis.kind == "none"
    assert (report.diagnosis.id, report.diagnosis.title, report.diagnosis.message) == (None, "", "")


def test_of_a_later_case_only_those_are_asked_that_the_first_case_leaves(
    judge: Judge, exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every misconception has answered the first case; on another one all of them cost 28 CPU s."""
    asked: Counter[str] = Counter()
    answer_of = Oracle.answer_of

    def counted(oracle: Oracle, text: str, case: Case) -> VariantAnswer:
        asked[case.digest] += 1
        return answer_of(oracle, text, case)

    monkeypatch.setattr(Oracle, "answer_of", counted)
    report = grade(judge, "ten_classes")
    assert report.diagnosis.id == "ten_classes"
    first = generate(exercise, report.suite.seed, report.suite.cases).cases[0].digest
    of_first = asked.pop(first)
    assert of_first > 100 and asked and max(asked.values()) < of_first / 2


def test_of_a_right_submission_nothing_is_said(judge: Judge) -> None:
    right = (FIXTURES / "accepted" / "plain" / "submission.py").read_text()
    report = judge.grade(submission(right))
    assert report.diagnosis.kind == "none"
    assert report.stages == []
    assert [case.passed for case in report.cases] == [True] * 96


def test_structure_names_what_no_input_can_tell(judge: Judge) -> None:
    report = grade(judge, "head_without_bias")
    assert report.verdict == "structure"
    assert (report.diagnosis.kind, report.diagnosis.id) == ("misconception", "head_without_bias")


def test_structure_names_it_in_a_model_with_a_batch_axis_too(judge: Judge) -> None:
    source = RIGHT.replace("self.stem_conv(image)", "self.stem_conv(image[None])")
    source = source.replace("        x = jnp.mean(x, axis=(0, 1))\n        return self.head(x)",
                            "        return jnp.mean(self.head(x), axis=(1, 2))")  # fmt: skip
    report = judge.grade(submission(source))
    assert report.verdict == "structure"
    assert report.diagnosis.id == "head_before_pooling"


def test_a_stub_is_not_told_of_a_layer_that_it_lacks(judge: Judge) -> None:
    report = grade(judge, "zeros_stub")
    assert (report.diagnosis.kind, report.diagnosis.id) == ("pattern", "same_answer")
    assert report.diagnosis.title == "Nothing but zeros"


def test_who_gives_zeros_now_and_then_is_not_told_that_all_are(judge: Judge) -> None:
    source = RIGHT.replace("return out.reshape(-1)", "return out.reshape(-1) * (seed > 180)")
    report = judge.grade(submission(source))
    assert any(case.passed for case in report.cases)
    assert report.diagnosis.title == "The same answer to different inputs"


def test_zeros_of_a_network_that_is_built_right_are_its_heads(judge: Judge) -> None:
    zeros = "kernel_init=nnx.initializers.zeros"
    source = RIGHT.replace("nnx.Linear(4, num_classes,", f"nnx.Linear(4, num_classes, {zeros},")
    report = judge.grade(submission(source))
    assert (report.diagnosis.kind, report.diagnosis.id) == ("misconception", "zeros_head")


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_a_block_that_strides_is_told_so_whichever_convolution_does(
    judge: Judge, layer: str
) -> None:
    made, stride = "nnx.Conv(features, features, kernel_size=(3, 3)", ", strides=(2, 2)"
    source = fixture("block_conv2_strides").replace(stride, "")
    source = source.replace(f"self.{layer} = {made}", f"self.{layer} = {made}{stride}")
    assert source.count(stride) == 1
    report = judge.grade(submission(source))
    assert report.diagnosis.id == "block_stride_two"
    assert "One of the two convolutions" in report.diagnosis.message


@pytest.mark.parametrize(
    ("change", "kind", "name"),
    [
        ("-3.5 * (logits - 0) + 0 * jnp.sum(logits)", "pattern", "constant_factor"),
        ("image.shape[1] * logits", "pattern", "size_factor"),
    ],
)
def test_the_form_of_an_error_is_recognised(
    judge: Judge, change: str, kind: str, name: str
) -> None:
    right = (FIXTURES / "accepted" / "plain" / "submission.py").read_text()
    head, _, tail = right.rpartition("return ")
    wrong = f"{head}logits = {tail.strip()}\n    return {change}\n"
    report = judge.grade(submission(wrong))
    assert (report.diagnosis.kind, report.diagnosis.id) == (kind, name)
    assert report.diagnosis.explained_cases >= 3


def test_the_snippet_repeats_the_failure_without_the_reference(judge: Judge) -> None:
    report = grade(judge, "pool_sum")
    assert report.counterexample is not None
    seen: dict[str, Any] = {}

    def function(seed: float, image: np.ndarray, num_classes: float) -> np.ndarray:
        seen.update(seed=seed, image=image, num_classes=num_classes)
        return np.array([0.5], np.float32)

    text = report.counterexample.snippet
    assert "from submission import resnet_classifier_forward" in text
    runnable = text.replace("from submission import resnet_classifier_forward", "")
    scope = {"resnet_classifier_forward": function}
    exec(compile(runnable, "snippet", "exec"), scope)
    assert seen["image"].dtype == np.float32
    assert seen["image"].shape == (2, 2, 1)
    assert seen["image"].ravel().tolist() == BRIGHT
    assert (seen["seed"], seen["num_classes"]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("edits", "names"),
    [
        (
            [("self.conv2(y)", "self.conv1(y)"), ("x = self.block2(x", "x = self.block1(x")],
            {"conv1_used_twice", "block1_applied_twice"},
        ),
        (
            [("return nnx.relu(y + x)", "return y + x"), ("out.reshape(-1)", "-out.reshape(-1)")],
            {"no_final_relu", "logits_negated"},
        ),
    ],
    ids=["both_in_the_network", "one_after_it"],
)
def test_two_mistakes_are_named_together(
    judge: Judge, edits: list[tuple[str, str]], names: set[str]
) -> None:
    wrong = RIGHT
    for old, new in edits:
        assert wrong.count(old) == 1, old
        wrong = wrong.replace(old, new)
    found = judge.grade(submission(wrong)).diagnosis
    assert found.kind == "misconception"
    assert found.id is not None
    assert set(found.id.split(" + ")) == names
    assert found.message.startswith("Two mistakes. ")
    assert found.explained_cases >= 3
