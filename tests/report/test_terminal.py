"""The terminal tells the same story as the document, in 30 lines."""

import io
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from samples import SAMPLES
from test_views import finding, internal_error, staff_report

from grader.model import Counterexample, Diagnosis, Finding, Image, Report
from grader.report.terminal import MOST_LINES, show
from grader.report.views import LEVELS, for_student

ANYTHING = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
"""No lone surrogates: JSON cannot bring them."""


def shown(report: Report, width: int = 100) -> list[str]:
    """Return the lines of a report on a terminal of this width."""
    console = Console(file=io.StringIO(), width=width, highlight=False)
    with console.capture() as captured:
        show(report, console)
    return captured.get().splitlines()


def typical() -> Report:
    """Return what most students see: a wrong answer, named, with four findings that failed."""
    texts = {
        "result": "It returned an array of shape (2,); expected shape (1,). Seen on seed=0, image "
        "of shape (2, 2, 1), num_classes=1.",
        "values": "It returned an array of shape (2,); expected shape (1,). This is the smallest "
        "failing input found: seed=0, image of shape (2, 2, 1), num_classes=1.",
        "forward": "The forward pass is judged by the values, and they differ.",
        "pooling": "head receives the mean over height, axes (0,), of block2's output of shape "
        "(7, 5, 4); expected the mean over height and width, axes (0, 1).",
    }
    layers = [named(f"Attribute {name}") for name in ("stem", "norm", "block1", "block2", "head")]
    failed = [finding(name, "failed", 0, 10, text) for name, text in texts.items()]
    return staff_report(
        findings=[named("Imports and runs"), *failed, *layers, named("Each block called once")],
        counterexample=Counterexample(
            arguments={
                "seed": 0.0,
                "image": Image(shape=[2, 2, 1], values=[1.0, 0.0, 0.0, 0.0]),
                "num_classes": 1.0,
            },
            expected=[0.36938328],
            expected_shape=[1],
            actual=[0.219503522, 0.51926285],
            actual_shape=[2],
            worst=None,
            snippet="",
        ),
        diagnosis=Diagnosis(
            kind="misconception",
            id="pool_height_only",
            title="Averages over the height only",
            message="The mean is taken over axis 0, so the head receives one row for every column "
            "of the image. Average over both: jnp.mean(x, axis=(0, 1)).",
            explained_cases=5,
            first_differing_stage="pooled",
            agrees_before=["stem_conv", "stem_bn", "block1", "block2"],
        ),
    )


def named(title: str, status: str = "passed", message: str = "It is right.") -> Finding:
    points = 2 if status == "passed" else 0
    return Finding(
        id=title,
        title=title,
        status=status,  # type: ignore[arg-type]
        points=points,
        max_points=2,
        message=message,
    )


def test_a_typical_wrong_answer_is_told_in_order() -> None:
    lines = shown(typical())
    assert len(lines) <= MOST_LINES
    text = " ".join(" ".join(lines).split())
    story = [
        "7 / 50 wrong answer submission.py",
        "Most likely: Averages over the height only",
        "Average over both: jnp.mean(x, axis=(0, 1)).",
        "Everything up to `block2` agrees; `pooled` is the first that differs.",
        "✗ 0/10 TITLE result It returned an array of shape (2,)",
        "expected the mean over height and width, axes (0, 1).",
        "✓ 14/14 Imports and runs · Attribute stem, norm, block1, block2, head",
        "Smallest failing input found",
        "seed 0, num_classes 1",
        "image shape (2, 2, 1): [1, 0, 0, 0]",
        "expected shape (1,): [0.369383]",
        "yours shape (2,): [0.219504, 0.519263]",
        "suite SEED of 96 cases, 16 shapes; confined by WALL; 4.2 s, 2.0 CPU s",
    ]
    places = [text.find(part) for part in story]
    assert -1 not in places
    assert places == sorted(places)


def test_an_accepted_report_is_short() -> None:
    titles = [f"Attribute layer_{n}" for n in range(9)] + ["Every case within tolerance"]
    report = staff_report(
        verdict="accepted",
        findings=[named(title) for title in titles],
        counterexample=None,
        diagnosis=Diagnosis(kind="none"),
    )
    lines = shown(report)
    assert len(lines) <= 6
    assert "It is right" not in " ".join(lines)


def test_a_message_that_repeats_is_said_once() -> None:
    text = "Not judged: the file did not run to the end."
    lines = shown(staff_report(findings=[named(f"Part {n}", "skipped", text) for n in range(6)]))
    assert "\n".join(lines).count(text) == 1


def test_where_stages_agree_is_told_without_a_name_for_the_mistake() -> None:
    diagnosis = Diagnosis(kind="none", first_differing_stage="stem", agrees_before=[])
    lines = shown(staff_report(diagnosis=diagnosis))
    assert lines[1].strip() == "`stem` is the first that differs."


