"""Under pytest each finding is an item, and a fault of ours is nobody's failure."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from conftest import CACHE, FIXTURES, submission

import reference
from grader import apart, result
from grader.errors import InvalidSubmission
from grader.model import Diagnosis, Finding, Report, Usage
from grader.pytest_plugin import FEEDBACK, SANDBOXES
from grader.report.document import to_json
from grader.report.views import LEVELS, for_student
from grader.sandbox.choice import LAUNCHERS

EXERCISE = reference.load("basic_block")
GRADE = ("--grader-submission", "alice.py", "--grader-exercise", "basic_block")
SENTENCE = "Result[2] is 0.5; expected 0.25."
NO_USAGE = Usage(wall_s=1, worker_cpu_s=0, judge_cpu_s=0, peak_memory_bytes=0)

STAND_IN = """
import pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls.txt").open("a") as calls:
    calls.write(repr(sys.argv[1:]) + chr(10))
report = here / "report.json"
if report.exists():
    pathlib.Path(sys.argv[sys.argv.index("--output") + 1]).write_bytes(report.read_bytes())
exec((here / "end.py").read_text())
"""
"""Stands in for `grader grade`: writes a stored report and ends as it is told."""


def judged(**status: str) -> Report:
    """Return a report that passes every criterion but those named."""
    findings = [
        Finding(
            id=criterion.id,
            title=criterion.title,
            status=status.get(criterion.id, "passed"),  # type: ignore[arg-type]
            points=0 if criterion.id in status else criterion.points,
            max_points=criterion.points,
            message=SENTENCE if criterion.id in status else "As asked for.",
        )
        for criterion in EXERCISE.rubric
    ]
    report = our_fault()
    return msgspec.structs.replace(
        report,
        verdict="wrong_answer" if status else "accepted",
        findings=findings,
        score=sum(finding.points for finding in findings),
        diagnosis=Diagnosis(kind="pattern", title="Twice as large", message="Halve it."),
    )


def our_fault() -> Report:
    return result.our_fault(EXERCISE, submission("", "alice.py"), "1", "a wall fell", NO_USAGE)


class Harness:
    """pytest in an empty folder with alice.py, and a grader that answers as it is told."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester, self.folder = pytester, pytester.path
        self.stand_in = self.folder / "stand_in.py"
        self.stand_in.write_text(STAND_IN)
        (self.folder / "alice.py").write_text("raise SystemExit('pytest ran the submission')")
        monkeypatch.setattr(apart, "_GRADE", (sys.executable, str(self.stand_in)))

    def answers(self, report: Report | None, end: str = "sys.exit(1)") -> None:
        (self.folder / "end.py").write_text(end)
        if report is not None:
            (self.folder / "report.json").write_bytes(to_json(report))

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess("-W", "error", *arguments)

    def calls(self) -> list[str]:
        path = self.folder / "calls.txt"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def harness(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Harness:
    return Harness(pytester, monkeypatch)


def cases(path: Path) -> dict[str, ElementTree.Element]:
    return {case.get("name", ""): case for case in ElementTree.parse(path).iter("testcase")}


def properties(case: ElementTree.Element) -> dict[str | None, str | None]:
    return {found.get("name"): found.get("value") for found in case.iter("property")}


def test_each_finding_is_an_item_with_its_points_and_its_sentence(harness: Harness) -> None:
    harness.answers(judged(values="failed", forward="skipped"))
    done = harness.run(*GRADE, "--junitxml=out.xml")
    total = len(EXERCISE.rubric)
    done.assert_outcomes(passed=total - 2, failed=1, skipped=1)
    found = cases(harness.folder / "out.xml")
    assert list(found) == [criterion.id for criterion in EXERCISE.rubric]
    values = next(c for c in EXERCISE.rubric if c.id == "values")
    failure = found["values"].find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == (SENTENCE, SENTENCE)
    assert properties(found["values"]) == {
        "title": values.title,
        "points": "0",
        "max_points": str(values.points),
    }
    assert properties(found["runs"])["points"] == properties(found["runs"])["max_points"]
    points = sum(int(properties(case).get("max_points") or 0) for case in found.values())
    assert points == sum(criterion.points for criterion in EXERCISE.rubric)
    done.stdout.fnmatch_lines(["*Twice as large", "Halve it."])
    assert "findings.py" not in done.stdout.str().partition("short test summary")[0]


def test_all_passed_exits_0_and_the_grader_is_asked_once(harness: Harness) -> None:
    harness.answers(judged(), "sys.exit(0)")
    done = harness.run(*GRADE)
    assert done.ret == 0
    (call,) = harness.calls()
    asked = "'--view', 'student', '--feedback', 'full', '--sandbox', 'auto'"
    assert f"{str(harness.folder / 'alice.py')!r}, {asked}" in call


@pytest.mark.parametrize(
    ("report", "end", "said"),
    [
        (our_fault(), "sys.exit(3)", "exit code 3"),
        (None, "sys.exit('grader: internal error: no wall')", "no wall"),
        (None, "sys.exit(0)", "it said nothing"),
        (None, "import os; os.kill(os.getpid(), 9)", "exit code -9"),
        (None, "sys.stderr.write('\\x1b[2J\\u202e'); sys.exit(2)", r"\u001b[2J\u202e"),
    ],
)
def test_a_fault_of_ours_is_an_error_and_no_failure(
    harness: Harness, report: Report | None, end: str, said: str
) -> None:
    harness.answers(report, end)
    done = harness.run(*GRADE, "--junitxml=out.xml")
    done.assert_outcomes(errors=len(EXERCISE.rubric))
    assert len(harness.calls()) == 1
    for case in cases(harness.folder / "out.xml").values():
        assert case.find("failure") is None
        error = case.find("error")
        assert error is not None
        assert error.text is not None
        assert "not the student's fault" in error.text
        assert said in error.text


def test_a_report_of_another_exercise_is_an_error(harness: Harness) -> None:
    report = judged()
    harness.answers(msgspec.structs.replace(report, findings=report.findings[1:]))
    harness.run(*GRADE).assert_outcomes(passed=len(report.findings) - 1, errors=1)


def test_k_chooses_by_id_and_title_and_collecting_grades_nothing(harness: Harness) -> None:
    harness.answers(judged())
    harness.run(*GRADE, "-k", "values").assert_outcomes(
        passed=1, deselected=len(EXERCISE.rubric) - 1
    )
    assert harness.run(*GRADE, "-k", "tolerance").parseoutcomes()["passed"] == 1
    before = len(harness.calls())
    done = harness.run(*GRADE, "--collect-only", "-q")
    done.stdout.fnmatch_lines(["alice.py::values"])
    assert len(harness.calls()) == before


def test_score_alone_is_one_item(harness: Harness) -> None:
    report = judged(values="failed")
    harness.answers(for_student(report, "score"))
    done = harness.run(*GRADE, "--grader-feedback=score", "--junitxml=out.xml")
    done.assert_outcomes(failed=1)
    (case,) = cases(harness.folder / "out.xml").values()
    assert properties(case)["points"] == str(report.score)
    assert "'--feedback', 'score'" in harness.calls()[0]


def test_score_alone_says_why_a_file_cannot_be_read(harness: Harness) -> None:
    unread = result.refuse(EXERCISE, "alice.py", InvalidSubmission("It is no Python."), NO_USAGE)
    harness.answers(for_student(unread, "score"))
    done = harness.run(*GRADE, "--grader-feedback=score")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["0 of * points: invalid_submission. It is no Python."])


