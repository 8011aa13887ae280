"""Put the parts of a report together into one page that needs nothing else.

A student's page and a staff page are two templates over two sets of facts: what only staff may see
is not handed to a student's page, so no slip in a template can show it.
"""

import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from grader.model import CaseResult, Finding, Report
from grader.report.html import margins, svg
from grader.report.html.example import Example, example
from grader.report.html.frame import environment, style_of
from grader.report.html.network import Step, in_a_sentence, steps
from grader.report.html.numbers import brief, counted, shaped, written
from grader.report.html.source import Listing, line_of, listing
from grader.report.html.words import HELD_BACK, STATUSES, VERDICTS, Mark
from grader.report.verdicts import is_unread


class Item(NamedTuple):
    """A finding as it is listed; line: 0 where no line that is shown is named."""

    mark: Mark
    status: str
    title: str
    points: int
    max_points: int
    message: str
    line: int


class CaseRow(NamedTuple):
    """A case as it is tabulated."""

    number: int
    family: str
    shape: str
    margin: str
    bound: str
    mark: Mark


class _Drawn(NamedTuple):
    """The parts of a page that hold pictures, and are the same for staff and student."""

    example: Example | None
    network: list[Step]


def render(report: Report, source: str | None = None) -> str:
    """Return the page.

    Args:
        report: stripped to what its reader may see; `shown` says for whom it is.
        source: what was submitted, as text; None leaves it out.
    """
    return render_all([report], source)[0]


def render_part(report: Report, source: str | None = None) -> Markup:
    """Return what a page shows, for a page that has the style sheet (see style_of)."""
    return Markup(render_all([report], source, is_part=True)[0])


def render_all(
    reports: Sequence[Report], source: str | None = None, *, is_part: bool = False
) -> list[str]:
    """Return a page for each view of one grading; what several of them show is drawn once.

    Args:
        is_part: whether they go into somebody else's page, without head, title and main part.
    """
    templates = environment()
    drawn: dict[Hashable, _Drawn] = {}
    pages = []
    for report in reports:
        shown = (id(report.counterexample), *map(id, report.stages))
        with svg.settings():
            if shown not in drawn:
                drawn[shown] = _draw(report)
            facts = _facts(report, source, drawn[shown])
            if report.shown.view == "staff":
                facts |= _staff_facts(report)
        template = templates.get_template(f"{report.shown.view}.html.j2")
        pages.append(template.render(facts, is_part=is_part, **style_of(templates)) + "\n")
    return pages


def _draw(report: Report) -> _Drawn:
    found = report.counterexample
    return _Drawn(None if found is None else example(found), steps(report.stages))


def _facts(report: Report, source: str | None, drawn: _Drawn) -> dict[str, Any]:
    """Return what either reader may see: nothing of the suite's cases."""
    lines = None if source is None else listing(source, report.findings)
    network = drawn.network
    found = report.diagnosis
    return {
        "exercise": report.exercise,
        "submission": report.submission,
        "verdict": VERDICTS[report.verdict],
        "is_graded": report.verdict != "internal_error",
        "score": report.score,
        "max_score": report.max_score,
        "tally": _tally(report.findings),
        "findings": _items(report.findings, lines),
        "diagnosis": None if found.kind == "none" else found,
        "explained": counted(found.explained_cases, "case") if found.explained_cases else "",
        "example": drawn.example,
        "steps": network,
        "departs": in_a_sentence(network) or _departs(report),
        "listing": lines,
        "versions": ", ".join(f"{name} {what}" for name, what in report.environment.items()),
        "suite_digest": report.suite.digest,
        "held_back": "" if is_unread(report) else HELD_BACK[report.shown.feedback],
    }


def _staff_facts(report: Report) -> dict[str, Any]:
    suite, usage = report.suite, report.usage
    cases = report.cases
    graded = {
        "Exercise": f"{report.exercise.name}, sha256 {report.exercise.digest}",
        "Submission": f"{report.submission.name}, sha256 {report.submission.sha256 or 'unread'}",
        "Suite": f"seed {suite.seed}, {counted(suite.cases, 'case')} of "
        f"{counted(suite.distinct_shapes, 'shape')}, sha256 {suite.digest}",
        "Confined by": ", ".join(report.confined_by) or "nothing was run",
        "Time": f"{usage.wall_s:.2f} s from start to report",
        "CPU": f"{usage.worker_cpu_s:.2f} s of the submission, {usage.judge_cpu_s:.2f} s of ours",
        "Memory": f"{usage.peak_memory_bytes / 2**20:.0f} MiB at most in one process",
        "Reason": report.diagnosis.id or report.diagnosis.kind,
    }
    return {
        "graded": graded,
        "environment": report.environment,
        "cases": [_case_row(case) for case in cases],
        "cases_in_words": margins.in_words(cases) if cases else "",
        "dot_plot": margins.dot_plot(cases, name="cases") if cases else None,
    }


def _tally(findings: list[Finding]) -> list[tuple[str, Mark, int]]:
    counts = ((s, m, sum(f.status == s for f in findings)) for s, m in STATUSES.items())
    return [(status, mark, count) for status, mark, count in counts if count]


def _items(findings: list[Finding], lines: Listing | None) -> list[Item]:
    """Return the findings; what stands in the way of several in a row is said once."""
    items, said = [], ""
    for finding in findings:
        message = "" if finding.message == said else finding.message
        said = finding.message
        line = line_of(finding)
        shown = lines is not None and line is not None and line <= len(lines.lines)
        items.append(
            Item(
                STATUSES[finding.status],
                finding.status,
                finding.title,
                finding.points,
                finding.max_points,
                message,
                line if shown and line is not None else 0,
            )
        )
    return items


def _departs(report: Report) -> str:
    """Say where the forward pass departs when the report holds no stages to draw."""
    first, before = report.diagnosis.first_differing_stage, report.diagnosis.agrees_before
    if first is None:
        return ""
    begun = f"Everything compared up to {before[-1]} agrees; " if before else ""
    return f"{begun}{first} is the first that does not."


def _case_row(case: CaseResult) -> CaseRow:
    mark = STATUSES["passed" if case.passed else "failed"]
    finite = math.isfinite(float(case.margin))
    margin = brief(float(case.margin)) if finite else "nothing to compare"
    bound = written(case.bound, 3)
    return CaseRow(case.number, case.family, shaped(case.shape), margin, bound, mark)
