"""The judge blames the right side, repeats itself, and never charges a student for our failures."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import FIXTURES, statuses, submission
from tiny_exercise import RIGHT as TINY

from grader.errors import SandboxError
from grader.examiner import ReferenceExaminer
from grader.judge import Judge
from grader.model import Case, Deadlines, Exercise, Sandbox, Worker
from grader.oracle import Oracle, VariantAnswer
from grader.questions import Questions
from grader.report.document import differences, from_json, to_json

RIGHT = (FIXTURES / "accepted" / "plain" / "submission.py").read_text()


class Broken:
    """A sandbox that fails for the first so many workers."""

    name = "broken"

    def __init__(self, inner: Sandbox, failures: int) -> None:
        self.inner, self.failures = inner, failures

    def problem(self) -> str | None:
        return None

    @contextmanager
    def open(self, deadlines: Deadlines) -> Iterator[Worker]:
        self.failures -= 1
        if self.failures >= 0:
            raise SandboxError("the wall fell")
        with self.inner.open(deadlines) as worker:
            yield worker


@pytest.fixture
def quick(exercise: Exercise, forked: Sandbox, oracle: Oracle) -> Judge:
    return Judge(exercise, forked, oracle, cases=24)


def test_one_failure_of_ours_is_retried(
    exercise: Exercise, forked: Sandbox, oracle: Oracle
) -> None:
    judge = Judge(exercise, Broken(forked, 1), oracle, cases=24)
    assert judge.grade(submission(RIGHT)).verdict == "accepted"


def test_two_failures_of_ours_are_reported_and_not_charged(
    exercise: Exercise, bubblewrap: Sandbox, oracle: Oracle
) -> None:
    report = Judge(exercise, Broken(bubblewrap, 2), oracle, cases=24).grade(submission(RIGHT))
    assert report.verdict == "internal_error"
    assert set(statuses(report).values()) == {"skipped"}
    assert all("not your fault" in finding.message for finding in report.findings)


def test_a_failure_of_ours_that_took_all_the_time_is_not_charged_by_the_next_attempt(
    exercise: Exercise, bubblewrap: Sandbox, oracle: Oracle
) -> None:
    judge = Judge(exercise, Broken(bubblewrap, 1), oracle, cases=24, end=time.monotonic())
    assert judge.grade(submission(RIGHT)).verdict == "internal_error"


def test_a_report_repeats_bit_for_bit(
    exercise: Exercise, bubblewrap: Sandbox, oracle: Oracle
) -> None:
    # In fresh workers: forks of one template have its addresses in common.
    judge = Judge(exercise, bubblewrap, oracle, cases=24)
    wrong = (FIXTURES / "rejected" / "pool_max" / "submission.py").read_text()
    for source in (RIGHT, wrong):
        first, again = (judge.grade(submission(source)) for _ in range(2))
        assert differences(first, again) == []
        assert from_json(to_json(first)) == first


def test_a_submission_is_out_of_time_when_the_platform_soon_would_be(
    exercise: Exercise, bubblewrap: Sandbox, oracle: Oracle
) -> None:
    # It sleeps most of its time, so that it is out of time on a busy machine as well.
    slow = (
        RIGHT
        + """
import time
quick = resnet_classifier_forward
def resnet_classifier_forward(*arguments):
    time.sleep(2.5)
    return quick(*arguments)
