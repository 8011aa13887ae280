"""Calibration measures noise and signal, and refuses a bound that does not separate them."""

import dataclasses
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from conftest import CACHE
from processes import PATIENCE_S

import reference
from grader.authoring.calibration import Calibration
from grader.authoring.measuring import calibrate
from grader.authoring.plot import Point, draw, points_of_calibration
from grader.authoring.programs import Program, misconceptions, right_variants
from grader.authoring.suites import prepare, with_probes
from grader.authoring.survey import Survey
from grader.errors import UsageError
from grader.model import Deadlines, Exercise
from grader.questions import Questions

SurveyOf = Callable[[Exercise], Survey]  # type: ignore[type-arg]


def measure(exercise: Exercise, survey_of: SurveyOf) -> Calibration:
    questions = prepare(exercise, CACHE, [exercise.default_seed], cases=24, jobs=1)[0]
    questions = with_probes(exercise, CACHE, questions, 2)
    programs = [*right_variants(exercise), *misconceptions(exercise)]
    return calibrate(exercise, survey_of(exercise), questions, programs)


@pytest.fixture(scope="module")
def calibration(tiny: Exercise, survey_of: SurveyOf) -> Calibration:
    return measure(tiny, survey_of)


def test_a_sound_bound_separates(calibration: Calibration) -> None:
    assert calibration.problems == []
    assert 0 < calibration.worst_noise < 0.5
    assert calibration.weakest_signal > 2
    assert set(calibration.signal) == {"seed_ignored", "input_clipped", "no_relu"}


def test_every_right_variant_is_measured_under_every_setting(calibration: Calibration) -> None:
    names = set(calibration.noise)
    for name in ("reference", "nnx_jit", "batch_axis_of_one"):
        assert name in names
        for settings in ("XLA's own flags", "two threads", "highest precision"):
            assert f"{name}, {settings}" in names


def test_what_is_thrown_out_is_counted_by_family_and_reason(calibration: Calibration) -> None:
    rows = {row.family: row for row in calibration.families}
    assert rows["ordinary"].unfit == {}
    assert rows["black"].unfit == {"nearly zero": 2}
    assert calibration.unfit["nearly zero"] >= 2
    assert calibration.cases == sum(row.cases for row in rows.values())


def test_a_family_of_which_no_case_is_kept_is_named(
    tiny_folder: Path, survey_of: SurveyOf, calibration: Calibration, tmp_path: Path
) -> None:
    assert calibration.cautions == [], "a probe is there to be thrown out"
    folder = tmp_path / "tiny_layer"
    shutil.copytree(tiny_folder, folder)
    strategy = (folder / "strategy.py").read_text()
    (folder / "strategy.py").write_text(strategy.replace('"black", 0,', '"black", 1,'))
    [caution] = measure(reference.load(str(folder)), survey_of).cautions
    assert caution.startswith("family black: none of its cases can be judged by (nearly zero)")


def test_a_suggestion_is_close_to_what_was_measured(
    tiny: Exercise, survey_of: SurveyOf, calibration: Calibration
) -> None:
    trusting = dataclasses.replace(tiny, tolerance=calibration.suggested)
    again = measure(trusting, survey_of)
    assert again.problems == []
    assert again.worst_noise <= 0.5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"relative": 1e-12, "per_condition": 0.0, "gap_factor": 0.5}, "noise: the right variant"),
        ({"relative": 10.0}, "signal: the misconception"),
    ],
    ids=["too_tight", "too_loose"],
)
def test_a_bound_that_does_not_separate_is_refused(
    tiny: Exercise, survey_of: SurveyOf, changes: dict[str, float], said: str
) -> None:
    broken = msgspec.structs.replace(tiny.tolerance, **changes)
    problems = measure(dataclasses.replace(tiny, tolerance=broken), survey_of).problems
    assert any(problem.startswith(said) for problem in problems), problems


