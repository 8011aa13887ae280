"""Write the log, on standard error; where it takes no more, do without it.

A disk that is full of logs, or nobody who reads them, must not decide what a student gets.
"""

import sys

from grader.standard_streams import STDERR, lead_nowhere


def problem(text: str) -> None:
    """Write a line about an error of ours."""
    line(f"grader: internal error: {text}")


def line(text: str) -> None:
    """Write one line, or many."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # Python tries again at its end, and would exit with 120
        lead_nowhere(STDERR)
