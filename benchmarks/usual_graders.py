"""Lay out what an instructor would write for the well-known ways of grading, to run as they are.

The reference stands beside the submission and both run in one process, as these tools have it. The
fixed cases are ten ordinary images of five shapes. Each command ends with 0 when all tests passed.
"""

import shutil
import sys
from pathlib import Path

import reference

NAMES = (
    "pytest + Hypothesis, 100 examples",
    "gradescope-utils, 10 cases",
    "otter-grader, 10 cases",
)

_HYPOTHESIS = """
import numpy as np
from hypothesis import HealthCheck, given, settings, strategies as st
from solution import resnet_classifier_forward as solve
from submission import resnet_classifier_forward as student

SIDE = st.integers(1, 12)
IMAGES = st.builds(
    lambda shape, seed: np.random.default_rng(seed).standard_normal(shape).astype(np.float32),
    st.tuples(SIDE, SIDE, st.integers(1, 4)),
    st.integers(0, 2**32 - 1),
)

@settings(max_examples=100, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**16).map(float), IMAGES, st.integers(1, 12).map(float))
def test_matches_the_reference(seed, image, num_classes):
    expected = solve(seed, image, num_classes)
    np.testing.assert_allclose(student(seed, image, num_classes), expected, rtol=1e-4, atol=1e-5)
"""

_CASES = """
import numpy as np
from solution import resnet_classifier_forward as solve

SHAPES = ((8, 8, 3), (7, 5, 3), (6, 10, 1), (12, 12, 3), (5, 9, 4))

def compare(student, number):
    random = np.random.default_rng(number)
    image = random.standard_normal(SHAPES[number % 5]).astype(np.float32)
    seed, num_classes = float(random.integers(2**16)), float(random.integers(2, 12))
    expected = solve(seed, image, num_classes)
    np.testing.assert_allclose(student(seed, image, num_classes), expected, rtol=1e-4, atol=1e-5)
"""

_GRADESCOPE = """
import sys
import unittest
from gradescope_utils.autograder_utils.decorators import weight
from gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner
from cases import compare
from submission import resnet_classifier_forward

class TestForward(unittest.TestCase):
    pass

def case(number):
    @weight(1)
    def test(self):
        compare(resnet_classifier_forward, number)
    return test

for number in range(10):
    setattr(TestForward, f"test_{number}", case(number))

suite = unittest.defaultTestLoader.loadTestsFromTestCase(TestForward)
with open("results.json", "w") as file:
    result = JSONTestRunner(visibility="visible", stream=file).run(suite)
sys.exit(not result.wasSuccessful())
"""

_OTTER = """
from otter.test_files import test_case
from cases import compare

OK_FORMAT = False
name = "forward"
points = 10
"""
_OTTER_CASE = """
@test_case(points=1)
def test_{number}(resnet_classifier_forward):
    compare(resnet_classifier_forward, {number})
"""


def lay_out(name: str, folder: Path, submission: Path) -> list[str]:
    """Write the files of one way of grading; return the command that grades.

    Args:
        name: one of NAMES.
        folder: an empty one.
        submission: the student's file.
    """
    exercise = reference.load(reference.DEFAULT)
    shutil.copyfile(exercise.folder / "solution.py", folder / "solution.py")
    shutil.copyfile(submission, folder / "submission.py")
    (folder / "cases.py").write_text(_CASES)
    inside = f"import os, sys; os.chdir({str(folder)!r}); sys.path.insert(0, '.'); "
    if name.startswith("pytest"):
        (folder / "test_submission.py").write_text(_HYPOTHESIS)
        options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]
        pytest = f"import pytest; sys.exit(pytest.main({[*options, 'test_submission.py']}))"
        return [sys.executable, "-c", inside + pytest]
    if name.startswith("gradescope"):
        (folder / "run_tests.py").write_text(_GRADESCOPE)
        return [sys.executable, "-c", inside + "import run_tests"]
    (folder / "tests").mkdir()
    tests = _OTTER + "".join(_OTTER_CASE.format(number=number) for number in range(10))
    (folder / "tests" / "forward.py").write_text(tests)
    otter = "from otter.cli import cli; cli(['check', 'submission.py', '-t', 'tests'])"
    return [sys.executable, "-c", inside + otter]