def test_a_call_that_returned_nothing_comparable_is_told() -> None:
    example = staff_report().counterexample
    assert example is not None
    silent = msgspec.structs.replace(example, actual=None, actual_shape=None)
    assert "yours     nothing that can be compared" in "\n".join(
        shown(staff_report(counterexample=silent))
    )


def test_a_large_array_shows_its_first_numbers_and_how_many_there_are() -> None:
    example = staff_report().counterexample
    assert example is not None
    large = Image(shape=[64, 64, 3], values=[0.123456789] * 12288)
    report = staff_report(
        counterexample=msgspec.structs.replace(example, arguments={"image": large})
    )
    assert "... (12288 in all)]" in " ".join(shown(report))


@pytest.mark.parametrize("width", [40, 60, 100])
def test_the_smallest_input_is_shown_whole_also_on_a_narrow_terminal(width: int) -> None:
    example = staff_report().counterexample
    assert example is not None
    small = msgspec.structs.replace(
        example,
        arguments={"image": Image(shape=[2, 2, 1], values=[1.0, 0.0, 0.0, 0.0])},
        expected=[0.369383],
        actual=[0.545902],
        expected_shape=[1],
        actual_shape=[1],
    )
    lines = shown(staff_report(counterexample=small), width)
    text = " ".join(" ".join(lines).replace("│", "").split())
    for numbers in ("[1, 0, 0, 0]", "[0.369383]", "[0.545902]"):
        assert numbers in text


def test_a_score_alone_shows_nothing_else() -> None:
    lines = shown(for_student(staff_report(), "score"))
    assert len(lines) == 2
    assert "7 / 50" in lines[0]
    assert "for the student, feedback: score" in lines[1]


def test_our_own_failure_says_that_it_is_not_your_fault() -> None:
    for report in (internal_error(), for_student(internal_error(), "score")):
        assert "This is not your fault." in " ".join(" ".join(shown(report)).split())


def test_text_is_no_markup_and_no_escape_sequence() -> None:
    message = "[bold]\x1b[2J\u202e[/bold]"
    text = "\n".join(shown(staff_report(findings=[finding("values", "failed", 0, 1, message)])))
    assert r"[bold]\u001b[2J\u202e[/bold]" in text


def test_what_does_not_fit_is_counted() -> None:
    many = [finding(str(n), "failed", 0, 1, f"Message {n}.") for n in range(60)]
    lines = shown(staff_report(findings=many))
    assert len(lines) == MOST_LINES
    titles = sum(line.startswith("✗") for line in lines)
    assert f"and {60 - titles} more that failed" in "\n".join(lines)


@pytest.mark.parametrize("width", [60, 100, 200])
@pytest.mark.parametrize("make", [*SAMPLES.values(), typical, internal_error])
def test_every_sample_is_told_in_30_lines(make: Callable[[], Report], width: int) -> None:
    report = make()
    held = LEVELS.index(report.shown.feedback)
    for view in (report, *(for_student(report, level) for level in LEVELS[: held + 1])):
        assert len(shown(view, width)) <= MOST_LINES


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Any report: any text, any number of findings, arguments and numbers."""
    status = st.sampled_from(["passed", "failed", "skipped", "informational"])
    one = st.builds(named, ANYTHING, status, ANYTHING)
    number = st.floats(width=32, allow_nan=False, allow_infinity=False)
    values = st.lists(number, max_size=300)
    image = st.builds(lambda numbers: Image(shape=[len(numbers)], values=numbers), values)
    arguments: Any = st.dictionaries(st.text("abc_", min_size=1), number | image, max_size=9)
    example = st.builds(
        Counterexample,
        arguments=arguments,
        expected=values,
        expected_shape=st.just([1, 2]),
        actual=st.none() | values,
        actual_shape=st.none() | st.just([2, 1]),
        worst=st.none(),
        snippet=st.just(""),
    )
    diagnosis = st.builds(
        Diagnosis,
        kind=st.sampled_from(["misconception", "pattern", "creation_order", "none"]),
        title=ANYTHING,
        message=ANYTHING,
        first_differing_stage=st.none() | ANYTHING,
        agrees_before=st.lists(ANYTHING, max_size=2),
    )
    return staff_report(
        findings=draw(st.lists(one, max_size=40)),
        counterexample=draw(st.none() | example),
        diagnosis=draw(diagnosis),
    )


@given(report=reports(), width=st.integers(60, 140))
def test_any_report_is_told_in_30_lines(report: Report, width: int) -> None:
    lines = shown(report, width)
    assert len(lines) <= MOST_LINES
    assert max(map(cell_len, lines)) <= width
