"""Show which text passes as Python source, and that no text harms the process that judges."""

import ast
import resource
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from grader.errors import InternalError, InvalidSubmission
from grader.intake import IntakeLimits, source
from grader.intake.parser import MAX_DEPTH, deeper_than, examine
from grader.intake.source import checked_source

FULL = 256 << 10


def checked(data: bytes) -> bytes:
    return checked_source(data, IntakeLimits())


def refusal(data: bytes) -> str:
    with pytest.raises(InvalidSubmission) as refused:
        checked(data)
    return refused.value.message


@pytest.mark.parametrize(
    "text",
    [
        b"x = 1",
        "s = 'h\u00e9 \u202e'\n".encode(),
        b"x = 1\r\ny = 2\r",
        b"# coding: utf-8\nx = 1\n",
        b"# -*- coding: utf-8-unix -*-\nx = 1\n",
        b"#!/usr/bin/python\n# -*- coding: UTF_8 -*-\n",
        b"# vim: set fileencoding=ascii :\n",
        b"x = 1\n# coding: latin-1\n",  # only a comment before it makes it count
        b"print('a' is 1, '\\d')\n",  # two SyntaxWarnings
        b"return 1\n",  # the worker's compile says so
    ],
)
def test_python_text_passes_byte_for_byte(text: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert checked(text) == text


def test_a_byte_order_mark_is_taken_off() -> None:
    assert checked(b"\xef\xbb\xbfx = 1\n") == b"x = 1\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "The file is empty"),
        (b"\xef\xbb\xbf \n\t", "The file is empty"),
        (b"x = 1\0", "NUL bytes"),
        ("x = 1".encode("utf-16"), "NUL bytes"),
        (b"x = 1\r\ny = '\xe9'\n", "line 2: not UTF-8 text; save the file as UTF-8."),
        (b"# coding: latin-1\n", "line 1: declares the encoding latin-1; remove that line"),
        (b"\r# coding=utf-7\r", "line 2: declares the encoding utf-7"),
        (b"# coding: ascii\n'\xc3\xa9'\n", "codec can't decode"),
        (b"#" * (FULL + 1), "larger than 256 KiB"),
    ],
)
def test_other_bytes_are_refused_with_the_reason(text: bytes, reason: str) -> None:
    assert reason in refusal(text)


def test_a_syntax_error_names_its_line_and_shows_it() -> None:
    said = refusal(b"x = 1\n\n  \ndef f(:\n    pass\n")
    assert said == "line 4: invalid syntax: def f(:"


def test_a_syntax_error_shows_no_raw_or_endless_text() -> None:
    said = refusal("x = = '\x1b[31m\u202e".encode() + b"a" * 5000)
    assert r"\u001b[31m\u202eaaa" in said
    assert said.isprintable()
    assert len(said) < 300


DEEP = "nested too deeply"
HOSTILE = {
    "brackets": (b"(" * FULL, "too many nested parentheses"),
    "signs": (b"-" * 200_000 + b"1", DEEP),
    "lambdas": (b"lambda:" * 30_000 + b"1", DEEP),
    "powers": (b"1**" * 60_000 + b"1", DEEP),
    "conditions": (b"1 if 1 else " * 20_000 + b"1", DEEP),
    "sum": (b"1+" * 120_000 + b"1", DEEP),
    "attributes": (b"a" + b".a" * 120_000, DEEP),
    "calls": (b"a" + b"()" * 120_000, DEEP),
    "branches": (b"if a:b\n" + b"elif a:b\n" * 20_000, DEEP),
    "f-string": (b"f'{" + b"-" * 5_000 + b"1}'", DEEP),
    "dotted import": (b"import a" + b".a" * 120_000, DEEP),
    "indents": (b"".join(b" " * i + b"if a:\n" for i in range(300)), "too many levels"),
    "digits": (b"9" * FULL, "Exceeds the limit"),
    "endless string": (b"'''" + b"\n" * 200_000, "unterminated triple-quoted"),
    "dense nonsense": (b"a;" * 130_000 + b"a a", "invalid syntax"),
}


@pytest.mark.parametrize(("text", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_source_that_could_harm_the_parser_is_refused(text: bytes, reason: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert reason in refusal(text)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 16 << 10


@pytest.mark.parametrize(
    "text",
    [b"x = 1\n" * 40_000, b"[" + b"1.5, " * 50_000 + b"]", b"#" * FULL],
    ids=["statements", "list", "comment"],
)
def test_a_source_that_is_only_long_passes(text: bytes) -> None:
    assert checked(text) == text


def test_depth_is_counted_to_the_level() -> None:
    for signs in range(MAX_DEPTH - 6, MAX_DEPTH + 3):
        text = b"-" * signs + b"1"
        too_deep = signs + 3 > MAX_DEPTH  # Module, Expr and Constant beside the signs
        assert deeper_than(MAX_DEPTH, ast.parse(text)) is too_deep
        assert bool(examine(text)) is too_deep


def test_the_parser_lowers_its_own_limits() -> None:
    code = (
        "import resource, runpy, sys\n"
        "runpy.run_path(sys.argv[1], run_name='__main__')\n"
        "names = ('RLIMIT_CORE', 'RLIMIT_CPU', 'RLIMIT_AS')\n"
        "print(*(resource.getrlimit(getattr(resource, name))[0] for name in names))\n"
    )
    command = [sys.executable, "-c", code, str(source._PARSER)]
    said = subprocess.run(command, input=b"x = 1", capture_output=True, check=True).stdout
    assert said.split() == [b"{}0", b"3", b"536870912"]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGXCPU])
def test_a_parser_that_ran_out_is_the_submissions_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    broken = tmp_path / "parser.py"
    broken.write_text(
        f"import os, resource\nresource.setrlimit(4, (0, 0))\nos.kill(os.getpid(), {number})"
    )
    monkeypatch.setattr(source, "_PARSER", broken)
    assert "or too large, to parse" in refusal(b"x = 1")


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import os\nos.kill(os.getpid(), 9)"])
def test_a_parser_that_fails_otherwise_is_our_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    (tmp_path / "parser.py").write_text(code)
    monkeypatch.setattr(source, "_PARSER", tmp_path / "parser.py")
    with pytest.raises(InternalError, match="The parser ended with"):
        checked(b"x = 1")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(InternalError, match="could not be run"):
        checked(b"x = 1")
