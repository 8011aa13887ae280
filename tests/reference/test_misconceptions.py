"""Every variant is an edit that applies; every misconception teaches; names are not used twice."""

import ast
import tomllib

import pytest

import reference
from grader.errors import InternalError
from grader.variants import edit, read_misconceptions, read_right_variants

EXERCISES = {name: reference.load(name) for name in reference.names()}
SOLUTIONS = {name: (one.folder / "solution.py").read_text() for name, one in EXERCISES.items()}
WRONG = {name: read_misconceptions(one.folder) for name, one in EXERCISES.items()}
RIGHT = {name: read_right_variants(one.folder) for name, one in EXERCISES.items()}


@pytest.mark.parametrize("exercise", sorted(EXERCISES))
def test_there_are_many(exercise: str) -> None:
    assert len(WRONG[exercise]) >= 40
    assert len(RIGHT[exercise]) >= 7


@pytest.mark.parametrize(
    ("exercise", "name"), [(one, name) for one, found in WRONG.items() for name in sorted(found)]
)
def test_misconception_is_a_different_program_with_a_sentence(exercise: str, name: str) -> None:
    found, solution = WRONG[exercise][name], SOLUTIONS[exercise]
    variant = edit(solution, found.replace, name=name)
    assert ast.dump(ast.parse(variant)) != ast.dump(ast.parse(solution))
    assert len(found.title) <= 60
    assert found.message.endswith(".")
    assert 40 <= len(found.message) <= 500


@pytest.mark.parametrize("exercise", sorted(EXERCISES))
def test_no_two_variants_are_the_same_program(exercise: str) -> None:
    solution = SOLUTIONS[exercise]
    both = {**WRONG[exercise], **RIGHT[exercise]}
    assert len(both) == len(WRONG[exercise]) + len(RIGHT[exercise])
    texts = {name: edit(solution, one.replace, name=name) for name, one in both.items()}
    programs = {name: ast.dump(ast.parse(text)) for name, text in texts.items()}
    assert len({*programs.values(), ast.dump(ast.parse(solution))}) == len(programs) + 1


@pytest.mark.parametrize("exercise", sorted(EXERCISES))
def test_every_rejected_fixture_names_a_known_misconception(exercise: str) -> None:
    for path in (EXERCISES[exercise].fixtures / "rejected").glob("*/expected.toml"):
        name = tomllib.loads(path.read_text()).get("misconception")
        assert name is None or name in WRONG[exercise], path


def test_an_edit_that_does_not_apply_is_our_error() -> None:
    with pytest.raises(InternalError, match="0 times"):
        edit("solution", [("not in the reference", "x")], name="t")
