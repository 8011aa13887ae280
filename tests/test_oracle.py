"""The oracle agrees with an independent float64 evaluation, remembers, and fails as ours."""

from pathlib import Path

import numpy as np
import pytest

import reference
from grader import oracle as oracle_module
from grader.errors import OracleError
from grader.model import Case, Exercise
from grader.oracle import Oracle
from grader.runtime import compile_cache
from grader.suites import recall_or_generate


def test_reference_agrees_with_its_float64_formulas(exercise: Exercise, oracle: Oracle) -> None:
    suite = recall_or_generate(exercise, oracle, exercise.default_seed, 96)
    for case, expected in zip(suite.cases, oracle.expect(suite.cases), strict=True):
        gap = np.abs(expected.reference - expected.exact).max()
        assert gap <= 3e-6 * expected.scale, case.family
        assert expected.reference.shape == (case.arguments["num_classes"],)


def test_every_case_of_the_default_suite_can_be_judged_by(
    exercise: Exercise, oracle: Oracle
) -> None:
    suite = recall_or_generate(exercise, oracle, exercise.default_seed, 96)
    expected = oracle.expect(suite.cases)
    assert [exercise.tolerance.unfit(one) for one in expected] == [None] * len(expected)


def test_answers_are_remembered_across_oracles(
    exercise: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(dict(exercise.watched))
    with Oracle(exercise, tmp_path) as first:
        answer = first.expect([case])[0]
    monkeypatch.setattr(oracle_module.sys, "executable", "/nonexistent")
    with Oracle(exercise, tmp_path) as second:
        again = second.expect([case])[0]
    assert np.array_equal(answer.exact, again.exact)
    assert np.array_equal(answer.reference, again.reference)


def test_a_remembered_suite_is_the_generated_one(exercise: Exercise, tmp_path: Path) -> None:
    with Oracle(exercise, tmp_path) as opened:
        fresh = recall_or_generate(exercise, opened, "5", 40)
        stored = recall_or_generate(exercise, opened, "5", 40)
    assert fresh.digest == stored.digest
    assert [case.family for case in fresh.cases] == [case.family for case in stored.cases]


def test_a_reference_that_raises_is_our_error(exercise: Exercise, tmp_path: Path) -> None:
    impossible = Case({**exercise.watched, "num_classes": -1.0})
    with Oracle(exercise, tmp_path) as opened, pytest.raises(OracleError):
        opened.expect([impossible])


def test_a_process_that_is_gone_or_has_grown_is_replaced(
    exercise: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, third = (Case({**exercise.watched, "seed": float(seed)}) for seed in range(3))
    with Oracle(exercise, tmp_path) as opened:
        with pytest.raises(OracleError):
            opened.expect([Case({**exercise.watched, "num_classes": -1.0})])
        opened.expect([one])
        spent, first = opened.cpu_s, opened._process
        monkeypatch.setattr(oracle_module, "_MOST_RESIDENT_BYTES", 1)
        opened.expect([other])
        assert opened._process is not first
        assert opened.cpu_s > spent
        text = (exercise.folder / "solution.py").read_text()
        answer = opened.answer_of(text, third)
        assert answer.raised is None
        assert answer.array is not None
        assert np.array_equal(answer.array, opened.expect([third])[0].reference)


def test_unknown_exercise_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(reference.UsageError, match="resnet_classifier"):
        reference.load("no_such")


def test_what_variants_compile_stays_out_of_the_cache_that_workers_read(
    exercise: Exercise, tmp_path: Path
) -> None:
    solution = (exercise.folder / "solution.py").read_text()
    stem = "FEATURES, kernel_size=(3, 3), rngs=rngs"
    assert stem in solution
    case = Case(dict(exercise.watched))
    with Oracle(exercise, tmp_path) as opened:
        right = opened.expect([case])[0]
        before = {path.name for path in compile_cache(tmp_path).iterdir()}
        strided = solution.replace(stem, stem.replace("(3, 3)", "(3, 3), strides=2"))
        answer = opened.answer_of(strided, case)
        after = {path.name for path in compile_cache(tmp_path).iterdir()}
        opened.expect([Case({**exercise.watched, "num_classes": 23.0})])
        later = {path.name for path in compile_cache(tmp_path).iterdir()}
    assert answer.array is not None
    assert np.abs(answer.array - right.exact).max() > 0.01
    assert before == after
    assert len(later) > len(after), "the reference's own programs are still kept"
