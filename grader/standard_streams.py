"""Have standard streams that can be used, also closed ones, and for any text."""

import io
import os
import sys
from contextlib import suppress

STDOUT, STDERR = 1, 2
_IN_PLACE = (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_RDWR))
"""How what stands for a closed one is opened: two refuse all use, standard error goes nowhere."""


def hold() -> None:
    """Put something in the place of those that are closed; let those for output take any text.

    Else whatever is opened next would get their numbers, and what is printed. A result that cannot
    be written is still an error, a log that cannot be is none.
    """
    for number, (name, mode, flags) in enumerate(_IN_PLACE):
        with suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, flags)  # gets the lowest number that is free, this one
        os.set_inheritable(number, True)
        setattr(sys, name, os.fdopen(number, mode, closefd=False))
    _take_any_text()


def _take_any_text() -> None:
    r"""Write what an encoding lacks as \uXXXX: names of files and text of others hold anything."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def lead_nowhere(number: int) -> None:
    """Drop what is still to be written: Python tries again at its end, and would exit with 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
