"""Show a report in a terminal: the score, the findings, the smallest failing input."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from grader.model import Counterexample, Image, Report

_VERDICTS = {
    "accepted": "accepted",
    "wrong_answer": "wrong answer",
    "structure": "right values, wrong structure",
    "runtime_error": "it raised an error",
    "time_limit": "it took too long",
    "memory_limit": "it used too much memory",
    "output_limit": "it returned or printed too much",
    "protocol": "it broke the connection to the judge",
    "invalid_submission": "it cannot be read as a submission",
    "internal_error": "the grader failed: not your fault",
}
_MARKS = {
    "passed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("–", "yellow"),
    "informational": ("i", "blue"),
}
_MOST_SHOWN = 24
"""Numbers of one array that a terminal shows."""


def show(report: Report, console: Console) -> None:
    """Print the report. All student text in it was made printable when it was received."""
    colour = "green" if report.verdict == "accepted" else "red"
    title = Text(f" {report.score} / {report.max_score} ", style=f"bold reverse {colour}")
    title.append(f"  {_VERDICTS[report.verdict]}", style=f"bold {colour} not reverse")
    console.print(title, Text(f"  {report.submission.name}", style="bold"), sep="")
    console.print(_findings(report))
    if report.counterexample is not None:
        console.print(_counterexample(report.counterexample))
    console.print(_footer(report), style="dim")


def _findings(report: Report) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    said = ""
    for finding in report.findings:
        mark, style = _MARKS[finding.status]
        line = Text(finding.title, style="bold" if finding.status == "failed" else "")
        if finding.status != "passed" and finding.message != said:
            said = finding.message  # what stands in the way of several is said once
            line.append(f"\n{said}", style="not bold")
        points = f"{finding.points}/{finding.max_points}"
        table.add_row(Text(mark, style=style), points, line)
    return table


def _counterexample(example: Counterexample) -> Panel:
    parts: list[RenderableType] = []
    for name, value in example.arguments.items():
        if isinstance(value, Image):
            parts.append(Text(f"{name}  shape {tuple(value.shape)}: {_numbers(value.values)}"))
        else:
            parts.append(Text(f"{name}  {value:.17g}"))
    parts.append(Text(f"expected  {_numbers(example.expected)}", style="green"))
    if example.actual is not None:
        parts.append(Text(f"yours     {_numbers(example.actual)}", style="red"))
    return Panel(Group(*parts), title="Smallest failing input found", title_align="left")


def _numbers(values: Sequence[float | str]) -> str:
    """Show as many numbers as fit a few lines."""
    shown = [value if isinstance(value, str) else f"{value:.6g}" for value in values[:_MOST_SHOWN]]
    more = f" ... ({len(values)} in all)" if len(values) > _MOST_SHOWN else ""
    return f"[{', '.join(shown)}{more}]"


def _footer(report: Report) -> str:
    suite, usage = report.suite, report.usage
    wall = report.confined_by[0] if report.confined_by else "nothing was run"
    if report.confined_by:
        wall = f"confined by {', '.join(report.confined_by)}"
    cpu = usage.worker_cpu_s + usage.judge_cpu_s
    return (
        f"{report.exercise.name} {report.exercise.digest[:12]}, suite {suite.seed} of "
        f"{suite.cases} cases, {suite.distinct_shapes} shapes; {wall}; "
        f"{usage.wall_s:.1f} s, {cpu:.1f} CPU s"
    )
