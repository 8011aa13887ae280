"""Turn a Jupyter notebook into the Python source of its code cells."""

import re

import msgspec

from grader.errors import InvalidSubmission

_BOM = b"\xef\xbb\xbf"
_MAGIC = re.compile(r"[ \t]*(?:[%!?]|[\w.]+\?{1,2}[ \t]*$)")
"""What IPython takes for its own at the start of a statement: %magic, !command, ?name, name?."""
_TARGET = r"(?:[^=#\"'()\[\]{}]|\[[^]]*\]|\([^)]*\))+=[ \t]*"
_ASSIGNED = re.compile(rf"({_TARGET})([%!].*)")
"""The same on the right of an assignment, to whatever; Python has neither sign there."""
_TIMED = re.compile(rf"({_TARGET}|[ \t]*)%time[ \t]+(\S.*)")
"""The magic that runs the rest of its line as a statement, which stays defined."""
_PART = re.compile(r"""\"{3}|'{3}|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|#.*|[([{]|[)\]}]|\\$""")
"""What decides whether a statement goes on in the next line."""
_IN_STRING = {quote: re.compile(rf"(?:\\.|[^\\])*?{quote}") for quote in ('"' * 3, "'" * 3)}
_RUNS_PYTHON = re.compile(r"%%(?:time|capture)\b")
"""Cell magics whose cell is ordinary Python that stays defined."""


_FUTURE = re.compile(r"^from[ \t]+__future__[ \t]+import[ \t]+([^#\n]+)", re.MULTILINE)
_NAME = re.compile(r"\w+")


class _Cell(msgspec.Struct):
    cell_type: str = ""
    source: str | list[str] = ""
    input: str | list[str] = ""
    """What `source` was called in nbformat 3."""


class _Worksheet(msgspec.Struct):
    cells: list[_Cell]


class _Notebook(msgspec.Struct):
    cells: list[_Cell] | None = None
    worksheets: list[_Worksheet] | None = None
    """Where nbformat 3 keeps its cells."""


def notebook_source(data: bytes) -> bytes:
    """Return the code cells of a notebook, in order, joined by blank lines.

    Magics become comments, so that every line of code keeps its number; one line more comes first
    where a later cell imports from __future__.

    Args:
        data: the .ipynb file: JSON of nbformat 3, 4 or later.

    Raises:
        InvalidSubmission: not a notebook, or one without code.
    """
    cells = _cells(data)
    code = [_python(_joined(cell)) for cell in cells if cell.cell_type == "code"]
    if not any(text.strip() for text in code):
        raise InvalidSubmission("The notebook has no code cell; put the code into one and save it.")
    return (_with_futures_first("\n\n".join(code), code) + "\n").encode()


def _with_futures_first(joined: str, code: list[str]) -> str:
    """Put imports from __future__ that stand in later cells first: a cell is a file to Jupyter."""
    if not any(_FUTURE.search(text) for text in code[1:]):
        return joined
    named = [_NAME.findall(names) for names in _FUTURE.findall(joined)]
    features = dict.fromkeys(name for names in named for name in names)
    return f"from __future__ import {', '.join(features)}\n" + _FUTURE.sub(r"# \g<0>", joined)


def _cells(data: bytes) -> list[_Cell]:
    try:
        notebook = msgspec.json.decode(data.removeprefix(_BOM), type=_Notebook)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        reason = "The notebook is not valid notebook JSON"
    except RecursionError:
        reason = "The notebook is nested too deeply"
    else:
        if notebook.cells is not None:
            return notebook.cells
        if notebook.worksheets is not None:
            return [cell for sheet in notebook.worksheets for cell in sheet.cells]
        reason = "The notebook has no cells"
    raise InvalidSubmission(f"{reason}; save it in Jupyter again and send that file.")


def _joined(cell: _Cell) -> str:
    source = cell.source or cell.input
    return source if isinstance(source, str) else "".join(source)


def _python(cell: str) -> str:
    """Return a cell with its magics commented out."""
    cell = _without_indent(cell.replace("\r\n", "\n").replace("\r", "\n"))
    first = cell.lstrip()
    whole = first.startswith("%%") and not _RUNS_PYTHON.match(first)
    lines: list[str] = []
    statement, continued = _Statement(), False
    for line in cell.split("\n"):
        if whole or continued:
            lines.append("# " + line)
            magic = continued
        else:
            timed = None if statement.is_open else _TIMED.fullmatch(line)
            kept = line if timed is None else timed[1] + timed[2]
            lines.append(kept if statement.is_open else _without_magic(kept))
            magic = lines[-1] != kept
            statement.read(lines[-1])
        continued = magic and line.endswith("\\")
    return "\n".join(lines)


def _without_indent(cell: str) -> str:
    """Return a cell as IPython reads it: without what its first line is indented by."""
    lines = cell.split("\n")
    first = next((line for line in lines if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip(" \t"))]
    return "\n".join(line.removeprefix(indent) for line in lines)


class _Statement:
    """Whether a statement goes on in the next line: in brackets, in a string, after a backslash."""

    def __init__(self) -> None:
        self._depth, self._quote, self._continued = 0, "", False

    @property
    def is_open(self) -> bool:
        return self._depth > 0 or bool(self._quote) or self._continued

    def read(self, line: str) -> None:
        """Take the next line."""
        self._continued, at = False, 0
        while at < len(line):
            pattern = _IN_STRING[self._quote] if self._quote else _PART
            part = (pattern.match if self._quote else pattern.search)(line, at)
            if part is None:
                return
            at, text = part.end(), part.group()
            if self._quote:
                self._quote = ""
            elif text in _IN_STRING:
                self._quote = text
            elif text in "([{":
                self._depth += 1
            elif text in ")]}":
                self._depth = max(0, self._depth - 1)
            elif text == "\\":
                self._continued = True


def _without_magic(line: str) -> str:
    """Return a line at the start of a statement, with what only IPython can run as a comment."""
    assigned = _ASSIGNED.fullmatch(line)
    if assigned is not None:
        return f"{assigned[1]}None  # {assigned[2]}"
    return _commented(line) if _MAGIC.match(line) else line


def _commented(line: str) -> str:
    """Return a magic as a comment; inside a block as `pass`, or the block might be empty."""
    code = line.lstrip(" \t")
    return line[: len(line) - len(code)] + ("# " if code == line else "pass  # ") + code
