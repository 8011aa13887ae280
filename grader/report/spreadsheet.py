"""Write values into a CSV file that is safe to open in a spreadsheet."""

from grader.text import printable

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With what a spreadsheet begins a formula; the last four are their full-width forms."""
_LONGEST = 300


def cell(value: object) -> str:
    """Return a value as a spreadsheet shows it and never runs it: `=cmd()` becomes `'=cmd()`.

    Source: OWASP, "CSV Injection".
    """
    if isinstance(value, int | float):
        return str(value)
    text = printable(str(value), _LONGEST)
    return f"'{text}" if str(value).lstrip(" ").startswith(_FORMULA) else text
