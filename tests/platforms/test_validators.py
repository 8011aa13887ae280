"""Validators refuse every known bad example of a result, and say what is wrong with it."""

import base64
import json
from typing import Any

import pytest

from grader.platforms import NAMES, find

GOOD: dict[str, Any] = {
    "gradescope": {"score": 3, "tests": [{"name": "a", "score": 3, "max_score": 5}]},
    "prairielearn": {
        "score": 0.5,
        "tests": [{"name": "a", "points": 1, "max_points": 2}],
        "images": [{"url": "data:image/png;base64,AA=="}],
    },
    "coursera": {"fractionalScore": 1, "feedback": ""},
    "github": {
        "version": 1,
        "status": "pass",
        "max_score": 5,
        "tests": [{"name": "a", "status": "pass", "score": 5}],
    },
    "openedx": {"correct": True, "score": 1, "msg": "<p>Well &lt;done&gt;</p>"},
}
BAD: list[tuple[str, dict[str, Any], str]] = [
    # Gradescope
    ("gradescope", {"tests": [{"status": "passed"}], "score": None}, "score is null"),
    ("gradescope", {"score": "3"}, "must be a number"),
    ("gradescope", {"score": True}, "must be a number"),
    ("gradescope", {"output_format": "markdown"}, "must be one of text"),
    ("gradescope", {"visibility": "secret"}, "must be one of hidden"),
    ("gradescope", {"tests": [{"score": 1}]}, "without max_score"),
    ("gradescope", {"tests": [{"name": "a"}]}, "neither score nor status"),
    ("gradescope", {"tests": [{"status": "error"}]}, "must be one of passed"),
    ("gradescope", {"tests": [{"status": "failed", "visibility": "hidden"}]}, "after_published"),
    ("gradescope", {"tests": [{"status": "failed", "number": 1.1}]}, "must be a string"),
    ("gradescope", {"tests": [{"status": "failed", "tags": "x"}]}, "tags"),
    ("gradescope", {"tests": {"a": 1}}, "must be a list"),
    ("gradescope", {"leaderboard": [{"name": "a", "value": 1, "order": "up"}]}, "asc, desc"),
    ("gradescope", {"leaderboard": [{"value": 1}]}, "name is missing"),
    ("gradescope", {"max_score": 5}, "no field of this format"),
    ("gradescope", {"output": "a\0b"}, "NUL"),
    ("gradescope", {"score": 10**400}, "too large"),
    # PrairieLearn: each of these makes the submission not gradable, or hides points
    ("prairielearn", {"score": 1.01}, "within 0 and 1"),
    ("prairielearn", {"score": -0.1}, "within 0 and 1"),
    ("prairielearn", {"score": "1"}, "must be a number"),
    ("prairielearn", {"score": True}, "must be a number"),
    ("prairielearn", {"gradable": "yes"}, "true or false"),
    ("prairielearn", {"tests": [{"name": "a", "points": 1}]}, "max_points is missing"),
    ("prairielearn", {"tests": [{"name": "a", "max_points": 1}]}, "points is missing"),
    ("prairielearn", {"tests": [{"points": 0, "max_points": 0}]}, "grey"),
    ("prairielearn", {"images": [{"url": "https://example.org/a.png"}]}, "data:image/"),
    ("prairielearn", {"images": "data:image/png;base64,AA=="}, "must be a list"),
    ("prairielearn", {"format_errors": [3]}, "format_errors"),
    ("prairielearn", {"message": "x" * (1 << 20)}, "are read"),
    # Coursera
    ("coursera", {"fractionalScore": True}, "must be a number"),
    ("coursera", {"fractionalScore": "0.5"}, "must be a number"),
    ("coursera", {"fractionalScore": 1.5}, "within 0 and 1"),
    ("coursera", {"feedback": None}, "null"),
    ("coursera", {"feedbackType": "PDF"}, "TXT, HTML"),
    ("coursera", {"feedbackType": "HTML"}, "htmlFeedback.html, which is missing"),
    # GitHub Classroom
    ("github", {"version": 2}, "version must be 1"),
    ("github", {"status": "passed"}, "pass, fail, error"),
    ("github", {"tests": None}, "null"),
    ("github", {"tests": []}, "tests is empty"),
    ("github", {"max_score": 4}, "more than max_score"),
    ("github", {"max_score": 5.5}, "whole number"),
    ("github", {"tests": [{"name": "a", "status": "pass", "score": "5"}]}, "must be a number"),
    ("github", {"tests": [{"name": "a", "status": "pass", "score": 10**400}]}, "too large"),
    # Open edX
    ("openedx", {"correct": "true"}, "true or false"),
    ("openedx", {"score": 2}, "within 0 and 1"),
    ("openedx", {"msg": "no element"}, "one root element"),
    ("openedx", {"msg": "<p>one</p><p>two</p>"}, "one root element"),
    ("openedx", {"msg": "<p>a < b</p>"}, "one root element"),
    ("openedx", {"msg": "<p>\u0007</p>"}, "one root element"),
    ("openedx", {"msg": "<p>&nbsp;</p>"}, "one root element"),
    ("openedx", {"msg": '<!DOCTYPE p [<!ENTITY a "b">]><p>&a;</p>'}, "declaration"),
    ("openedx", {"queue": "a"}, "no field"),
]
MISSING = [
    ("gradescope", "score", "neither score nor any test's score"),
    ("prairielearn", "score", "score is missing"),
    ("coursera", "fractionalScore", "fractionalScore is missing"),
    ("coursera", "feedback", "feedback is missing"),
    ("github", "tests", "tests is missing"),
    ("openedx", "msg", "msg is missing"),
]


