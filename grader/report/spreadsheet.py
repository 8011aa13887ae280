"""Write values into a CSV file that is safe to open in a spreadsheet."""

import re

from grader.text import printable

_SIGNS = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""With what a spreadsheet begins a formula; the last four are their full-width forms."""
_FORMULA = re.compile(rf"(^|;)( *)([{_SIGNS}])")
"""A formula at the start of a cell: ";" ends one in the spreadsheets of many countries."""
_LONGEST = 300


def cell(value: object) -> str:
    """Return a value as a spreadsheet shows it and never runs it: `=cmd()` becomes `'=cmd()`.

    Source: OWASP, "CSV Injection".
    """
    if isinstance(value, int | float):
        return str(value)
    text = _FORMULA.sub(r"\1'\2\3", str(value)[: _LONGEST + 1])
    return printable(text, _LONGEST)
