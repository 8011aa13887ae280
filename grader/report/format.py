"""Name the forms that a report can take."""

from enum import StrEnum


class Format(StrEnum):
    """Forms of a report."""

    text = "text"
    json = "json"
    junit = "junit"
    html = "html"
