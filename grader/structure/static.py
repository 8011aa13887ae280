"""Read facts from the text of a submission: it is parsed, never executed."""

import ast
import threading
import warnings
from dataclasses import dataclass

_one_at_a_time = threading.Lock()
"""CPython 3.11 counts the depth of a tree for all threads together: of two that parse at once one
fails with "AST constructor recursion depth mismatch" (python/cpython#106905). Filters of warnings
are common to all threads as well."""


@dataclass(frozen=True)
class Facts:
    """What the text shows.

    Attributes:
        classes: name to line of every class definition.
    """

    classes: dict[str, int]


def read_facts(source: bytes) -> Facts:
    """Collect the definitions of a source; intake has parsed it within limits before."""
    # What Python warns of is the student's.
    with _one_at_a_time, warnings.catch_warnings(action="ignore"):
        tree = ast.parse(source)
    return Facts(
        {node.name: node.lineno for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    )