"""
    )
    ReferenceExaminer(exercise, oracle, exercise.default_seed, 24).pose()  # preparing is ours
    ends = time.monotonic() + 4
    report = Judge(exercise, bubblewrap, oracle, cases=24, end=ends).grade(submission(slow))
    assert report.verdict == "time_limit"
    assert Judge(exercise, bubblewrap, oracle, cases=1).grade(submission(slow)).score == 100


def test_an_explanation_that_takes_too_long_costs_no_points(
    tiny: Exercise, forked: Sandbox, tmp_path: Path
) -> None:
    wrong = submission(TINY.replace("jnp.maximum(self.linear(x), 0)", "self.linear(x)"))
    reports = []
    for folder, until in (("late", 0.0), ("early", math.inf)):
        with Oracle(tiny, tmp_path / folder, variants_until=until) as oracle:
            reports.append(Judge(tiny, forked, oracle, cases=8).grade(wrong))
    late, early = reports
    assert (late.verdict, early.verdict) == ("wrong_answer", "wrong_answer")
    assert (late.diagnosis.kind, early.diagnosis.id) == ("none", "no_relu")
    assert (late.score, statuses(late)) == (early.score, statuses(early))


def test_time_that_an_explanation_takes_is_not_the_submissions(
    tiny: Exercise, bubblewrap: Sandbox, fresh_answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    for module in ("session", "connection"):
        monkeypatch.setattr(f"grader.sandbox.{module}.time", clock)

    class Slow(Oracle):
        def answer_of(self, text: str, case: Case) -> VariantAnswer:
            clock.ahead_s += 1000
            return super().answer_of(text, case)

    wrong = submission(TINY.replace("jnp.maximum(self.linear(x), 0)", "self.linear(x)"))
    with Slow(tiny, fresh_answers) as oracle:
        report = Judge(tiny, bubblewrap, oracle, cases=8).grade(wrong)
    assert clock.ahead_s > 300
    assert report.diagnosis.id == "no_relu"
    assert {statuses(report)[name] for name in ("class", "linear")} == {"passed"}


def test_an_input_of_our_choosing_that_ends_it_costs_no_points(
    tiny: Exercise, forked: Sandbox, fresh_answers: Path
) -> None:
    wrong = TINY.replace("jnp.maximum(self.linear(x), 0)", "jnp.sin(self.linear(x)) + x")
    ends = wrong.replace("return Tiny", "TOO_SIMPLE(x)\n    return Tiny") + (
        """
def TOO_SIMPLE(x):
    if x.size <= 2:
        import os
        os._exit(1)
"""
    )
    with Oracle(tiny, fresh_answers) as oracle:
        judge = Judge(tiny, forked, oracle, cases=8)
        assert min(np.size(one.case.arguments["x"]) for one in judge._examiner.pose().asked) > 2
        here, there = judge.grade(submission(wrong)), judge.grade(submission(ends))
    assert here.counterexample is not None
    simplest = here.counterexample.arguments["x"]
    assert not isinstance(simplest, float) and np.prod(simplest.shape) <= 2
    assert (here.score, statuses(here)) == (there.score, statuses(there))
    assert statuses(there)["linear"] == "passed"


def test_another_seed_gives_another_suite(
    exercise: Exercise, forked: Sandbox, oracle: Oracle, quick: Judge
) -> None:
    other = Judge(exercise, forked, oracle, seed="00000000000000aa", cases=24)
    mine, theirs = (judge.grade(submission(RIGHT)) for judge in (quick, other))
    assert mine.suite.digest != theirs.suite.digest
    assert theirs.verdict == "accepted"


def test_a_submission_after_a_hostile_one_is_graded_right(quick: Judge) -> None:
    hostile = (FIXTURES / "hostile" / "patch_jax" / "submission.py").read_text()
    assert quick.grade(submission(hostile)).verdict != "accepted"
    assert quick.grade(submission(RIGHT)).score == 100


def test_uncast_integers_lose_the_result_and_values_but_not_the_structure(quick: Judge) -> None:
    wrong = RIGHT.replace("int(num_classes)", "num_classes")
    assert wrong != RIGHT
    report = quick.grade(submission(wrong))
    found = statuses(report)
    assert report.verdict == "runtime_error"
    assert (found["runs"], found["result"], found["values"]) == ("passed", "failed", "failed")
    assert found["global_average_pooling"] == "passed"
    assert "must be cast with int()" in next(f.message for f in report.findings if f.id == "result")


def test_points_that_cannot_be_judged_are_skipped_and_say_by_what(quick: Judge) -> None:
    report = quick.grade(submission("def resnet_classifier_forward(a, b, c):\n    return 1 / 0\n"))
    assert report.verdict == "runtime_error"
    assert "ZeroDivisionError on line 2" in report.findings[0].message
    for finding in report.findings[1:4]:
        assert finding.status == "skipped"
        assert "because" in finding.evidence


def test_counterexample_holds_what_was_seen_and_expected(quick: Judge, oracle: Oracle) -> None:
    wrong = (FIXTURES / "rejected" / "pool_sum" / "submission.py").read_text()
    example = quick.grade(submission(wrong)).counterexample
    assert example is not None
    assert example.actual is not None
    assert example.worst is not None
    place = example.worst.index[0]
    assert example.worst.expected == pytest.approx(example.expected[place])
    assert example.worst.actual == pytest.approx(example.actual[place])  # type: ignore[arg-type]
    assert float(example.worst.error) > example.worst.bound
    image = example.arguments["image"]
    assert not isinstance(image, float)
    assert np.prod(image.shape) == len(image.values)


def test_no_message_shows_the_reference_or_a_traceback(quick: Judge) -> None:
    for name in ("pool_channels", "result_2d", "no_residual", "stem_padding_valid"):
        folder = FIXTURES / "rejected" / name
        if not folder.exists():
            continue
        text = to_json(quick.grade(submission((folder / "submission.py").read_text()))).decode()
        assert "Traceback" not in text
        assert "solution.py" not in text
        assert "/grader/" not in text


class Clock:
    """The time, put forward by whoever takes some."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s

    def process_time(self) -> float:
        return time.process_time()


