"""Show in a terminal what calibration and adequacy came to."""

from collections import Counter
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grader.authoring.adequacy import Adequacy, Row
from grader.authoring.calibration import Calibration
from grader.model import Tolerance

_MOST = 10
"""Rows of a table that is sorted by how much they matter."""


def calibration(found: Calibration, console: Console) -> None:
    """Print noise, signal, families and the tolerance that they lead to."""
    thrown = f"thrown out: {_counted(found.unfit)}" if found.unfit else "none thrown out"
    console.print(
        f"[bold]{found.exercise}[/] {found.digest[:12]}, suite {found.seed}: "
        f"{found.cases} cases measured, {thrown}"
    )
    console.print(_families(found))
    noise = sorted(found.noise.items(), key=lambda pair: -pair[1])
    console.print(_ranking(f"Noise: {len(noise)} right programs and settings, the worst", noise))
    signal = list(found.signal.items())
    console.print(_ranking(f"Signal: {len(signal)} misconceptions, the faintest", signal))
    console.print(
        f"The worst right variant reaches {found.worst_noise:.2g} of the bound, the faintest "
        f"misconception {found.weakest_signal:.3g} bounds."
    )
    console.print(f"In force:  {_tolerance(found.tolerance)}")
    console.print(f"Suggested: {_tolerance(found.suggested)}")
    _cautions(found.cautions, console)
    _verdict(found.problems, "the bound separates right from wrong", console)


def adequacy(found: Adequacy, console: Console) -> None:
    """Print what was caught by what, how narrowly, and what survived."""
    thrown = f"thrown out: {_counted(found.unfit)}" if found.unfit else "none thrown out"
    console.print(
        f"[bold]{found.exercise}[/] {found.digest[:12]}, {_plural(len(found.seeds), 'suite')}, "
        f"{_plural(found.cases, 'case')} asked, {thrown}"
    )
    console.print(f"Tolerance: {_tolerance(found.tolerance)}")
    console.print(_kinds(found.rows))
    console.print(_catchers(found.rows))
    wrong = [row for row in found.rows if _is_wrong(row) and row.by_values and row.margin]
    narrow = sorted(wrong, key=lambda row: row.margin or 0.0)[:_MOST]
    if narrow:
        console.print(_caught("Caught most narrowly", narrow))
    late = sorted((row for row in wrong if row.latest > 1), key=lambda row: -row.latest)[:5]
    if late:
        console.print(_caught("Caught latest", late))
    _equivalents(found.rows, console)
    _cautions(found.cautions, console)
    _verdict(found.problems, "every right program passes, every wrong one is caught", console)


def _families(found: Calibration) -> Table:
    table = Table("family", title="Families of cases", title_justify="left", box=None)
    for name in ("cases", "kept", "condition", "noise / bound", "wrong ones passing"):
        table.add_column(name, justify="right")
    table.add_column("thrown out")
    for row in found.families:
        kept = row.cases - sum(row.unfit.values())
        numbers = (f"{row.condition:.3g}", f"{row.noise:.2g}", f"{row.survivors:.0%}")
        table.add_row(row.family, str(row.cases), str(kept), *numbers, _counted(row.unfit))
    return table


def _ranking(title: str, pairs: Iterable[tuple[str, float]]) -> Table:
    table = Table("name", title=title, title_justify="left", box=None, min_width=len(title))
    table.add_column("error / bound", justify="right")
    for name, reached in list(pairs)[:_MOST]:
        table.add_row(escape(name), f"{reached:.3g}")
    return table


def _kinds(rows: Iterable[Row]) -> Table:
    table = Table("kind", box=None)
    for name in ("programs", "always accepted", "always caught", "by structure only"):
        table.add_column(name, justify="right")
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.kind, []).append(row)
    for kind, members in grouped.items():
        accepted = sum(row.caught == 0 for row in members)
        caught = sum(row.caught == row.suites for row in members)
        structure = sum(row.caught == row.suites and not row.by_values for row in members)
        table.add_row(kind, *map(str, (len(members), accepted, caught, structure)))
    return table


def _catchers(rows: Iterable[Row]) -> Table:
    """Say how many wrong programs each family was the first to catch, over all suites."""
    counts: Counter[str] = Counter()
    for row in rows:
        if _is_wrong(row):
            counts.update({what.partition(":")[0]: count for what, count in row.by.items()})
    total = sum(counts.values())
    table = Table("caught first by", box=None)
    table.add_column("share", justify="right")
    for name, count in counts.most_common():
        table.add_row(name, f"{count / total:.1%}")
    return table


def _caught(title: str, rows: Iterable[Row]) -> Table:
    table = Table("program", "kind", title=title, title_justify="left", box=None)
    table.add_column("error / bound", justify="right")
    table.add_column("at case", justify="right")
    table.add_column("by")
    for row in rows:
        by = next(iter(row.by))
        table.add_row(escape(row.name), row.kind, f"{row.margin:.3g}", str(row.latest), by)
    return table


def _equivalents(rows: Iterable[Row], console: Console) -> None:
    """List what no input can tell from the reference, why, and whether structure does."""
    for row in rows:
        if row.equivalent:
            by = next(iter(row.by), "nothing; its values are right, and nothing else is graded")
            console.print(f"equivalent: [bold]{escape(row.name)}[/] ({row.kind}), caught by {by}")
            console.print(f"    {escape(row.equivalent)}", style="dim")


def _cautions(cautions: list[str], console: Console) -> None:
    for caution in cautions:
        console.print(f"[yellow]CAUTION[/] {escape(caution)}", soft_wrap=True)


def _verdict(problems: list[str], well: str, console: Console) -> None:
    if not problems:
        console.print(f"[bold green]PASS[/] {well}")
    for problem in problems:
        # One line each, however long: people search them.
        console.print(f"[bold red]FAIL[/] {escape(problem)}", soft_wrap=True)


def _is_wrong(row: Row) -> bool:
    return row.kind in ("misconception", "rejected")


def _tolerance(tolerance: Tolerance) -> str:
    names = tolerance.__struct_fields__
    return ", ".join(f"{name}={getattr(tolerance, name):g}" for name in names)


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
