"""JUnit XML reads back as what the report says, whatever its text holds."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import SAMPLES
from test_views import finding, internal_error, staff_report

from grader.model import Diagnosis, ExerciseName, Finding, Report, SubmissionName, Usage
from grader.report.junit import to_junit
from grader.report.views import for_student

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60)

ELEMENTS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set(), {"testsuite"}),
    "testsuite": (
        {"name", "time", "tests", "failures", "errors", "skipped"},
        {"name", "tests", "failures", "errors", "skipped"},
        {"properties", "testcase"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, {"name", "value"}, set()),
    "testcase": (
        {"name", "classname", "time"},
        {"name", "time"},
        {"failure", "error", "skipped", "system-out"},
    ),
    "failure": ({"type", "message"}, {"type"}, set()),
    "error": ({"type", "message"}, {"type"}, set()),
    "skipped": ({"message"}, set(), set()),
    "system-out": (set(), set(), set()),
}
"""Of each element what both schemas allow: attributes, those required, children."""


def suite_of(report: Report) -> Any:
    """Return the parsed <testsuite>; everything around it was held against the schemas."""
    text = to_junit(report)
    text.encode()  # no lone surrogate
    root = ElementTree.fromstring(text.encode())
    for element in root.iter():
        allowed, required, children = ELEMENTS[element.tag]
        assert required <= set(element.attrib) <= allowed
        assert {child.tag for child in element} <= children
    (suite,) = root
    tags = [child.tag for child in suite]
    assert tags == ["properties", *["testcase"] * (len(tags) - 1)]
    assert int(suite.get("tests")) == len(tags) - 1
    for total, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(total)) == len(suite.findall(f"testcase/{tag}"))
    return suite


def properties(suite: Any) -> dict[str, str]:
    return {p.get("name"): p.get("value") for p in suite.iter("property")}


@pytest.mark.parametrize("make", SAMPLES.values(), ids=SAMPLES)
def test_every_sample_follows_the_schemas(make: Callable[[], Report]) -> None:
    report = make()
    assert len(suite_of(report).findall("testcase")) == max(len(report.findings), 1)


def test_each_finding_is_a_test_case() -> None:
    suite = suite_of(staff_report())
    passed, failed, skipped = suite.findall("testcase")
    assert passed.attrib == {
        "classname": "an_exercise",
        "name": "TITLE runs",
        "time": "0.000",
    }
    assert list(passed) == []
    assert failed.find("failure").get("type") == "wrong_answer"
    assert failed.find("failure").get("message") == "Result[2] is MESSAGE; seen on seed=3."
    assert failed.find("failure").text == failed.find("failure").get("message")
    assert skipped.find("skipped").get("message") == "Not judged: SKIPPED."
    assert suite.get("time") == "4.250"


def test_score_verdict_diagnosis_and_points_are_properties() -> None:
    told = properties(suite_of(staff_report()))
    assert (told["score"], told["max_score"], told["verdict"]) == ("7", "50", "wrong_answer")
    assert told["points.values"] == "0/40"
    assert told["diagnosis"] == "DIAGNOSIS_TITLE: DIAGNOSIS_MESSAGE"
    assert "diagnosis" not in properties(suite_of(internal_error()))


def test_our_own_failure_is_an_error_and_no_failure() -> None:
    suite = suite_of(internal_error())
    (error,) = suite.findall("testcase/error")
    assert error.get("type") == "internal_error"
    assert "not your fault" in error.get("message")
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "0")


def test_informational_text_is_output_of_a_test_that_passed() -> None:
    report = staff_report(findings=[finding("note", "informational", 0, 0, "By the way.")])
    (case,) = suite_of(report).findall("testcase")
    assert [(child.tag, child.text) for child in case] == [("system-out", "By the way.")]


def test_a_score_alone_is_one_test_case() -> None:
    suite = suite_of(for_student(staff_report(), "score"))
    (case,) = suite.findall("testcase")
    assert case.get("name") == "Score"
    assert case.find("failure").get("message") == "7 of 50 points: wrong_answer"
    accepted = staff_report(verdict="accepted", score=50, findings=[])
    assert suite_of(for_student(accepted, "score")).findall("testcase/failure") == []


def test_a_category_fails_with_its_title() -> None:
    suite = suite_of(for_student(staff_report(), "category"))
    assert suite.find("testcase/failure").get("message") == "TITLE values"
    assert suite.get("time") == "0.000"


@pytest.mark.parametrize("wall_s", [float("nan"), float("inf"), -1.0])
def test_a_time_that_is_none_is_written_as_zero(wall_s: float) -> None:
    usage = Usage(wall_s=wall_s, worker_cpu_s=0, judge_cpu_s=0, peak_memory_bytes=0)
    assert suite_of(staff_report(usage=usage)).get("time") == "0.000"


def test_hostile_text_comes_out_as_escapes() -> None:
    message = "\x00\x1b[2J\ud800\u202e\ufffe]]></failure><!-- & \n nan"
    report = staff_report(findings=[finding("values", "failed", 0, 1, message)])
    (failure,) = suite_of(report).findall("testcase/failure")
    assert failure.text == (r"\u0000\u001b[2J\ud800\u202e\ufffe]]></failure><!-- & \u000a nan")


def test_huge_text_is_cut() -> None:
    huge = [finding(str(n), "failed", 0, 1, "\u202e" * 1_000_000) for n in range(20)]
    assert len(to_junit(staff_report(findings=huge))) < 200_000


@given(text=ANYTHING, status=st.sampled_from(["passed", "failed", "skipped", "informational"]))
def test_any_text_anywhere_reads_back_printable(text: str, status: str) -> None:
    hostile = Finding(
        id=text,
        title=text,
        status=status,  # type: ignore[arg-type]
        points=0,
        max_points=1,
        message=text,
    )
    report = msgspec.structs.replace(
        staff_report(),
        exercise=ExerciseName(name=text, digest=text),
        submission=SubmissionName(name=text, sha256=text),
        findings=[hostile, hostile],
        diagnosis=Diagnosis(kind="pattern", title=text, message=text),
    )
    suite = suite_of(report)
    assert len(suite.findall("testcase")) == 2
    for element in suite.iter():
        assert all(value.isprintable() for value in element.attrib.values())
        assert (element.text or "").strip().isprintable()
