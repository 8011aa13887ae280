"""Number the lines of a submission and mark those that a finding names."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from grader.model.report import Finding, Status
from grader.report.html.words import STATUSES, Mark
from grader.text import printable

_MOST_LINES = 5000
_LONGEST_LINE = 1000
_TAB = 4


class Note(NamedTuple):
    """What a finding says about a line."""

    mark: Mark
    title: str
    status: Status


class Line(NamedTuple):
    """One line, printable, its indentation kept."""

    number: int
    text: str
    notes: list[Note]

    @property
    def status(self) -> str:
        """The status that decides how the line looks: "failed" before all others."""
        found = [note.status for note in self.notes]
        return "failed" if "failed" in found else found[0] if found else ""


class Listing(NamedTuple):
    """The lines that are shown, out of so many."""

    lines: list[Line]
    in_all: int

    @property
    def marked(self) -> list[Line]:
        """The lines that a finding names."""
        return [line for line in self.lines if line.notes]


def listing(text: str, findings: Sequence[Finding]) -> Listing:
    """Number the lines as Python does.

    Args:
        text: as it was submitted, hostile as it may be.
        findings: one names a line by an integer "line" in its evidence.
    """
    notes: dict[int, list[Note]] = {}
    for finding in findings:
        number = line_of(finding)
        if number is not None:
            note = Note(STATUSES[finding.status], finding.title, finding.status)
            notes.setdefault(number, []).append(note)
    # not splitlines(): it also splits at what is no line end to Python, such as U+2028
    lines = re.split(r"\r\n|\r|\n", text)
    if lines[-1] == "":
        del lines[-1]
    shown = [
        Line(number, _shown(line), notes.get(number, []))
        for number, line in enumerate(lines[:_MOST_LINES], 1)
    ]
    return Listing(shown, len(lines))


def line_of(finding: Finding) -> int | None:
    """Return the line that a finding names, counted from 1."""
    line = finding.evidence.get("line")
    return line if isinstance(line, int) and not isinstance(line, bool) and line > 0 else None


def _shown(line: str) -> str:
    return printable(line[: _LONGEST_LINE + 1].expandtabs(_TAB), limit=_LONGEST_LINE)
