"""Hold the HTML page to what it promises, without a browser."""

import base64
import hashlib
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise

import msgspec
import numpy as np
import pytest
import samples
from conftest import ROOT
from sample_parts import EXAMPLE, FAMILIES, SOURCE, WRONG
from samples import HOSTILE, SAMPLES

from grader.model import Report
from grader.model.report import Feedback, Image
from grader.report.html import render
from grader.report.html.compare import compare

VOID = {"meta", "img", "br", "hr", "input", "link"}


class Page(HTMLParser):
    """The elements of a page, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@cache
def page(name: str) -> str:
    return render(SAMPLES[name](), SOURCE)


@pytest.mark.parametrize("name", SAMPLES)
def test_same_report_renders_byte_for_byte_alike(name: str) -> None:
    assert render(SAMPLES[name](), SOURCE) == page(name)


@pytest.mark.parametrize("name", SAMPLES)
def test_elements_are_closed_and_ids_are_unique(name: str) -> None:
    parsed = Page(page(name))
    assert parsed.open == []
    ids = [attrs["id"] for _, attrs in parsed.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [attrs["href"] or "" for _, attrs in parsed.elements if "href" in attrs]
    assert {target.removeprefix("#") for target in targets} <= set(ids)


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_is_fetched_run_or_styled_outside_the_one_style_sheet(name: str) -> None:
    parsed = Page(page(name))
    tags = [tag for tag, _ in parsed.elements]
    assert not {"script", "link", "iframe", "img", "object", "image"} & set(tags)
    assert tags.count("style") == 1
    for _, attrs in parsed.elements:
        assert not {key for key in attrs if key.startswith("on") or key == "style"}
        for key in ("href", "src", "xlink:href"):
            assert (attrs.get(key) or "#").startswith("#")
    assert "@import" not in page(name)
    assert not re.search(r"url\((?!#)", page(name))


@pytest.mark.parametrize("name", SAMPLES)
def test_policy_names_the_style_sheet_by_its_hash(name: str) -> None:
    style = re.search(r"<style>(.*?)</style>", page(name), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policies = [a["content"] for t, a in Page(page(name)).elements if "http-equiv" in a]
    wanted = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert policies == [wanted]


@pytest.mark.parametrize("name", SAMPLES)
def test_headings_go_down_one_step_at_a_time(name: str) -> None:
    levels = [int(tag[1]) for tag, _ in Page(page(name)).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_picture_says_what_is_seen(name: str) -> None:
    for tag, attrs in Page(page(name)).elements:
        if tag == "svg" and attrs.get("aria-hidden") != "true":
            assert attrs["role"] == "img"
            assert len(attrs["aria-label"] or "") > 10


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("feedback", ["full", "counterexample", "category", "score"])
def test_students_page_holds_no_case_though_the_report_does(name: str, feedback: Feedback) -> None:
    report = SAMPLES[name]()
    text = render(samples.for_student(report, feedback), SOURCE)
    assert not [family for family in FAMILIES if family in text]
    assert report.suite.seed[:20] not in Page(text).text or name == "hostile"
    assert "every case</h2>" not in text
    assert "How it was graded" not in text
    assert "Staff view" not in text


def test_what_a_student_is_told_of_what_is_not_shown() -> None:
    told = "This exercise shows the score, not the reasons."
    assert told in Page(render(samples.score_only())).text
    reason = msgspec.structs.replace(WRONG[0], status="failed", message="It is no Python.")
    unread = msgspec.structs.replace(
        samples.score_only(), verdict="invalid_submission", findings=[reason]
    )
    text = Page(render(unread)).text
    assert "It is no Python." in text and told not in text


def test_staff_page_holds_every_case_and_how_it_was_graded() -> None:
    text = Page(page("wrong_answer")).text
    assert all(text.count(family) == 13 for family in FAMILIES)  # 12 cases and the picture
    assert "59 cases of 60 within the bound" in text
    assert "Outside: case 12: 310 times the bound." in text
    assert "bubblewrap, landlock, seccomp" in text
    assert "412 MiB" in text
    assert "jax 0.10.2" in text


def test_wrong_answer_shows_score_reason_input_stages_and_lines() -> None:
    text = Page(page("wrong_answer")).text
    for said in (
        "29 / of 100 Wrong answer",
        "The mean is taken over the height alone",
        "explains what your code returned on 12 cases",
        "Everything compared up to stem_bn agrees; pooled does not.",
        "Result[0] is 0.219504; expected 0.369383. The error is 0.15; 1e-05 is allowed.",
        "momentum 0.9 where the reference has 0.99",
        "from submission import forward",
        "pooled = jnp.mean(x, axis=0) # only one of the two axes ✗ failed Global average pooling",
    ):
        assert said in text


def test_shapes_that_differ_stand_side_by_side() -> None:
    text = Page(page("wrong_shape")).text
    assert "The shapes differ: yours is (2,), expected is (1,)." in text
    assert "The shapes differ: yours is (2, 4), expected is (4,)." in text
    assert "0 0.369383 0.219504 – 1 – 0.519263 –" in text
    labels = [attrs.get("aria-label") or "" for _, attrs in Page(page("wrong_shape")).elements]
    assert [label[:15] for label in labels if "by 4, " in label] == [
        "expected: 1 by ",
        "yours: 2 by 4, ",
    ]


def test_numbers_that_are_none_are_written() -> None:
    labels = [attrs.get("aria-label") or "" for _, attrs in Page(page("three_axes")).elements]
    yours = [label for label in labels if label.startswith("yours, channel 1: 7 by 5")]
    assert "2 of 35 not finite" in yours[0]
    assert "framed: row 0, column 2" in yours[0]
    assert "0.822 0.905 nan 0.028" in yours[0]
    assert "nothing to compare" in Page(page("three_axes")).text


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("accepted", ["What it most likely is", "The smallest input", "Through the network"]),
        ("runtime_error", ["What it most likely is", "Through the network"]),
        ("internal_error", ["The smallest input", "Error against bound", "0 / of 100"]),
        ("category_only", ["The smallest input", "Through the network", "Error against bound"]),
        ("score_only", ["Findings", "What it most likely is", "The smallest input"]),
    ],
)
def test_parts_that_a_report_does_not_hold_are_left_out(name: str, left_out: list[str]) -> None:
    text = Page(page(name)).text
    assert not [part for part in left_out if part in text]


def test_a_page_without_source_names_no_line() -> None:
    text = render(samples.wrong_answer())
    assert "What was submitted" not in text
    assert "#line-" not in text


def test_the_name_that_the_snippet_imports_is_told_where_the_file_has_another() -> None:
    report = samples.wrong_answer()
    assert "Save your code as submission.py" in render(report)
    as_imported = msgspec.structs.replace(report.submission, name="submission.py")
    named = msgspec.structs.replace(report, submission=as_imported)
    assert "Save your code as submission.py" not in render(named)


def test_a_call_that_returned_nothing_shows_what_was_expected() -> None:
    assert "Expected shape (3,); yours: nothing that can be compared." in page("runtime_error")


@pytest.mark.parametrize("view", ["staff", "student"])
def test_hostile_text_comes_out_as_text(view: str) -> None:
    report = samples.hostile()
    text = render(report if view == "staff" else samples.for_student(report), "\n".join(HOSTILE))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]", text)
    assert "<script" not in text
    assert "<img" not in text
    assert "A" * 2001 not in text
    assert text.encode()
    parsed = Page(text)
    assert parsed.open == []
    assert HOSTILE[0] in parsed.text
    assert HOSTILE[2] in parsed.text
    assert r"\u202egpj.exe\u2066\u001b[31m\u0000\u009b" in parsed.text


def test_lines_are_numbered_as_python_does_and_keep_their_indentation() -> None:
    source = "a = '\u2028\x0c'\r\nif a:\r\tb = 1\n"
    text = render(samples.accepted(), source)
    assert re.findall(r'<span class="number">(\d+)', text) == ["1", "2", "3"]
    assert '<span class="text">    b = 1</span>' in text


def test_arrays_too_large_to_be_seen_do_not_swell_the_page() -> None:
    report = samples.three_axes()
    big = Image(shape=[512, 512, 1], values=[0.5] * 512 * 512)
    many = Image(shape=[8, 8, 512], values=[0.5] * 64 * 512)
    text = render(with_arguments(report, {"big": big, "many": many}))
    assert "Shape (512, 512, 1) is not drawn." in text
    assert "The first 16 of 512 planes." in text
    assert len(text) < 1_500_000


def with_arguments(report: Report, arguments: dict[str, float | Image]) -> Report:
    """Return the report with other arguments in its counterexample."""
    changed = msgspec.structs.replace(EXAMPLE, arguments=arguments)
    return msgspec.structs.replace(report, counterexample=changed)


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        ([], [2.0]),
        ([0], []),
        ([0, 3], []),
        ([3, 0, 2], []),
        ([1, 1, 1], [0.0]),
        ([2, 1, 1, 2], [1.0, 2.0, 3.0, 4.0]),
        ([40], [1e30] * 40),
        ([2, 2], [1.0]),
    ],
)
def test_any_shape_of_argument_renders(shape: list[int], values: list[float]) -> None:
    argument = Image(shape=shape, values=values)
    assert Page(render(with_arguments(samples.three_axes(), {"x": argument}))).open == []


def test_matplotlib_is_loaded_only_when_a_page_is_made() -> None:
    code = "import sys, grader.report.html; print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize("numbers", [[1.7e308, -1.7e308], [float("inf"), 3e38], [-1e308, 0.5]])
def test_numbers_too_large_for_a_chart_are_in_its_table(numbers: list[float]) -> None:
    found = compare("answer", np.array([0.1, 0.2]), np.array(numbers))
    assert found.chart is not None
    assert [row.yours for row in found.rows] == [f"{number:.6g}" for number in numbers]
