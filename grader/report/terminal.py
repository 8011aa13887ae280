"""Show a report in a terminal, as a story of at most 30 lines.

The score; what the mistake most likely is; what failed and why; what was right, in short; the
smallest failing input. Parts that say less give their lines to parts that say more.
"""

from collections.abc import Sequence

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from grader.model import Counterexample, Diagnosis, Finding, Image, Report
from grader.report.verdicts import VERDICTS
from grader.text import printable

MOST_LINES = 30

_MARKS = {
    "passed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("–", "yellow"),
    "informational": ("i", "blue"),
}
_BROKEN = 16
"""Characters of two lines of numbers that may stay empty: the break is before a number."""
_LONGEST = 600
"""Characters of one message that are looked at; 30 lines hold no more of it anyway."""


def show(report: Report, console: Console) -> None:
    """Print the report; text of others is made printable here, a stored report may be forged."""
    above = [_score(report), *_diagnosis(report.diagnosis, console)]
    below = [
        line
        for status in ("skipped", "informational", "passed")
        for line in _group(report.findings, status, console)
    ]
    inner = [] if report.counterexample is None else _example(report.counterexample, console)
    footer = _fold(Text(_footer(report), style="dim"), console, most=2)
    borders = 2 if inner else 0
    taken = len(above) + len(below) + len(inner) + borders + len(footer)
    failed = _failed(report.findings, MOST_LINES - taken, console)
    for line in (*above, *failed, *below):
        console.print(line, no_wrap=True, overflow="ellipsis")
    if inner:
        title = "Smallest failing input found"
        console.print(Panel(Group(*inner), title=title, title_align="left"))
    for line in footer:
        console.print(line, no_wrap=True, overflow="ellipsis")


def _score(report: Report) -> Text:
    colour = "green" if report.verdict == "accepted" else "red"
    line = Text(f" {report.score} / {report.max_score} ", style=f"bold reverse {colour}")
    line.append(f"  {VERDICTS[report.verdict]}", style=f"bold {colour} not reverse")
    return line.append(f"  {printable(report.submission.name)}", style="bold default not reverse")


def _diagnosis(diagnosis: Diagnosis, console: Console) -> list[Text]:
    """Say what the mistake most likely is, and up to where everything agrees."""
    lines: list[Text] = []
    if diagnosis.kind != "none":
        lead = "It looks like this" if diagnosis.kind == "pattern" else "Most likely"
        title = Text(f"{lead}: {printable(diagnosis.title)}", style="bold magenta")
        lines += _fold(title, console, most=1)
        lines += _said([diagnosis.message], console, most=3, indent=2)
    if diagnosis.first_differing_stage is not None:
        first = f"`{printable(diagnosis.first_differing_stage)}` is the first that differs."
        if diagnosis.agrees_before:
            last = printable(diagnosis.agrees_before[-1])
            first = f"Everything up to `{last}` agrees; {first}"
        lines += _fold(Text(first), console, most=1, indent=2)
    return lines


def _failed(findings: Sequence[Finding], room: int, console: Console) -> list[Text]:
    """Return what failed, each with its message, as far as the room allows."""
    failed = [finding for finding in findings if finding.status == "failed"]
    lines: list[Text] = []
    for most in (3, 2, 1, 0):  # lines of one message
        lines, said = [], ""
        for finding in failed:
            lines += _titled([finding], console, most=1)
            if most and finding.message != said:
                said = finding.message  # what stands in the way of several is said once
                lines += _said([said], console, most=most)
        if len(lines) <= room:
            return lines
    shown = max(room - 1, 1)
    return [*lines[:shown], Text(f"  and {len(failed) - shown} more that failed", style="red")]


def _group(findings: Sequence[Finding], status: str, console: Console) -> list[Text]:
    """Return all findings of one status as one short paragraph."""
    found = [finding for finding in findings if finding.status == status]
    if not found:
        return []
    if status == "passed":
        return _titled(found, console, most=8 if len(found) == len(findings) else 4)
    messages = list(dict.fromkeys(finding.message for finding in found))
    return _titled(found, console, most=2) + _said(messages, console, most=2)


def _said(messages: Sequence[str], console: Console, *, most: int, indent: int = 8) -> list[Text]:
    """Return messages as one paragraph; none where nothing is said."""
    text = " ".join(printable(message, _LONGEST) for message in messages if message)
    return _fold(Text(text), console, most=most, indent=indent) if text else []


def _titled(found: Sequence[Finding], console: Console, *, most: int) -> list[Text]:
    """Return a mark, the points, and the titles."""
    mark, style = _MARKS[found[0].status]
    points = f"{sum(f.points for f in found)}/{sum(f.max_points for f in found)}"
    indent = len(f"{points:>5}") + 3
    titles = _joined([printable(finding.title) for finding in found])
    text = Text(_packed(titles, console.width - indent))
    if found[0].status == "failed":
        text.stylize("bold")
    lines = _fold(text, console, most=most, indent=indent)
    first = Text.assemble((mark, style), f" {points:>5} ")
    return [first + lines[0][indent:], *lines[1:]]


