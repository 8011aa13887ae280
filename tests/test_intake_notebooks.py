"""Show how a notebook becomes source: code cells in order, magics as comments, all else refused."""

import ast
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import InvalidSubmission
from grader.intake import read_submission
from grader.intake.notebooks import notebook_source

FULL = 256 << 10


def notebook(*cells: str, **more: object) -> bytes:
    code = [{"cell_type": "code", "source": cell} for cell in cells]
    return msgspec.json.encode({"cells": code, "nbformat": 4, **more})


def notebook_refusal(data: bytes) -> str:
    with pytest.raises(InvalidSubmission) as refused:
        notebook_source(data)
    return refused.value.message


def test_code_cells_are_joined_in_order_by_blank_lines() -> None:
    cells = [
        {"cell_type": "markdown", "source": "# not code"},
        {"cell_type": "code", "source": ["import jax\n", "x = 1"], "outputs": [{"data": {}}]},
        {"cell_type": "raw", "source": "raw"},
        {"cell_type": "code", "source": "y = 2"},
    ]
    assert notebook_source(msgspec.json.encode({"cells": cells})) == b"import jax\nx = 1\n\ny = 2\n"


def test_a_notebook_may_start_with_a_byte_order_mark() -> None:
    assert notebook_source(b"\xef\xbb\xbf" + notebook("x = 1")) == b"x = 1\n"


def test_an_nbformat_3_notebook_is_read() -> None:
    cells = [{"cell_type": "code", "input": ["x = 1\n", "y = 2"], "language": "python"}]
    assert (
        notebook_source(msgspec.json.encode({"worksheets": [{"cells": cells}]}))
        == b"x = 1\ny = 2\n"
    )


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("%matplotlib inline\nx = 1", "# %matplotlib inline\nx = 1"),
        ("!pip install \\\n  flax\nx = 1", "# !pip install \\\n#   flax\nx = 1"),
        ("if x:\n    !ls\ny = 1", "if x:\n    pass  # !ls\ny = 1"),
        ("x = (7\n     % 3)", "x = (7\n     % 3)"),
        ("\n%%bash\nif ls\n  ls\r\nfi", "# \n# %%bash\n# if ls\n#   ls\n# fi"),
        ("%%time\nx = 1", "# %%time\nx = 1"),
        ("%%timeit\nx = 1", "# %%timeit\n# x = 1"),
        ("!a\rx = 1", "# !a\nx = 1"),
        ("print('%s'\n      %name)", "print('%s'\n      %name)"),
        ("x = {1:\n2\n%c}\n%d", "x = {1:\n2\n%c}\n# %d"),
        ("a = b \\\n%c\n%d", "a = b \\\n%c\n# %d"),
        ('a = """(\n!ls\n\\"""%b"""\n!ls', 'a = """(\n!ls\n\\"""%b"""\n# !ls'),
        ("d = '(\\'' # (\n!ls", "d = '(\\'' # (\n# !ls"),
        ("nnx.Conv?\n?nnx\nnnx.Linear??", "# nnx.Conv?\n# ?nnx\n# nnx.Linear??"),
        ("if x:\n  nnx.Conv?", "if x:\n  pass  # nnx.Conv?"),
        ("x = !ls \\\n  -l\ny = %pwd", "x = None  # !ls \\\n#   -l\ny = None  # %pwd"),
        ("%time y = f(1)\nprint(y)", "y = f(1)\nprint(y)"),
        ("if x:\n  y = %time f(1, \\\n    2)", "if x:\n  y = f(1, \\\n    2)"),
        ("%time\nx = '= %time y'\n%timeit f(1)", "# %time\nx = '= %time y'\n# %timeit f(1)"),
        ("out = !{sys.executable} -m pip", "out = None  # !{sys.executable} -m pip"),
        (
            "a['k'] = !ls\nb[0], c = %x\nr: list = !ls",
            "a['k'] = None  # !ls\nb[0], c = None  # %x\nr: list = None  # !ls",
        ),
        ("\n    x = 1\n    if x:\n        y = 2\n  # z", "\nx = 1\nif x:\n    y = 2\n  # z"),
        ("  %%bash\n  ls", "# %%bash\n# ls"),
        (
            "f(a == '!')\nx = a['='] == '%'\ng(k=1) % 2",
            "f(a == '!')\nx = a['='] == '%'\ng(k=1) % 2",
        ),
        ("x = y  # ?\nassert x, '?'\nx != 1", "x = y  # ?\nassert x, '?'\nx != 1"),
    ],
)
def test_magics_become_comments_and_keep_line_numbers(cell: str, code: str) -> None:
    made = notebook_source(notebook(cell, "z = 1"))
    assert made.decode() == code + "\n\nz = 1\n"
    ast.parse(made)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not valid notebook JSON"),
        (b"[]", "not valid notebook JSON"),
        (b'{"cells": [1]}', "not valid notebook JSON"),
        (b'{"cells": [{"cell_type": "code", "source": [1]}]}', "not valid notebook JSON"),
        (b'{"cells": [{"cell_type": "code", "source": "\\ud800"}]}', "not valid notebook JSON"),
        (b'{"cells": [{"cell_type": "code", "source": "\xff"}]}', "not valid notebook JSON"),
        (b"{}", "has no cells"),
        (b'{"cells": []}', "has no code cell"),
        (notebook(" \n", ""), "has no code cell"),
        (b'{"x": ' + b"[" * (4 << 20), "nested too deeply"),
        (b'{"x": ' * 500_000, "nested too deeply"),
    ],
)
def test_a_malformed_notebook_is_refused(data: bytes, reason: str) -> None:
    assert reason in notebook_refusal(data)


def test_the_code_of_a_notebook_has_the_limit_of_code(tmp_path: Path) -> None:
    path = tmp_path / "hw.ipynb"
    for data, reason in [
        (notebook("#" * (FULL + 1)), "The code is larger than 256 KiB"),
        (notebook("x = 1", outputs="p" * (4 << 20)), "hw.ipynb is larger than 4 MiB"),
    ]:
        path.write_bytes(data)
        with pytest.raises(InvalidSubmission, match=reason):
            read_submission(path, file_names=(), entry="f")


@settings(max_examples=100)
@given(st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_no_cell_can_leave_its_comment(lines: list[str]) -> None:
    cell = "%%bash\n" + "\n".join(lines)
    made = notebook_source(notebook(cell)).decode()
    assert all(line == "" or line.startswith("#") for line in made.split("\n"))
    assert not ast.parse(made.replace("\0", "")).body


def test_what_a_later_cell_imports_from_the_future_comes_first() -> None:
    later = "from __future__ import annotations  # forward references\nclass A:\n    x: B = 1"
    source = notebook_source(notebook("import os", later))
    compile(source, "hw.ipynb", "exec")
    assert source.startswith(b"from __future__ import annotations\nimport os\n")
    only = notebook("from __future__ import annotations\nx = 1", "y = 2")
    assert notebook_source(only) == b"from __future__ import annotations\nx = 1\n\ny = 2\n"