class Unprepared(ReferenceExaminer):
    """Takes so many seconds to find its questions, the first time."""

    clock: Clock
    takes_s: float

    def pose(self) -> Questions:
        self.clock.ahead_s += self.takes_s
        self.takes_s = 0.0
        return super().pose()


class Noting(Broken):
    """Notes what deadlines its workers would have."""

    def __init__(self, inner: Sandbox) -> None:
        super().__init__(inner, 2)
        self.noted: list[Deadlines] = []

    def open(self, deadlines: Deadlines) -> AbstractContextManager[Worker]:
        self.noted.append(deadlines)
        return super().open(deadlines)


def test_who_is_left_less_than_half_of_the_time_by_our_first_attempt_is_not_charged(
    tiny: Exercise, bubblewrap: Sandbox, fresh_answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    class Late(Noting):
        def open(self, deadlines: Deadlines) -> AbstractContextManager[Worker]:
            clock.ahead_s += 6000
            return super().open(deadlines)

    for module in ("grader.judge", "grader.meter"):
        monkeypatch.setattr(f"{module}.time", clock)
    monkeypatch.setattr(Questions, "deadlines", Deadlines(total_s=1e6))
    sandbox = Late(bubblewrap)
    with Oracle(tiny, fresh_answers) as oracle:
        Judge(tiny, sandbox, oracle, cases=4, end=clock.monotonic() + 10_000).grade(
            submission(TINY)
        )
    assert [one.fair for one in sandbox.noted] == [True, False]


def test_who_has_all_of_the_time_is_charged_however_long_our_preparing_took(
    tiny: Exercise, bubblewrap: Sandbox, fresh_answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, sandbox = Clock(), Noting(bubblewrap)
    for module in ("grader.judge", "grader.meter"):
        monkeypatch.setattr(f"{module}.time", clock)
    with Oracle(tiny, fresh_answers) as oracle:
        examiner = Unprepared(tiny, oracle, tiny.default_seed, 4)
        examiner.clock, examiner.takes_s = clock, 6000.0
        Judge(tiny, sandbox, examiner).grade(submission(TINY))
    assert [(one.total_s, one.fair) for one in sandbox.noted] == [(300.0, True)] * 2


@pytest.mark.parametrize(("takes_s", "fair"), [(6000.0, False), (4000.0, True)])
def test_who_is_left_less_than_half_of_the_time_by_our_preparing_is_not_charged(
    tiny: Exercise,
    bubblewrap: Sandbox,
    fresh_answers: Path,
    monkeypatch: pytest.MonkeyPatch,
    takes_s: float,
    fair: bool,
) -> None:
    clock, sandbox = Clock(), Noting(bubblewrap)
    for module in ("grader.judge", "grader.meter"):
        monkeypatch.setattr(f"{module}.time", clock)
    monkeypatch.setattr(Questions, "deadlines", Deadlines(total_s=1e6))
    with Oracle(tiny, fresh_answers) as oracle:
        examiner = Unprepared(tiny, oracle, tiny.default_seed, 4)
        examiner.clock, examiner.takes_s = clock, takes_s
        judge = Judge(tiny, sandbox, examiner, end=clock.monotonic() + 10_000)
        judge.grade(submission(TINY))
    assert [one.fair for one in sandbox.noted] == [fair, fair]
    assert all(abs(one.total_s - (10_000 - takes_s)) < 500 for one in sandbox.noted)