def test_a_float64_evaluation_of_another_function_is_refused(
    tiny_folder: Path, survey_of: SurveyOf, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny_layer"
    shutil.copytree(tiny_folder, folder)
    exact = (folder / "exact.py").read_text()
    (folder / "exact.py").write_text(exact.replace("Exact(output,", "Exact(output * 1.01,"))
    problems = measure(reference.load(str(folder)), survey_of).problems
    assert any(problem.startswith("exact: the reference is") for problem in problems), problems


def test_a_right_variant_that_raises_is_named_and_suggests_nothing(
    tiny: Exercise, survey_of: SurveyOf
) -> None:
    questions = prepare(tiny, CACHE, [tiny.default_seed], cases=24, jobs=1)[0]
    torn = Program("torn", "right variant", b"def tiny_layer_forward(*a): raise KeyError")
    reference, *_ = right_variants(tiny)
    bank = [reference, torn, *misconceptions(tiny)]
    found = calibrate(tiny, survey_of(tiny), questions, bank)
    assert found.problems == [
        "noise: the right variant torn reaches inf of its bound, where 0.5 is allowed"
    ]
    assert 0 < found.suggested.relative < 1e-3


def test_a_right_variant_that_is_out_of_time_is_not_called_noisy(
    tiny: Exercise, survey_of: SurveyOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = prepare(tiny, CACHE, [tiny.default_seed], cases=24, jobs=1)[0]
    few = Deadlines(first_s=PATIENCE_S, repeat_s=PATIENCE_S, total_s=0.1)
    monkeypatch.setattr(Questions, "deadlines", property(lambda questions: few))
    slow = Program("slow", "right variant", b"import time\ntime.sleep(60)")
    with pytest.raises(UsageError, match=r"variant slow could not be measured: .* in time"):
        calibrate(tiny, survey_of(tiny), questions, [slow, *misconceptions(tiny)])


def test_a_misconception_that_only_raises_has_no_signal_by_which_it_would_pass(
    tiny: Exercise, survey_of: SurveyOf
) -> None:
    questions = prepare(tiny, CACHE, [tiny.default_seed], cases=24, jobs=1)[0]
    reference, *_ = right_variants(tiny)
    torn = [
        Program("no_import", "misconception", b"import no_such_module"),
        Program("no_answer", "misconception", b"def tiny_layer_forward(*a): raise KeyError('k')"),
    ]
    found = calibrate(tiny, survey_of(tiny), questions, [reference, *torn, *misconceptions(tiny)])
    [problem] = found.problems
    assert "no_import gives an answer, but import fails: It raised ModuleNotFoundError" in problem
    [caution] = found.cautions
    assert "no_answer answers no case" in caution
    assert "It raised KeyError" in caution


def test_without_misconceptions_there_is_no_signal(tiny: Exercise, survey_of: SurveyOf) -> None:
    questions = prepare(tiny, CACHE, [tiny.default_seed], cases=24, jobs=1)[0]
    with pytest.raises(UsageError, match="no misconception"):
        calibrate(tiny, survey_of(tiny), questions, right_variants(tiny))


def test_a_picture_shows_every_program(calibration: Calibration, tmp_path: Path) -> None:
    points = points_of_calibration(calibration)
    assert len(points) == len(calibration.noise) + len(calibration.signal)
    for name in ("plot.svg", "plot.png"):
        draw([*points, Point("no answer", False, None)], "tiny", tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5000
    text = (tmp_path / "plot.svg").read_text()
    assert "the bound" in text
    assert "no_relu" in text


def test_a_right_program_without_a_bound_is_drawn_at_the_top(
    calibration: Calibration, tmp_path: Path
) -> None:
    noise = {**calibration.noise, "overflows": math.inf}
    points = points_of_calibration(msgspec.structs.replace(calibration, noise=noise))
    draw(points, "tiny", tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text()
    assert "overflows" in text
    assert "1 at the top returned nothing to compare" in text
    assert "nan" not in text and "inf" not in re.sub(r"<!--.*?-->", "", text)


def test_a_picture_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.svg or \.png"):
        draw([], "tiny", tmp_path / "plot.pdf")
