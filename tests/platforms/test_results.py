"""Every report becomes a result that its platform takes, whatever text and numbers it holds."""

import json
import re
from base64 import b64decode
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hostile_reports import reports
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SAMPLES, accepted, internal_error, score_only, wrong_answer

from grader.model import Finding, Report
from grader.platforms import NAMES, autolab, find
from grader.platforms.platform import NOT_JUDGED, Delivery
from grader.report.views import LEVELS
from grader.report.views import for_student as as_student


def rendered(report: Report, name: str, **circumstances: Any) -> Delivery:
    """Render a report and hold what comes out against the platform's rules."""
    platform = find(name)
    delivery = platform.render(report, platform.circumstances(**circumstances))
    if delivery.document is not None:
        assert platform.validate(delivery.document, delivery.beside) == []
    return delivery


def invalid() -> Report:
    """A file that cannot be read, as the judge reports it."""
    report = wrong_answer()
    broken = msgspec.structs.replace(
        report.findings[0], status="failed", points=0, message="It is no Python: line 3."
    )
    return msgspec.structs.replace(
        report,
        verdict="invalid_submission",
        score=0,
        counterexample=None,
        findings=[broken, *(skipped(finding) for finding in report.findings[1:])],
    )


def skipped(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, status="skipped", points=0, message="Not judged.")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sample", SAMPLES)
def test_every_sample_is_taken_by_every_platform(name: str, sample: str) -> None:
    report = SAMPLES[sample]()
    delivery = rendered(report, name)
    if report.verdict != "internal_error":
        assert delivery.document is not None
        assert delivery.exit_code == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", LEVELS)
def test_what_a_student_may_see_is_taken_at_every_level(name: str, level: Any) -> None:
    for report in (accepted(), wrong_answer(), invalid(), internal_error()):
        rendered(as_student(report, level), name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", LEVELS)
def test_a_student_is_told_at_every_level_why_a_file_cannot_be_read(name: str, level: Any) -> None:
    delivery = rendered(as_student(invalid(), level), name)
    assert delivery.document is not None
    shown = b"".join([delivery.document, *delivery.beside.values()])
    if name == "github":
        shown += b64decode(shown)
    assert re.search(rb"It is no Python ?: line 3", shown)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60)
@given(report=reports())
def test_hostile_text_and_numbers_never_decide_structure(name: str, report: Report) -> None:
    if name == "gradescope":
        options = {"leaderboard": True, "after_published": [f.id for f in report.findings[:1]]}
        rendered(report, name, options=options)
    rendered(report, name)


@pytest.mark.parametrize("name", NAMES)
def test_huge_reports_are_cut_to_what_the_platform_reads(name: str) -> None:
    report = wrong_answer()
    long = msgspec.structs.replace(report.findings[1], title="T" * 10_000, message="m\u202e" * 5000)
    whole = name in ("junit", "json")  # say everything; a judge's report has a rubric's findings
    rendered(msgspec.structs.replace(report, findings=[long] * (300 if whole else 3000)), name)


def document(delivery: Delivery) -> Any:
    assert delivery.document is not None
    return json.loads(delivery.document)


def test_gradescope_shows_one_test_a_finding_and_the_score() -> None:
    found = document(rendered(wrong_answer(), "gradescope"))
    assert found["score"] == 29
    assert [test["name"] for test in found["tests"]][:2] == [
        "Imports and runs",
        "Every case within tolerance",
    ]
    assert [test.get("score") for test in found["tests"]] == [5, 0, 0, 2, 0, None]
    assert found["tests"][-1]["status"] == "passed"  # informational: status alone
    assert {test["visibility"] for test in found["tests"]} == {"visible"}
    assert "Most likely: The mean is taken over the height alone" in found["output"]
    assert "pooled is the first that differs" in found["output"]
    assert "from submission import forward" in found["output"]
    assert "leaderboard" not in found


def test_the_snippet_can_be_pasted_as_it_is_shown() -> None:
    shown = document(rendered(wrong_answer(), "gradescope"))["output"]
    compile(shown.partition("session:\n\n")[2], "snippet", "exec")


def test_gradescope_scales_to_the_points_of_the_assignment() -> None:
    found = document(rendered(wrong_answer(), "gradescope", options={"points": 10.0}))
    assert found["score"] == 2.9
    assert sum(test.get("max_score", 0) for test in found["tests"]) == pytest.approx(10)


