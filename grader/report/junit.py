"""Write a report as JUnit XML: one test case a finding."""

import math
from xml.etree import ElementTree

from grader.model import Finding, Report
from grader.text import printable

_NAME_LIMIT = 200
_TEXT_LIMIT = 2_000
"""Characters of a message that are written; machines that read JUnit files show the first few."""


def to_junit(report: Report) -> str:
    """Return the report as JUnit XML.

    A finding is a test case of class `exercise.name`; one that failed holds a <failure>, one that
    was not judged a <skipped>, and all of an internal_error an <error>. A report without findings
    (feedback "score") is one test case called "Score". Neither schema lets a test case have
    properties of its own, so its points stand in the suite's, as `points.<id>`.

    All text passes through `printable`: what XML 1.0 cannot hold (control characters, lone
    surrogates, U+FFFE) and what a reader cannot see come out as escapes.

    Source: valid against junit-10.xsd of Jenkins' xUnit plugin; the <testsuite> also against
    surefire-test-report.xsd of Maven Surefire 3 (both read on 2026-11-24).
    """
    judged = report.findings or [_score(report)]
    counts = _counts(report, judged)
    name, time = _text(report.exercise.name, _NAME_LIMIT), _seconds(report.usage.wall_s)
    root = ElementTree.Element("testsuites", {"name": name, "time": time, **counts})
    skipped = sum(_outcome(report, finding) == "skipped" for finding in judged)
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": name, "time": time, **counts, "skipped": str(skipped)}
    )
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in _properties(report).items():
        ElementTree.SubElement(properties, "property", {"name": key, "value": value})
    for finding in judged:
        _add_case(suite, report, finding)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _add_case(suite: ElementTree.Element, report: Report, finding: Finding) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "classname": _text(report.exercise.name, _NAME_LIMIT),
            "name": _text(finding.title, _NAME_LIMIT) or "unnamed",
            "time": "0.000",  # findings are not timed one by one
        },
    )
    outcome, message = _outcome(report, finding), _text(finding.message, _TEXT_LIMIT)
    if outcome == "skipped":
        ElementTree.SubElement(case, "skipped", {"message": message})
    elif outcome in ("failure", "error"):
        message = message or _text(finding.title, _NAME_LIMIT)  # feedback "category" shows no more
        attributes = {"type": report.verdict, "message": message}
        ElementTree.SubElement(case, outcome, attributes).text = message
    elif finding.status == "informational" and message:
        ElementTree.SubElement(case, "system-out").text = message


def _outcome(report: Report, finding: Finding) -> str:
    """Return the element that tells how a test case ended; empty for one that passed."""
    if report.verdict == "internal_error":
        return "error"
    return {"failed": "failure", "skipped": "skipped"}.get(finding.status, "")


def _counts(report: Report, judged: list[Finding]) -> dict[str, str]:
    outcomes = [_outcome(report, finding) for finding in judged]
    return {
        "tests": str(len(judged)),
        "failures": str(outcomes.count("failure")),
        "errors": str(outcomes.count("error")),
    }


def _properties(report: Report) -> dict[str, str]:
    """Return what belongs to the whole: score, provenance, diagnosis, the points of each case."""
    diagnosis = report.diagnosis
    facts = {
        "score": str(report.score),
        "max_score": str(report.max_score),
        "verdict": report.verdict,
        "submission": report.submission.name,
        "submission_sha256": report.submission.sha256,
        "exercise_digest": report.exercise.digest,
        "suite_digest": report.suite.digest,
        "view": report.shown.view,
        "feedback": report.shown.feedback,
    }
    if diagnosis.kind != "none":
        facts["diagnosis"] = ": ".join(filter(None, (diagnosis.title, diagnosis.message)))
    for finding in report.findings:
        facts[f"points.{finding.id}"] = f"{finding.points}/{finding.max_points}"
    return {_text(key, _NAME_LIMIT): _text(value, _TEXT_LIMIT) for key, value in facts.items()}


def _score(report: Report) -> Finding:
    """Return the one test case of a report that shows no findings."""
    return Finding(
        id="score",
        title="Score",
        status="passed" if report.verdict == "accepted" else "failed",
        points=report.score,
        max_points=report.max_score,
        message=f"{report.score} of {report.max_score} points: {report.verdict}",
    )


def _text(text: str, limit: int) -> str:
    return printable(text, limit)


def _seconds(value: float) -> str:
    """Return seconds as both schemas write them; 0.000 for what is no duration."""
    return f"{value:.3f}" if math.isfinite(value) and value > 0 else "0.000"
