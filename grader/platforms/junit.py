"""JUnit XML: for GitLab, Jenkins, Artemis and whatever else reads it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from grader.platforms.checking import Problems
from grader.platforms.platform import NOT_JUDGED, SORRY, Circumstances, Delivery, Places, Platform

if TYPE_CHECKING:
    from grader.model import Report

MOST_BYTES = 4 << 20
_OUTCOMES = ("failure", "error", "skipped")
_COUNTS = {"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error"}


def render(report: "Report", circumstances: Circumstances) -> Delivery:
    """Render a report; an error of ours is an <error> in each test case."""
    from grader.report.junit import to_junit  # loads the report's types

    ours = report.verdict == "internal_error"
    return Delivery(document=to_junit(report).encode(), exit_code=NOT_JUDGED if ours else 0)


def not_judged(circumstances: Circumstances) -> Delivery:
    """Return the result of an error of ours, made without a report."""
    said = quoteattr(SORRY)
    counts = 'name="grader" tests="1" failures="0" errors="1" time="0.000"'
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites {counts}>\n<testsuite {counts} skipped="0">\n'
        f'<testcase classname="grader" name="Grading" time="0.000"><error type="internal_error" '
        f"message={said}/></testcase>\n</testsuite>\n</testsuites>\n"
    )
    return Delivery(document=text.encode(), exit_code=NOT_JUDGED)


def validate(document: bytes, beside: Mapping[str, bytes]) -> list[str]:
    """Name every rule that a document breaks."""
    problems = Problems()
    if len(document) > MOST_BYTES:
        problems.append(f"it has {len(document)} bytes; at most {MOST_BYTES} are read")
    if b"<!DOCTYPE" in document or b"<!ENTITY" in document:
        return [*problems, "it declares a document type; parsers refuse that"]
    try:
        document.decode("utf-8")
        root = ElementTree.fromstring(document)
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError) as error:
        return [*problems, f"it is not XML in UTF-8: {error}"]
    if root.tag not in ("testsuites", "testsuite"):
        return [*problems, f"the root is {root.tag}; it must be testsuites"]
    suites = [root] if root.tag == "testsuite" else list(root)
    for suite in suites:
        _check_suite(suite, problems)
    return problems


def _check_suite(suite: ElementTree.Element, problems: Problems) -> None:
    if suite.tag != "testsuite":
        problems.append(f"testsuites holds {suite.tag}; it must hold testsuite")
        return
    name = suite.get("name")
    if not name:
        problems.append("a testsuite has no name")
    for attribute, path in _COUNTS.items():
        counted = len(suite.findall(path))
        if suite.get(attribute) != str(counted):
            problems.append(f"{attribute} is {suite.get(attribute)}, but there are {counted}")
    for case in suite.findall("testcase"):
        for attribute in ("name", "classname"):
            if not case.get(attribute):
                problems.append(f"a testcase has no {attribute}")
        if sum(child.tag in _OUTCOMES for child in case) > 1:
            problems.append(f"testcase {case.get('name')} has more than one outcome")


PLATFORM = Platform(
    name="junit",
    title="JUnit XML",
    places=Places(submission=".", result=None, settings=""),
    budget_s=540,
    render=render,
    not_judged=not_judged,
    validate=validate,
)
