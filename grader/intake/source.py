"""Check that bytes are Python source that the judge may parse and the worker may run."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from grader.errors import InternalError, InvalidSubmission
from grader.intake.limits import IntakeLimits, size
from grader.text import printable

_BOM = b"\xef\xbb\xbf"
_NEWLINE = re.compile(rb"\r\n|\r|\n")
_COMMENT = re.compile(rb"[ \t\f]*(?:#.*)?", re.DOTALL)
_CODING = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)", re.DOTALL)  # PEP 263
_ENCODINGS = frozenset({"utf-8", "utf8", "ascii", "us-ascii"})

_PARSER = Path(__file__).with_name("parser.py")
_PARSER_WALL_S = 60.0  # it ends itself after 5 s of CPU time; more is a machine without any to give
_PARSER_SPENT = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGXCPU})
"""Signals that end a parser which ran out of stack, memory or time; SIGKILL is not the source's."""


class _Findings(msgspec.Struct):
    """What parser.py says."""

    too_deep: bool = False
    error: str = ""
    line: int | None = None
    text: str = ""


def checked_source(data: bytes, limits: IntakeLimits) -> bytes:
    """Return source without its byte order mark, after all checks.

    Args:
        data: what the file, or the notebook's code cells, hold.

    Raises:
        InvalidSubmission: empty, too large, not UTF-8 text, or not Python.
        InternalError: the parser's process could not be run.
    """
    source = data.removeprefix(_BOM)
    if len(source) > limits.source_bytes:
        raise InvalidSubmission(f"The code is larger than {size(limits.source_bytes)}; shorten it.")
    if not source.strip():
        raise InvalidSubmission("The file is empty; save your code and send it again.")
    if b"\0" in source:
        raise InvalidSubmission("The file holds NUL bytes, so it is not text; save it as UTF-8.")
    try:
        source.decode()
    except UnicodeDecodeError as error:
        line = len(_NEWLINE.findall(source[: error.start])) + 1
        raise InvalidSubmission(f"line {line}: not UTF-8 text; save the file as UTF-8.") from None
    _check_encoding(source)
    _check_syntax(source)
    return source


def _check_encoding(source: bytes) -> None:
    """Refuse a PEP 263 line that would make Python read other text than a person does."""
    first, second = [*_NEWLINE.split(source, maxsplit=2), b""][:2]
    lines = [first, second] if _COMMENT.fullmatch(first) else [first]
    for number, line in enumerate(lines, 1):
        declared = _CODING.match(line)
        name = declared[1].decode().lower().replace("_", "-") if declared else "utf-8"
        # As Python's own tokenizer: Emacs writes utf-8-unix.
        if name not in _ENCODINGS and not name.startswith("utf-8-"):
            raise InvalidSubmission(
                f"line {number}: declares the encoding {printable(name, 40)}; "
                "remove that line and save the file as UTF-8."
            )


def _check_syntax(source: bytes) -> None:
    findings = _parsed(source)
    if findings.too_deep:
        raise InvalidSubmission(
            "The code is nested too deeply, or too large, to parse; write it in simpler statements."
        )
    if not findings.error:
        return
    where = f"line {findings.line}: " if findings.line else ""
    text = findings.text.strip()
    quoted = f": {printable(text, 80)}" if text else ""
    raise InvalidSubmission(f"{where}{printable(findings.error, 120)}{quoted}")


def _parsed(source: bytes) -> _Findings:
    """Run parser.py on a source; its docstring says why not in this process."""
    command = [sys.executable, "-I", "-S", "-W", "ignore", str(_PARSER)]
    try:
        ended = subprocess.run(
            command, input=source, capture_output=True, timeout=_PARSER_WALL_S, env={}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InternalError(f"The parser could not be run: {error}") from error
    if -ended.returncode in _PARSER_SPENT:
        return _Findings(too_deep=True)
    if ended.returncode:
        raise InternalError(f"The parser ended with {ended.returncode}: {ended.stderr[-500:]!r}")
    return msgspec.json.decode(ended.stdout, type=_Findings)
