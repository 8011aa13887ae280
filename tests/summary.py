"""Tell at the end of a run what the walls stopped: by which layer, and with which verdict.

Tests leave facts with record_property, which reach the process that prints even when others run
the tests.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from _pytest.terminal import TerminalReporter

LOCK_DOWN = ("landlock", "seccomp", "rlimits")
WALLS = ("bubblewrap", "docker", "docker+runsc", "docker+runsc+root")


def write(terminal: TerminalReporter) -> None:
    """Print the tables for which tests left facts."""
    facts = list(_properties(terminal))
    for name, value in facts:
        if name == "stopped_by":
            terminal.section("which layer, alone, stops which attempt")
            terminal.write_line("\n".join(layers_table(value)))
    runs = [value for name, value in facts if name == "hostile"]
    if runs:
        terminal.section("hostile submissions: verdicts by attack and wall")
        terminal.write_line("\n".join(verdicts_table(runs)))


def _properties(terminal: TerminalReporter) -> Iterator[tuple[str, Any]]:
    for reports in terminal.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                yield from report.user_properties


def layers_table(stopped_by: dict[str, list[str]]) -> list[str]:
    """Return one line an attempt, one column a layer."""
    columns = sorted({column for found in stopped_by.values() for column in found}, key=_place)
    width = max(map(len, stopped_by))
    lines = ["x: refused. .: the kernel goes on to look, though there may be nothing to find."]
    lines.append(" ".join([" " * width, *columns]))
    for attempt, found in stopped_by.items():
        marks = [("x" if column in found else ".").center(len(column)) for column in columns]
        lines.append(" ".join([attempt.ljust(width), *marks]).rstrip())
    return lines


def _place(column: str) -> int:
    """Layers of the lock-down first, then what stands around them, each by itself."""
    return (*LOCK_DOWN, *WALLS).index(column)


def verdicts_table(runs: list[dict[str, str]]) -> list[str]:
    """Return how each class of attack ended behind each wall, and which ended differently."""
    counts: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    by_fixture: dict[str, dict[str, str]] = defaultdict(dict)
    for run in runs:
        cell = counts[run["attack"]][run["wall"]]
        cell[run["verdict"]] = cell.get(run["verdict"], 0) + 1
        by_fixture[run["name"]][run["wall"]] = run["verdict"]
    lines = []
    for attack, walls in sorted(counts.items()):
        for wall, verdicts in walls.items():
            told = ", ".join(f"{count} {name}" for name, count in sorted(verdicts.items()))
            lines.append(f"{attack:13} {wall:13} {sum(verdicts.values()):4}  {told}")
    differing = {name: walls for name, walls in by_fixture.items() if len(set(walls.values())) > 1}
    shared = sum(len(walls) > 1 for walls in by_fixture.values())
    lines.append(f"the same verdict behind every wall: {shared - len(differing)} of {shared}")
    for name, walls in sorted(differing.items()):
        told = ", ".join(f"{wall}: {verdict}" for wall, verdict in walls.items())
        lines.append(f"  {name}: each allowed: {told}")
    return lines
