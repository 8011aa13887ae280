"""Reduce a source to what stays when comments, layout, names and order of definitions change.

Two students may write the same program by themselves, the more so the smaller it is; whoever copies
one changes what is easily changed. So names that the file gives itself all look alike, while names
of libraries (`nnx.Conv`, `kernel_size`) and numbers stay; docstrings, annotations and imports are
left out; definitions are put in an order of their own.
"""

import ast
import warnings
import zlib
from collections.abc import Iterator

_LARGEST = 64 << 10
"""Bytes of a source that is looked at; the reference has 3 KiB."""
_FIRST, _COUNT = 0x10000, 0x100000
"""Code points that stand for the parts of a program: all above the surrogates."""

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_LEFT_OUT = (ast.Import, ast.ImportFrom, ast.expr_context)


def skeleton(source: bytes) -> str:
    """Return the skeleton: a character for each node of the syntax tree.

    Args:
        source: a source that intake has accepted, which makes it safe to parse.

    Returns:
        "" for a source that is too large to be looked at.
    """
    if len(source) > _LARGEST:
        return ""
    with warnings.catch_warnings(action="ignore"):  # what Python warns of is the student's
        tree = ast.parse(source)
    own = set(_own_names(tree))
    return "".join(_character(part) for part in _parts(tree, own))


def _own_names(tree: ast.AST) -> Iterator[str]:
    """Yield every name that the file itself gives to something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, _DEFINITIONS):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


def _parts(node: ast.AST, own: set[str]) -> list[str]:
    """Return the node and what is below it, as words in the order of the text.

    Intake refuses trees of more than a hundred levels, so recursion ends in time.
    """
    if isinstance(node, _LEFT_OUT) or _is_text(node):
        return []
    parts = [type(node).__name__ + _said(node, own)]
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        children = [one for one in value if isinstance(one, ast.AST)] if _is_list(value) else []
        if isinstance(value, ast.AST):
            children = [value]
        below = [_parts(child, own) for child in children]
        if name == "body" and children:
            below = _in_order(children, below)
        parts += [part for one in below for part in one]
    return parts


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_text(node: ast.AST) -> bool:
    """Whether it is a docstring, or any text that stands alone."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _in_order(nodes: list[ast.AST], below: list[list[str]]) -> list[list[str]]:
    """Sort the definitions among the statements of a body; the others keep their places."""
    at = [number for number, node in enumerate(nodes) if isinstance(node, _DEFINITIONS)]
    for number, parts in zip(at, sorted(below[number] for number in at), strict=True):
        below[number] = parts
    return below


def _said(node: ast.AST, own: set[str]) -> str:
    """Return what a node says beside its kind: a library's name, a number."""
    name = ""
    if isinstance(node, ast.Name):
        name = node.id
    elif isinstance(node, ast.Attribute):
        name = node.attr
    elif isinstance(node, ast.keyword):
        name = node.arg or ""
    elif isinstance(node, ast.Constant):
        return " text" if isinstance(node.value, str | bytes) else f" {node.value!r}"
    return "" if name in own else f" {name}"


def _character(part: str) -> str:
    return chr(_FIRST + zlib.crc32(part.encode("utf-8", "surrogatepass")) % _COUNT)
