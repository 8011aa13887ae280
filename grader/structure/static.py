"""Read facts from the text of a submission: it is parsed, never executed."""

import ast
import warnings
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Facts:
    """What the text shows.

    Attributes:
        classes: name to line of every class definition.
        functions: name to line of every function and method definition.
        bases: class name to the source text of its bases.
    """

    classes: dict[str, int] = field(default_factory=dict)
    functions: dict[str, int] = field(default_factory=dict)
    bases: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read_facts(source: bytes) -> Facts:
    """Collect the definitions of a source; intake has parsed it within limits before."""
    facts = Facts()
    with warnings.catch_warnings(action="ignore"):  # what Python warns of is the student's
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            facts.classes[node.name] = node.lineno
            facts.bases[node.name] = tuple(ast.unparse(base)[:80] for base in node.bases)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            facts.functions[node.name] = node.lineno
    return facts