def test_gradescope_holds_findings_back_until_grades_are_published() -> None:
    options = {"after_published": ["values"], "leaderboard": True}
    found = document(rendered(wrong_answer(), "gradescope", options=options))
    shown = {test["name"]: test["visibility"] for test in found["tests"]}
    assert shown["Every case within tolerance"] == "after_published"
    assert shown.pop("Summary") == "after_published"
    assert list(shown.values()).count("visible") == len(shown) - 1


def test_gradescope_shows_neither_score_nor_mistake_while_anything_is_held_back() -> None:
    report = wrong_answer()
    held = {"after_published": [f.id for f in report.findings], "leaderboard": True}
    found = document(rendered(report, "gradescope", options=held))
    assert {test["visibility"] for test in found["tests"]} == {"after_published"}
    assert "29" in found["tests"][0]["output"]
    assert found["output"] == "The score and what it rests on are shown once grades are published."
    assert "leaderboard" not in found
    kept = document(rendered(internal_error(), "gradescope", options=held, metadata=BEFORE))
    assert kept["score"] == 35.5
    assert "35.5" not in kept["output"] and "Your previous score stays." in kept["output"]
    assert [test["visibility"] for test in kept["tests"]] == ["after_published"]


def test_gradescope_says_why_a_file_cannot_be_read_whatever_is_held_back() -> None:
    held = {"after_published": [f.id for f in invalid().findings]}
    found = document(rendered(invalid(), "gradescope", options=held))
    assert "It is no Python: line 3." in found["tests"][0]["output"]
    assert {test["visibility"] for test in found["tests"]} == {"visible"}


def told(report: Report, *held: str) -> dict[str, str]:
    """Return what each visible row says when findings of these ids are held back."""
    found = document(rendered(report, "gradescope", options={"after_published": list(held)}))
    return {t["name"]: t["output"] for t in found["tests"] if t["visibility"] == "visible"}


def part(name: str, status: Any = "passed", **evidence: str) -> Finding:
    return Finding(
        id=name,
        title=name,
        status=status,
        points=0,
        max_points=5,
        message="Every result, up to the first wrong one, is finite.",
        evidence=evidence,
    )


@pytest.mark.parametrize("level", ["category", "counterexample", "full"])
def test_gradescope_holds_back_what_rests_on_a_finding_that_is_held_back(level: Any) -> None:
    parts = [
        part("result"),
        part("values", "failed"),
        part("forward", "failed", because="values"),
        part("order", "skipped", because="forward"),
        part("flag", "failed", because="class"),
    ]
    report = msgspec.structs.replace(wrong_answer(), findings=parts)
    assert list(told(as_student(report, level), "values")) == ["result", "flag"]
    # With other weights in its model nothing stands in its way, but values are wrong.
    parts[2] = part("forward", "passed")
    report = msgspec.structs.replace(report, findings=parts)
    assert list(told(as_student(report, level), "values")) == ["result", "flag"]


def test_gradescope_says_nothing_of_what_is_right_while_anything_is_held_back() -> None:
    parts = [part("result"), part("values", "failed"), part("flag", "failed")]
    report = msgspec.structs.replace(wrong_answer(), findings=parts)
    assert told(report, "values") == {"result": "", "flag": parts[2].message}
    assert set(told(report).values()) == {parts[0].message}
    options = {"after_published": ["values"]}
    assert "execution_time" not in document(rendered(report, "gradescope", options=options))
    assert "execution_time" in document(rendered(report, "gradescope"))


def claimed_unread() -> Report:
    """A call that raised what is called MissingFunction: a worker names exceptions as it likes."""
    return msgspec.structs.replace(invalid(), counterexample=wrong_answer().counterexample)


def test_gradescope_holds_back_what_a_call_said_under_the_name_of_an_unread_file() -> None:
    held = {"after_published": [f.id for f in invalid().findings]}
    found = document(rendered(claimed_unread(), "gradescope", options=held))
    assert {test["visibility"] for test in found["tests"]} == {"after_published"}
    assert "forward" not in found["output"]


