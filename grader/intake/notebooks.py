"""Turn a Jupyter notebook into the Python source of its code cells."""

import re

import msgspec

from grader.errors import InvalidSubmission

_BOM = b"\xef\xbb\xbf"
# At the margin % and ! can only be IPython's; further in, `% b)` may continue an expression.
_MAGIC = re.compile(r"[%!]|[ \t]+[%!](?=[A-Za-z])")
_RUNS_PYTHON = re.compile(r"%%(?:time|capture)\b")
"""Cell magics whose cell is ordinary Python that stays defined."""


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

    Magics become comments, so that every line of code keeps its number.

    Args:
        data: the .ipynb file: JSON of nbformat 3, 4 or later.

    Raises:
        InvalidSubmission: not a notebook, or one without code.
    """
    cells = _cells(data)
    code = [_python(_joined(cell)) for cell in cells if cell.cell_type == "code"]
    if not any(text.strip() for text in code):
        raise InvalidSubmission("The notebook has no code cell; put the code into one and save it.")
    return ("\n\n".join(code) + "\n").encode()


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
    cell = cell.replace("\r\n", "\n").replace("\r", "\n")
    first = cell.lstrip()
    whole = first.startswith("%%") and not _RUNS_PYTHON.match(first)
    lines: list[str] = []
    continued = False
    for line in cell.split("\n"):
        magic = _MAGIC.match(line) is not None
        if whole or continued:
            lines.append("# " + line)
        else:
            lines.append(_commented(line) if magic else line)
        continued = (magic or continued) and line.endswith("\\")
    return "\n".join(lines)


def _commented(line: str) -> str:
    """Return a magic as a comment; inside a block as `pass`, or the block might be empty."""
    code = line.lstrip(" \t")
    return line[: len(line) - len(code)] + ("# " if code == line else "pass  # ") + code
