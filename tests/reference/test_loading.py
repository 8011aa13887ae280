"""Exercises are found by name in reference/ and by path anywhere; what is no exercise is named."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import FIXTURES, ROOT

import reference
from grader.errors import UsageError
from grader.model import Argument, Criterion, Layer, Pooling, Structure


def test_both_exercises_are_there() -> None:
    assert reference.names() == ["basic_block", "resnet_classifier"]


def test_a_copy_elsewhere_is_an_exercise_of_its_own(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "reference" / "basic_block", tmp_path / "copy")
    first, copy = reference.load("basic_block"), reference.load(str(tmp_path / "copy"))
    assert copy.folder == tmp_path / "copy"
    assert copy.digest == first.digest
    assert {one.name for one in copy.families()} == {one.name for one in first.families()}


def test_digest_covers_every_file_but_fixtures(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "reference" / "basic_block", tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "fixtures")
    without = reference.load(str(tmp_path / "copy"))
    assert without.digest == reference.load("basic_block").digest
    shutil.copytree(tmp_path / "copy", tmp_path / "other")
    with (tmp_path / "other" / "statement.md").open("a") as statement:
        statement.write("One more word.\n")
    assert reference.load(str(tmp_path / "other")).digest != without.digest


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "reference" / "basic_block", tmp_path / "copy")
    extra = tmp_path / "copy" / "notes.md"
    extra.symlink_to("/proc/self/mem")  # no permission would stop root
    with pytest.raises(UsageError, match=f"cannot read {extra}: .*; make it readable, or move it"):
        reference.load(str(tmp_path / "copy"))


def test_fixtures_lie_in_the_folder_or_beside_reference() -> None:
    assert reference.load("resnet_classifier").fixtures == FIXTURES
    inside = ROOT / "reference" / "basic_block" / "fixtures"
    assert reference.load("basic_block").fixtures == inside


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "holds no exercise.py"),
        ("EXERCISE = 3\n", "defines no EXERCISE"),
        ("import no_such_module\n", "ModuleNotFoundError"),
        ("def (:\n", "SyntaxError"),
    ],
)
def test_what_is_no_exercise_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    folder = tmp_path / "it"
    folder.mkdir()
    if text is not None:
        (folder / "exercise.py").write_text(text)
    with pytest.raises(UsageError, match=said):
        reference.load(str(folder))


def test_a_rubric_that_names_what_nothing_judges_is_refused() -> None:
    exercise = reference.load("basic_block")
    rubric = (*exercise.rubric, Criterion("colour", "Has a nice colour", 5))
    with pytest.raises(ValueError, match="nothing judges: colour"):
        dataclasses.replace(exercise, rubric=rubric)


def test_a_flag_that_no_call_has_is_not_judged() -> None:
    exercise = reference.load("basic_block")
    assert exercise.structure is not None
    flagless = msgspec.structs.replace(exercise.structure, flag="")
    with pytest.raises(ValueError, match="nothing judges: running_average_flag"):
        dataclasses.replace(exercise, structure=flagless)


@pytest.mark.parametrize(
    ("name", "criterion"),
    [
        ("basic_block", "bn2"),
        ("basic_block", "blocks_called"),
        ("basic_block", "running_average_flag"),
        ("resnet_classifier", "global_average_pooling"),
    ],
)
def test_a_rubric_that_leaves_out_what_the_structure_asks_is_refused(
    name: str, criterion: str
) -> None:
    exercise = reference.load(name)
    rubric = tuple(one for one in exercise.rubric if one.id != criterion)
    with pytest.raises(ValueError, match=f"no criterion in the rubric: {criterion}$"):
        dataclasses.replace(exercise, rubric=rubric)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (19.5, "values has 19.5 points; they are whole numbers"),
        ("20", "values has '20' points"),
        (-1, "values has -1 points"),
        (True, "values has True points"),
    ],
)
def test_points_that_no_report_could_hold_are_refused(points: Any, said: str) -> None:
    exercise = reference.load("basic_block")
    rubric = [
        msgspec.structs.replace(one, points=points) if one.id == "values" else one
        for one in exercise.rubric
    ]
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(exercise, rubric=tuple(rubric))
    twice = (*exercise.rubric, *(one for one in exercise.rubric if one.id == "values"))
    with pytest.raises(ValueError, match="a criterion twice: values"):
        dataclasses.replace(exercise, rubric=twice)


def test_the_seed_is_the_first_integer_that_decides_no_size() -> None:
    exercise = reference.load("resnet_classifier")
    assert exercise.seed == "seed"
    sizes = Argument("width", "integer", sizes=True)
    groups, x = Argument("groups", "integer"), Argument("x", "array")
    assert dataclasses.replace(exercise, arguments=(sizes, x)).seed is None
    others = (sizes, x, Argument("seed", "integer"), groups)
    assert dataclasses.replace(exercise, arguments=others).seed == "seed"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"once": ("block1", "blok2")}, "once names blok2"),
        ({"pooling": Pooling("block2", "haed", axes=(0, 1))}, "pooling names haed"),
        ({"pooling": Pooling("blok2", "head", axes=(0, 1))}, "pooling names blok2"),
    ],
)
def test_a_structure_that_asks_something_of_no_layer_is_refused(
    changed: dict[str, Any], said: str
) -> None:
    structure: Structure | None = reference.load("resnet_classifier").structure
    assert structure is not None
    fields = {**msgspec.structs.asdict(structure), **changed}
    with pytest.raises(ValueError, match=f"{said}, which is not among layers: stem_conv"):
        Structure(**fields)  # replace() of the oldest msgspec that we take looks at nothing


def test_a_suite_without_cases_is_refused() -> None:
    with pytest.raises(ValueError, match="has at least 1"):
        dataclasses.replace(reference.load("basic_block"), cases=0)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({"kind": "Conv", "layers": (Layer("conv", "Conv"),)}, "would not be looked at"),
        ({"settings": {"strides": 2}, "layers": (Layer("conv", "Conv"),)}, "not be looked at"),
        ({"layers": (Layer("inner", layers=(Layer("conv", "Conv"),)),)}, "only one level"),
    ],
)
def test_a_layer_of_which_something_would_not_be_looked_at_is_refused(
    layer: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Layer("block", **layer)