@pytest.mark.parametrize("level", LEVELS)
def test_prairielearn_takes_an_attempt_for_a_call_that_claims_to_be_unread(level: Any) -> None:
    found = document(rendered(as_student(claimed_unread(), level), "prairielearn"))
    assert found["gradable"] is True and found["score"] == 0


def test_gradescope_has_a_leaderboard_on_demand() -> None:
    found = document(rendered(wrong_answer(), "gradescope", options={"leaderboard": True}))
    assert [place["name"] for place in found["leaderboard"]] == ["Score", "CPU seconds"]


def test_gradescope_ranks_no_time_that_is_not_told() -> None:
    report = as_student(wrong_answer(), "category")
    found = document(rendered(report, "gradescope", options={"leaderboard": True}))
    assert [place["name"] for place in found["leaderboard"]] == ["Score"]


@pytest.mark.parametrize("level", LEVELS)
def test_gradescope_shows_a_failed_test_for_an_unreadable_file(level: Any) -> None:
    found = document(rendered(as_student(invalid(), level), "gradescope"))
    assert found["score"] == 0
    failed = [t for t in found["tests"] if t["status"] == "failed" and t["output"]]
    assert failed
    assert {test["visibility"] for test in failed} == {"visible"}


BEFORE = {
    "created_at": "2026-03-02T12:00:00-08:00",
    "previous_submissions": [
        {"submission_time": "2026-03-01T10:00:00-08:00", "score": 20.0, "results": {}},
        {"submission_time": "2026-03-02T10:00:00-08:00", "score": "35.5", "results": None},
        {"submission_time": "2026-03-02T11:00:00-08:00", "score": None},
        "nonsense",
    ],
}


def test_gradescope_keeps_the_previous_score_after_an_error_of_ours() -> None:
    found = document(rendered(internal_error(), "gradescope", metadata=BEFORE))
    assert found["score"] == 35.5
    assert "not your fault" in found["output"]
    assert "Your previous score, 35.5, stays." in found["output"]


def ranked(*names_and_values: Any, options: dict[str, Any] | None = None) -> Any:
    """Return what follows an error of ours after a submission that had this leaderboard."""
    places = [{"name": name, "value": value} for name, value in names_and_values]
    latest = {
        "submission_time": "2026-03-02T11:30:00-08:00",
        "score": 40.0,
        "results": {"leaderboard": places},
    }
    metadata = {**BEFORE, "previous_submissions": [*BEFORE["previous_submissions"], latest]}
    options = options or {"leaderboard": True}
    report = internal_error()
    return document(rendered(report, "gradescope", options=options, metadata=metadata))


def test_gradescope_keeps_the_place_in_the_leaderboard_after_an_error_of_ours() -> None:
    score = {"name": "Score", "value": 40.0, "order": "desc"}
    found = ranked(("Score", 12.0), ("CPU seconds", 3.5))
    assert found["leaderboard"] == [score, {"name": "CPU seconds", "value": 3.5, "order": "asc"}]
    for nonsense in ("soon", None, True, float("inf")):
        assert ranked(("CPU seconds", nonsense))["leaderboard"] == [score]
    assert "leaderboard" not in ranked(("CPU seconds", 3.5), options={"leaderboard": False})
    held_back = {"leaderboard": True, "after_published": ["values"]}
    assert "leaderboard" not in ranked(("CPU seconds", 3.5), options=held_back)


@pytest.mark.parametrize(
    "metadata", [{}, {"previous_submissions": 7}, {"previous_submissions": []}]
)
def test_gradescope_says_so_when_there_is_no_previous_score(metadata: dict[str, Any]) -> None:
    found = document(rendered(internal_error(), "gradescope", metadata=metadata))
    assert found["score"] == 0
    assert "no earlier score" in found["output"]


def limited(most: int, metadata: dict[str, Any] = BEFORE, hours: float = 24.0) -> Any:
    platform = find("gradescope")
    options = {"submissions": most, "hours": hours}
    refused = platform.refuse(platform.circumstances(options, metadata))
    if refused is None:
        return None
    assert refused.document is not None
    assert platform.validate(refused.document, {}) == []
    return json.loads(refused.document)