def _joined(titles: Sequence[str]) -> list[str]:
    """Return titles of two words that share the first as one: Attribute stem, block, head."""
    groups: list[list[str]] = []
    for title in titles:
        words = title.split(" ")
        if len(words) != 2:
            groups.append([title])
        elif groups and len(groups[-1]) > 1 and groups[-1][0] == words[0]:
            groups[-1].append(words[1])
        else:
            groups.append(words)
    return [f"{first} {', '.join(rest)}" if rest else first for first, *rest in groups]


def _packed(titles: Sequence[str], width: int) -> str:
    """Return titles on lines that end between two of them where they can."""
    lines = [titles[0]]
    for title in titles[1:]:
        longer = f"{lines[-1]} · {title}"
        lines = [*lines[:-1], longer] if len(longer) <= width else [*lines, title]
    return "\n".join(lines)


def _example(example: Counterexample, console: Console) -> list[Text]:
    """Return the inside of the counterexample's panel: inputs, expected, returned."""
    width = console.width - 4
    single = [
        f"{printable(name, 40)} {value:.17g}"
        for name, value in example.arguments.items()
        if not isinstance(value, Image)
    ]
    lines = _fold(Text(", ".join(single)), console, most=1, width=width) if single else []
    for name, value in example.arguments.items():
        if isinstance(value, Image):
            shape = tuple(value.shape)
            lines += _array(printable(name, 40), f"shape {shape}: ", value.values, width, console)
    if len(lines) > 3:
        lines = [*lines[:2], Text("...")]
    differs = example.actual_shape is not None and example.actual_shape != example.expected_shape
    wanted = f"shape {tuple(example.expected_shape)}: " if differs else ""
    got = f"shape {tuple(example.actual_shape or ())}: " if differs else ""
    right = _array("expected", wanted, example.expected, width, console)
    if example.actual is None:
        wrong = [Text("yours     nothing that can be compared")]
    else:
        wrong = _array("yours", got, example.actual, width, console)
    for style, part in (("green", right), ("red", wrong)):
        for line in part:
            line.stylize(style)
    return [*lines, *right, *wrong]


def _array(
    name: str, shape: str, values: Sequence[float | str], width: int, console: Console
) -> list[Text]:
    """Return a name, a shape and as many numbers as fit two lines."""
    indent = max(len("expected"), len(name)) + 2
    room = max(2 * (width - indent) - len(shape) - _BROKEN, 0)
    shown = [one if isinstance(one, str) else f"{one:.6g}" for one in values[:room]]
    more = f" ... ({len(values)} in all)"
    if len(shown) == len(values) and len(", ".join(shown)) <= room:
        more = ""
    while more and shown and len(", ".join(shown)) + len(more) > room:
        shown.pop()
    text = Text(f"{shape}[{', '.join(shown)}{more}]")
    lines = _fold(text, console, most=2, indent=indent, width=width)
    return [Text(name.ljust(indent)) + lines[0][indent:], *lines[1:]]


def _fold(
    text: Text, console: Console, *, most: int, indent: int = 0, width: int | None = None
) -> list[Text]:
    """Break a text into lines, at most so many; the last says that more was there."""
    room = max((console.width if width is None else width) - indent, 8)
    lines = list(text.wrap(console, room))
    if len(lines) > most:
        lines = lines[:most]
        lines[-1].truncate(room - 4)
        lines[-1].append(" ...")
    for line in lines:
        line.rstrip()
    return [Text(" " * indent) + line for line in lines]


def _footer(report: Report) -> str:
    """Return the provenance: exercise, suite, wall, cost, and for whom it is."""
    suite, usage = report.suite, report.usage
    parts = [f"{printable(report.exercise.name)} {printable(report.exercise.digest[:12])}"]
    if suite.cases:
        name = f"suite {printable(suite.seed)}" if suite.seed else "suite"
        parts[0] += f", {name} of {suite.cases} cases, {suite.distinct_shapes} shapes"
    if report.confined_by:
        more = len(report.confined_by) - 1
        layers = f" and {more} more layers" if more else ""
        parts.append(f"confined by {printable(report.confined_by[0])}{layers}")
    elif report.shown.view == "staff":
        parts.append("nothing was run")
    if usage.wall_s:
        cpu = usage.worker_cpu_s + usage.judge_cpu_s
        parts.append(f"{usage.wall_s:.1f} s, {cpu:.1f} CPU s")
    if report.shown.view == "student":
        parts.append(f"for the student, feedback: {report.shown.feedback}")
    return "; ".join(parts)
