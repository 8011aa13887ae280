"""Read facts from the text of a submission: it is parsed, never executed."""

import ast
import threading
import warnings
from dataclasses import dataclass, field

_one_at_a_time = threading.Lock()
"""CPython 3.11 counts the depth of a tree for all threads together: of two that parse at once one
fails with "AST constructor recursion depth mismatch" (python/cpython#106905). Filters of warnings
are common to all threads as well."""


@dataclass(frozen=True)
class Facts:
    """What the text shows.

    Attributes:
        classes: name to line of every class definition.
        enclosed: of those that are not at the top level, name to what they are defined in:
            "the function build".
    """

    classes: dict[str, int]
    enclosed: dict[str, str] = field(default_factory=dict)


def read_facts(source: bytes) -> Facts:
    """Collect the definitions of a source; intake has parsed it within limits before."""
    # What Python warns of is the student's.
    with _one_at_a_time, warnings.catch_warnings(action="ignore"):
        tree = ast.parse(source)
    facts = Facts({})
    level: list[tuple[ast.AST, str]] = [(tree, "")]
    while level:  # the outer ones first
        below: list[tuple[ast.AST, str]] = []
        for node, within in level:
            if isinstance(node, ast.ClassDef):
                _take(facts, node, within)
            below += [(child, _inside(node) or within) for child in ast.iter_child_nodes(node)]
        level = below
    return facts


def _take(facts: Facts, node: ast.ClassDef, within: str) -> None:
    """Note a class, unless one of its name lies further out: that one is what the name means."""
    name = node.name
    if within and name in facts.classes:
        return
    facts.classes[name] = node.lineno
    if within:
        facts.enclosed[name] = within
    else:
        facts.enclosed.pop(name, None)


def _inside(node: ast.AST) -> str:
    """What the definitions below a node lie in; "" where it makes no difference."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return f"the function {node.name}"
    return f"the class {node.name}" if isinstance(node, ast.ClassDef) else ""