def test_a_category_fails_with_its_title(harness: Harness) -> None:
    harness.answers(for_student(judged(values="failed"), "category"))
    done = harness.run(*GRADE, "--grader-feedback=category", "--junitxml=out.xml")
    assert done.parseoutcomes()["failed"] == 1
    failure = cases(harness.folder / "out.xml")["values"].find("failure")
    assert failure is not None
    assert failure.text == next(c.title for c in EXERCISE.rubric if c.id == "values")


def test_tests_run_beside_it_only_from_paths_that_are_named(harness: Harness) -> None:
    harness.answers(judged(), "sys.exit(0)")
    harness.pytester.makepyfile(test_theirs="def test_theirs(): pass")
    total = len(EXERCISE.rubric)
    harness.run(*GRADE).assert_outcomes(passed=total)
    harness.run(*GRADE, "test_theirs.py").assert_outcomes(passed=total + 1)
    harness.run("test_theirs.py").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--grader-submission", "bob.py"), "bob.py does not exist"),
        (("--grader-submission", "alice.py", "--grader-exercise", "no_such"), "no_such"),
        (("--grader-exercise", "basic_block"), "needs --grader-submission FILE"),
        (("--grader-sandbox", "auto"), "--grader-sandbox needs --grader-submission"),
        ((*GRADE, "--grader-feedback", "everything"), "everything"),
    ],
)
def test_wrong_usage_exits_4_and_names_what_was_wrong(
    harness: Harness, arguments: tuple[str, ...], said: str
) -> None:
    done = harness.run(*arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert said in done.stderr.str()
    assert harness.calls() == []


def test_workers_of_xdist_share_one_grading(harness: Harness) -> None:
    harness.answers(judged(values="failed"))
    harness.pytester.makeconftest(f"""
        from grader import apart
        apart._GRADE = {(sys.executable, str(harness.stand_in))!r}
    """)
    done = harness.pytester.runpytest_subprocess(*GRADE, "-n2", "--junitxml=out.xml", "-Werror")
    done.assert_outcomes(passed=len(EXERCISE.rubric) - 1, failed=1)
    assert len(harness.calls()) == 1
    done.stdout.fnmatch_lines(["*Twice as large"])
    assert len(cases(harness.folder / "out.xml")) == len(EXERCISE.rubric)


def test_a_real_submission_is_graded_behind_the_wall(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADER_CACHE", str(CACHE))
    pytester.makepyfile(json="raise SystemExit('the current folder was imported')")
    wrong = FIXTURES / "rejected" / "pool_height_only" / "submission.py"
    done = pytester.runpytest_inprocess(f"--grader-submission={wrong}", "--junitxml=out.xml")
    found = cases(pytester.path / "out.xml")
    assert done.ret == 1
    assert sum(int(properties(case)["points"] or 0) for case in found.values()) == 29
    assert found["runs"].find("failure") is None
    assert found["values"].find("failure") is not None


def test_choices_are_those_of_the_grader() -> None:
    assert set(FEEDBACK) == set(LEVELS)
    assert set(SANDBOXES) == {"auto", *LAUNCHERS}


def test_nothing_is_left_behind(harness: Harness, tmp_path: Path) -> None:
    harness.answers(judged())
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path))
        harness.run(*GRADE)
    assert json.dumps([str(path) for path in tmp_path.iterdir()]) == "[]"