def problems(name: str, document: Any, **beside: bytes) -> list[str]:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return find(name).validate(data, beside)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_result_is_taken(name: str) -> None:
    assert problems(name, GOOD[name]) == []


@pytest.mark.parametrize(("name", "change", "said"), BAD)
def test_a_bad_result_is_refused(name: str, change: dict[str, Any], said: str) -> None:
    found = problems(name, {**GOOD[name], **change})
    assert any(said in problem for problem in found), found


@pytest.mark.parametrize(("name", "key", "said"), MISSING)
def test_a_missing_field_is_named(name: str, key: str, said: str) -> None:
    left = {k: v for k, v in GOOD[name].items() if k not in (key, "tests")}
    assert any(said in problem for problem in problems(name, left))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("junit", "autolab")])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b'{"score": NaN}',
        b'{"score": Infinity}',
        b'{"score": 1, "score": 0}',
        b"\xff\xfe{}",
        b'\xef\xbb\xbf{"score": 1}',
        b'{"message": "\\u0000", "score": 1}',
        b'{"message": "\\ud800", "score": 1}',
        b'{"extra_data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_is_no_plain_json_is_refused(name: str, data: bytes) -> None:
    assert problems(name, data) != []


def test_prairielearn_needs_no_score_when_nothing_can_be_graded() -> None:
    assert problems("prairielearn", {"gradable": False, "format_errors": "no Python"}) == []


def test_coursera_needs_the_file_that_it_will_show() -> None:
    rich = {**GOOD["coursera"], "feedbackType": "TXT"}
    assert problems("coursera", rich, **{"txtFeedback.txt": b"well done"}) == []
    assert problems("coursera", rich, **{"txtFeedback.txt": b""}) != []
    assert problems("coursera", rich, **{"txtFeedback.txt": b"\xff"}) != []


def test_github_takes_base64_on_one_line_that_an_environment_variable_holds() -> None:
    encoded = base64.b64encode(json.dumps(GOOD["github"]).encode())
    assert problems("github", encoded + b"\n") == []
    assert problems("github", encoded[:20] + b"\n" + encoded[20:]) != []
    long = {**GOOD["github"], "padding": "x" * 100_000}
    assert "131072" in problems("github", base64.b64encode(json.dumps(long).encode()))[0]


AUTOLAB = '{"_presentation": "semantic", "stages": ["A"], "A": {"t": {"passed": true}}}'


@pytest.mark.parametrize(
    "text",
    [
        '{"scores": {"p": 3}}',
        'anything: at all\n{"scores": {"p": 3.5}, "scoreboard": [1]}\n',
        AUTOLAB + '\n{"scores": {"p": 0}}',
    ],
)
def test_autolab_takes_a_grade_on_the_last_line(text: str) -> None:
    assert problems("autolab", text.encode()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "last line must be the grade"),
        ('{"scores": {"p": 3}}\nmake: leaving', "last line must be the grade"),
        ('{"scores": {}}', "at least one problem"),
        ('{"grade": 3}', "at least one problem"),
        ('{"scores": {"p": "3"}}', "must be a number"),
        ('{"scores": {"p": NaN}}', "last line must be the grade"),
        ('{"scores": {"Part 1: x": 3}}', "rewritten"),
        ('{"scores": {"p": 3}, "scoreboard": ["http://x"]}', "rewritten"),
        ('{"scores": {"p": 3}, "scoreboard": 3}', "scoreboard"),
        (AUTOLAB.replace('"t"', '"Part 1: x"') + '\n{"scores": {"p": 1}}', "before a colon"),
        (AUTOLAB.replace("true", '"yes"') + '\n{"scores": {"p": 1}}', "true or false"),
        (AUTOLAB.replace('["A"]', '["A", "B"]') + '\n{"scores": {"p": 1}}', "stages"),
        (AUTOLAB.replace('["A"]', '[["A"]]') + '\n{"scores": {"p": 1}}', "stages"),
        (AUTOLAB.replace("semantic", "other") + '\n{"scores": {"p": 1}}', "semantic"),
        ("x" * (1000 << 10) + '\n{"scores": {"p": 1}}', "cuts"),
    ],
)
def test_autolab_refuses_what_its_parser_breaks_on(text: str, said: str) -> None:
    found = problems("autolab", text.encode())
    assert any(said in problem for problem in found), found


JUNIT = (
    '<testsuite name="a" tests="1" failures="0" errors="0">'
    '<testcase name="b" classname="c"/></testsuite>'
)


@pytest.mark.parametrize("text", [JUNIT, f"<testsuites>{JUNIT}</testsuites>"])
def test_junit_takes_suites(text: str) -> None:
    assert problems("junit", text.encode()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not XML"),
        ("<html/>", "must be testsuites"),
        ("<testsuites><testcase/></testsuites>", "must hold testsuite"),
        (JUNIT.replace('tests="1"', 'tests="2"'), "there are 1"),
        (JUNIT.replace('failures="0"', 'failures="1"'), "there are 0"),
        (JUNIT.replace(' name="b"', ""), "no name"),
        (JUNIT.replace("/></t", "><failure/><error/></testcase></t"), "more than one outcome"),
        (JUNIT.replace("/></t", ">\x01</testcase></t"), "not XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + JUNIT, "document type"),
    ],
)
def test_junit_refuses_what_readers_stumble_over(text: str, said: str) -> None:
    found = problems("junit", text.encode())
    assert any(said in problem for problem in found), found


def test_an_unknown_platform_is_refused_with_the_list() -> None:
    with pytest.raises(LookupError, match="there are: gradescope, prairielearn"):
        find("moodle")
