"""Every misconception is an edit that applies, teaches, and changes what the network computes."""

import ast

import pytest
from conftest import FIXTURES, ROOT

from grader.errors import InternalError
from grader.variants import edit, read_misconceptions

FOLDER = ROOT / "reference" / "resnet_classifier"
SOLUTION = (FOLDER / "solution.py").read_text()
ALL = read_misconceptions(FOLDER)


def test_there_are_many() -> None:
    assert len(ALL) >= 40


@pytest.mark.parametrize("name", sorted(ALL))
def test_misconception_is_a_different_program_with_a_sentence(name: str) -> None:
    found = ALL[name]
    variant = edit(SOLUTION, found.replace, name=name)
    assert ast.dump(ast.parse(variant)) != ast.dump(ast.parse(SOLUTION))
    assert len(found.title) <= 60
    assert found.message.endswith(".")
    assert 40 <= len(found.message) <= 500


def test_no_two_misconceptions_are_the_same_program() -> None:
    programs = {
        name: ast.dump(ast.parse(edit(SOLUTION, one.replace, name=name)))
        for name, one in ALL.items()
    }
    assert len(set(programs.values())) == len(programs)


def test_every_rejected_fixture_names_a_known_misconception() -> None:
    import tomllib

    for path in (FIXTURES / "rejected").glob("*/expected.toml"):
        name = tomllib.loads(path.read_text()).get("misconception")
        assert name is None or name in ALL, path


def test_an_edit_that_does_not_apply_is_our_error() -> None:
    with pytest.raises(InternalError, match="0 times"):
        edit(SOLUTION, [("not in the reference", "x")], name="t")
