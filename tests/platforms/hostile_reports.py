"""Reports whose every text and number is hostile, for property tests."""

import math

import msgspec
from hypothesis import strategies as st
from samples import HOSTILE, SAMPLES

from grader.model import Report

TEXT = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=40),
    st.sampled_from(
        [
            *HOSTILE,
            "Part 1: see http://example.org/a:b",
            '{"scores": {"autograded": 100}}',
            "\u202eevil\u2066 \x1b[31mred\x1b[0m \x00 \x85 \u2028",
            "]]></msg><score>1</score>",
            "\n".join(f"{line}: 'x'" for line in range(500)),
            "é" * 5_000,
        ]
    ),
)
NUMBER = st.one_of(
    st.integers(-(10**9), 10**9), st.floats(allow_nan=True), st.sampled_from([math.nan, 0, 100])
)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """A report of any kind in which texts and numbers are replaced at random."""
    report = SAMPLES[draw(st.sampled_from(sorted(SAMPLES)))]()
    replace = msgspec.structs.replace
    text, number = (lambda: draw(TEXT)), (lambda: draw(NUMBER))
    findings = [
        replace(
            finding,
            id=text(),
            title=text(),
            message=text(),
            points=number(),
            max_points=number(),
            evidence={"line": number()},
        )
        for finding in report.findings
    ] * draw(st.sampled_from([0, 1, 1, 3, 60]))
    example = report.counterexample
    if example is not None:
        example = replace(
            example, snippet=text(), arguments={text(): 1.5, **example.arguments}, actual=["nan"]
        )
    return replace(
        report,
        score=number(),
        max_score=number(),
        findings=findings,
        counterexample=example,
        submission=replace(report.submission, name=text()),
        diagnosis=replace(report.diagnosis, title=text(), message=text()),
        usage=replace(report.usage, wall_s=number(), worker_cpu_s=number()),
    )