def test_gradescope_limits_attempts_by_the_times_it_wrote_down() -> None:
    assert limited(0) is None
    assert limited(3) is None  # two count: the day before is over 24 hours ago
    found = limited(2)
    assert found["score"] == 35.5
    assert "at most 2 submissions are graded in 24 hours" in found["output"]
    assert "2026-03-03T10:00:00-08:00" in found["output"]
    assert limited(2, hours=0.5) is None
    assert limited(1, {**BEFORE, "created_at": "no time"}) is None


def test_gradescope_does_not_count_what_was_not_judged() -> None:
    kept = limited(1)
    last = {"submission_time": "2026-03-02T11:30:00-08:00", "score": 35.5, "results": kept}
    after = {**BEFORE, "previous_submissions": [last]}
    assert limited(1, after) is None


class Semester:
    """A student's submissions as Gradescope tells of them: the latest alone has its results."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._before: list[dict[str, Any]] = []

    def submit(self, time: str, report: Report | None = None) -> str:
        """Return "graded", "refused" or "not judged"; without a report Gradescope fails."""
        told = [*({**one, "results": None} for one in self._before[:-1]), *self._before[-1:]]
        metadata = {"created_at": time, "previous_submissions": told}
        given = {"options": {"submissions": self._most, "hours": 24.0}, "metadata": metadata}
        refused = limited(self._most, metadata)
        found = refused or (document(rendered(report, "gradescope", **given)) if report else None)
        score = found["score"] if found else 0.0
        one = {"submission_time": time, "score": score, "autograder_error": found is None}
        self._before.append({**one, "results": found})
        if refused is not None:
            return "refused"
        return "graded" if report and report.verdict != "internal_error" else "not judged"

    @property
    def score(self) -> float:
        """Of the latest submission."""
        return float(self._before[-1]["score"])


def test_gradescope_counts_no_refusal_however_often_a_student_tries() -> None:
    student = Semester(1)
    assert student.submit("2026-03-02T10:00:00-08:00", wrong_answer()) == "graded"
    for hour in (12, 13, 14):
        assert student.submit(f"2026-03-02T{hour}:00:00-08:00", accepted()) == "refused"
        assert student.score == 29
    assert student.submit("2026-03-03T10:30:00-08:00", accepted()) == "graded"
    assert student.score == 100
    assert student.submit("2026-03-03T11:30:00-08:00", accepted()) == "refused"


def test_gradescope_counts_no_error_of_ours_that_lies_further_back() -> None:
    student = Semester(2)
    assert student.submit("2026-03-02T10:00:00-08:00", internal_error()) == "not judged"
    assert student.submit("2026-03-02T11:00:00-08:00", wrong_answer()) == "graded"
    assert student.submit("2026-03-02T12:00:00-08:00", accepted()) == "graded"
    assert student.submit("2026-03-02T13:00:00-08:00", accepted()) == "refused"


def test_gradescope_neither_counts_nor_keeps_what_it_failed_to_run_itself() -> None:
    student = Semester(2)
    assert student.submit("2026-03-02T10:00:00-08:00", wrong_answer()) == "graded"
    assert student.submit("2026-03-02T11:00:00-08:00") == "not judged"
    assert student.submit("2026-03-02T12:00:00-08:00", internal_error()) == "not judged"
    assert student.score == 29
    assert student.submit("2026-03-02T13:00:00-08:00", accepted()) == "graded"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
TIME = st.datetimes().map(datetime.isoformat) | st.sampled_from(
    ["2026-03-02T11:30:00-08:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
KEPT = st.fixed_dictionaries({"not_judged_at": st.lists(TIME | JSON) | JSON})
RESULTS = st.fixed_dictionaries({"extra_data": KEPT | JSON}) | JSON
SUBMISSION = st.fixed_dictionaries(
    {"submission_time": TIME | JSON, "score": JSON, "results": RESULTS, "autograder_error": JSON}
)


@settings(max_examples=100)
@given(
    metadata=st.fixed_dictionaries(
        {},
        optional={"created_at": TIME | JSON, "previous_submissions": st.lists(SUBMISSION) | JSON},
    ),
    hours=st.floats(0, 9e8),
)
def test_gradescope_takes_any_metadata(metadata: dict[str, Any], hours: float) -> None:
    rendered(internal_error(), "gradescope", metadata=metadata)
    limited(1, metadata, hours)


def test_prairielearn_takes_no_attempt_for_a_file_that_cannot_be_read() -> None:
    found = document(rendered(invalid(), "prairielearn"))
    assert found["gradable"] is False
    assert "score" not in found
    assert found["format_errors"] == ["It is no Python: line 3."]


def test_prairielearn_scores_and_shows_points() -> None:
    delivery = rendered(wrong_answer(), "prairielearn")
    found = document(delivery)
    assert (found["score"], found["gradable"], found["succeeded"]) == (0.29, True, True)
    assert sum(test["points"] for test in found["tests"]) == 7
    assert all(test["max_points"] > 0 for test in found["tests"])
    assert "Compiles under jit: It does." in found["output"]


def test_coursera_gives_a_fraction_and_a_text() -> None:
    delivery = rendered(wrong_answer(), "coursera")
    found = document(delivery)
    assert found["fractionalScore"] == 0.29
    text = delivery.beside["txtFeedback.txt"].decode()
    assert "0/60 Every case within tolerance" in text


def test_autolab_prints_the_grade_last_and_feedback_before_it() -> None:
    delivery = rendered(wrong_answer(), "autolab", options={"problem": "lab1", "scoreboard": True})
    assert delivery.document is not None
    lines = delivery.document.decode().splitlines()
    assert json.loads(lines[-1]) == {"scores": {"lab1": 29}, "scoreboard": [29]}
    stage = json.loads(lines[-2])["Findings"]
    assert stage["Imports and runs"] == {"passed": True}
    assert stage["Every case within tolerance"]["passed"] is False


def test_github_scores_add_up_even_where_findings_are_not_shown() -> None:
    for report in (wrong_answer(), score_only()):
        delivery = rendered(report, "github")
        assert delivery.document is not None
        found = json.loads(msgspec.json.decode(b'"' + delivery.document.strip() + b'"', type=bytes))
        assert found["max_score"] == 100
        assert sum(test["score"] for test in found["tests"]) == 29
        assert found["status"] == "fail"


def test_points_that_are_no_part_of_100_come_out_whole() -> None:
    replace, report = msgspec.structs.replace, wrong_answer()
    one = replace(report.findings[0], points=29, max_points=30)
    report = replace(report, score=29, max_score=30, findings=[one])
    assert document(rendered(report, "gradescope"))["score"] == 29
    assert document(rendered(report, "openedx"))["score"] * 30 == 29
    printed = rendered(report, "autolab").document
    assert printed is not None
    assert json.loads(printed.splitlines()[-1]) == {"scores": {"autograded": 29}}


@pytest.mark.parametrize(("report", "share"), [(accepted(), 1), (wrong_answer(), 0)])
def test_a_rubric_worth_nothing_gives_all_to_what_is_accepted(report: Report, share: int) -> None:
    worth_nothing = msgspec.structs.replace(report, score=0, max_score=0)
    for name, key in (
        ("prairielearn", "score"),
        ("coursera", "fractionalScore"),
        ("openedx", "score"),
    ):
        assert document(rendered(worth_nothing, name))[key] == share
    delivery = rendered(worth_nothing, "autolab", options={"points": 10})
    assert delivery.document is not None
    assert json.loads(delivery.document.splitlines()[-1]) == {"scores": {"autograded": 10 * share}}


def test_openedx_gets_xml_with_one_root() -> None:
    found = document(rendered(wrong_answer(), "openedx"))
    assert (found["correct"], found["score"]) == (False, 0.29)
    assert ElementTree.fromstring(found["msg"]).tag == "div"


@pytest.mark.parametrize("name", NAMES)
def test_an_error_of_ours_is_never_a_grade(name: str) -> None:
    delivery = rendered(internal_error(), name)
    assert delivery.exit_code == (0 if name == "gradescope" else NOT_JUDGED)
    if name in ("autolab", "openedx"):
        assert delivery.document is None
    else:
        assert delivery.document is not None
        assert b"not your fault" in delivery.document or name == "github"


@pytest.mark.parametrize("before", ["a", "7", "é", "\n", "\u0007", "語"])
def test_no_letter_or_digit_stands_before_a_colon_in_json_either(before: str) -> None:
    line = json.dumps(autolab.unquoted(f"{before}: told"))
    assert re.search("[A-Za-z0-9]:", line) is None
