"""Cases that cannot judge are thrown out with their reason; a suite without any judges nothing."""

import dataclasses

import msgspec
import numpy as np
import pytest
from conftest import CACHE, FIXTURES, submission

from grader import cases
from grader.errors import OracleError
from grader.judge import Judge
from grader.model import Case, Exercise, Sandbox, Suite
from grader.oracle import Oracle
from grader.questions import pose, sort_cases

RIGHT = (FIXTURES / "accepted" / "plain" / "submission.py").read_text()


def image_case(image: np.ndarray) -> Case:
    return Case({"seed": 5.0, "image": image.astype(np.float32), "num_classes": 3.0})


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.full((1, 1, 3), 7.0), "blind"),
        (np.zeros((7, 5, 3)), "blind"),
        (np.random.default_rng(1).normal(size=(7, 5, 3)), None),
        (np.random.default_rng(1).normal(size=(7, 5, 3)) * 1e-6, None),
    ],
    ids=["one_pixel", "black", "ordinary", "tiny"],
)
def test_what_cannot_judge_is_thrown_out_with_its_reason(
    exercise: Exercise, oracle: Oracle, image: np.ndarray, reason: str | None
) -> None:
    found = sort_cases(exercise, oracle, Suite("0", (image_case(image),)), 1)
    assert [one.reason for one in found.unfit] == ([] if reason is None else [reason])
    assert len(found.asked) == (reason is None)


def test_two_pixels_far_from_zero_are_ill_conditioned(exercise: Exercise, oracle: Oracle) -> None:
    probes = cases.probes(exercise, exercise.default_seed, 8)
    far = tuple(case for case in probes.cases if case.family == "two_pixels_far_offset")
    found = sort_cases(exercise, oracle, Suite("0", far), 8)
    assert set(found.reasons) == {"ill-conditioned"}


def test_calibration_only_families_are_in_no_suite(exercise: Exercise) -> None:
    probes = cases.probes(exercise, "0", 2)
    names = {case.family for case in probes.cases}
    assert {"one_pixel", "black", "grey"} <= names
    assert len(probes.cases) == 2 * len(names)
    suite = cases.generate(exercise, "0", 150)
    assert names & {case.family for case in suite.cases} == set()


@pytest.fixture
def blindfolded(exercise: Exercise) -> Exercise:
    """The exercise with a tolerance under which no case can judge."""
    nothing = msgspec.structs.replace(exercise.tolerance, smallest_spread=2.0)
    return dataclasses.replace(exercise, tolerance=nothing)


def test_a_suite_without_a_case_is_our_error(blindfolded: Exercise) -> None:
    with Oracle(blindfolded, CACHE) as oracle, pytest.raises(OracleError, match="32 blind"):
        pose(blindfolded, oracle, blindfolded.default_seed, 24)


def test_a_suite_without_a_case_accepts_nobody(blindfolded: Exercise, bubblewrap: Sandbox) -> None:
    with Oracle(blindfolded, CACHE) as oracle:
        report = Judge(blindfolded, bubblewrap, oracle, cases=24).grade(submission(RIGHT))
    assert report.verdict == "internal_error"
    assert report.score == 0
