"""The threat model names tests, files and commands that are there."""

import ast
import re

import pytest
from conftest import FIXTURES, ROOT

TEXTS = ("docs/threat-model.md", "SECURITY.md", "docs/images.md", "docs/sandbox.md")


def named(text: str) -> list[str]:
    """Paths in backticks, each perhaps with ::test."""
    pattern = r"`((?:tests|docs|fixtures|tools|requirements)/[\w./-]+(?:::\w+)?)`"
    return re.findall(pattern, (ROOT / text).read_text())


@pytest.mark.parametrize("text", TEXTS)
def test_named_files_and_tests_exist(text: str) -> None:
    for name in named(text):
        path, _, test = name.partition("::")
        assert (ROOT / path).exists(), name
        if test:
            tree = ast.parse((ROOT / path).read_text())
            functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert test in functions, name


@pytest.mark.parametrize("text", TEXTS)
def test_links_lead_somewhere(text: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / text).read_text()):
        assert ((ROOT / text).parent / target).exists(), target


def test_the_threat_model_names_enough_tests_and_counts_right() -> None:
    text = (ROOT / "docs/threat-model.md").read_text()
    assert len([name for name in named("docs/threat-model.md") if "::" in name]) >= 6
    told = re.search(r"(\d+) submissions in `fixtures", text)
    assert told is not None
    assert int(told[1]) == len(list((FIXTURES / "hostile").glob("*/expected.toml")))
