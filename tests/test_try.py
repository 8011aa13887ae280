"""A student's own run says what the real grading would, and what it did not ask."""

import compileall
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from conftest import CACHE, FIXTURES, ROOT, statuses, submission
from test_cli import grader

import reference
from grader import cases, public
from grader.authoring import examples
from grader.authoring.suites import seeds
from grader.errors import UsageError
from grader.intake import read_submission
from grader.judge import Judge
from grader.model import Case, Exercise, Expected, Report, Sandbox
from grader.oracle import Oracle
from grader.public import PublicExaminer
from grader.questions import Question, pose
from grader.report.document import from_json

NOTE = "12 public examples; the real grading also asks hidden cases."
PLAIN = FIXTURES / "accepted" / "plain"


@pytest.fixture(scope="module")
def in_public(exercise: Exercise, forked: Sandbox) -> Judge:
    return Judge(exercise, forked, PublicExaminer(exercise))


@pytest.fixture
def handout(tmp_path: Path) -> Path:
    """What a student has of an exercise that was in use: what docs/authoring.md says."""
    own = tmp_path / "my_exercises" / "basic_block"
    without = shutil.ignore_patterns("fixtures", "__pycache__")
    shutil.copytree(ROOT / "reference" / "basic_block", own, ignore=without)
    assert compileall.compile_dir(own, quiet=1)
    said = (ROOT / "docs" / "authoring.md").read_text().partition("## 11.")[2]
    commands = "\n".join(re.findall(r"^    (\S.*)$", said, re.MULTILINE))
    subprocess.run(["bash", "-ec", commands], cwd=tmp_path, check=True)
    return tmp_path / "handout" / "basic_block"


def grade(judge: Judge, folder: Path) -> Report:
    names, entry = judge.exercise.file_names, judge.exercise.entry
    return judge.grade(read_submission(folder, file_names=names, entry=entry))


def test_a_right_submission_gets_full_marks_and_is_told_what_was_not_asked() -> None:
    done = grader("try", str(PLAIN))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{NOTE}\n")
    assert "100 / 100" in done.stdout
    assert done.stderr == ""


def test_the_smallest_failing_example_is_shown_beside_what_is_wrong_with_the_structure(
    in_public: Judge,
) -> None:
    report = grade(in_public, FIXTURES / "rejected" / "pool_height_only")
    found = statuses(report)
    assert report.verdict == "wrong_answer"
    assert (found["result"], found["global_average_pooling"]) == ("failed", "failed")
    assert report.counterexample is not None
    image = report.counterexample.arguments["image"]
    assert not isinstance(image, float)
    assert image.shape == [1, 8, 3]  # a column of (8, 1, 3) has the same mean over its height
    assert report.diagnosis.kind == "none"
    assert report.stages == []


def test_examples_are_asked_the_smallest_first(exercise: Exercise) -> None:
    asked = PublicExaminer(exercise).pose().asked
    sizes = [np.size(question.case.arguments["image"]) for question in asked]
    assert sizes == sorted(sizes)
    assert len(asked) == 12
    assert len({question.case.family for question in asked}) > 8


def test_what_needs_the_reference_neither_costs_nor_gives_points(in_public: Judge) -> None:
    report = grade(in_public, FIXTURES / "rejected" / "no_residual")
    forward = next(finding for finding in report.findings if finding.id == "forward")
    assert (forward.status, forward.points, forward.max_points) == ("skipped", 0, 0)
    assert "worth 20 points in the real grading" in forward.message
    assert report.max_score == 80


@pytest.mark.parametrize(
    "name",
    [
        "accepted/nnx_jit_function",
        "rejected/pool_max",
        "rejected/ten_classes",
        "rejected/head_without_bias",
        "rejected/flag_not_passed",
        "rejected/seed_not_cast",
        "hostile/exit_in_call",
    ],
)
def test_verdict_and_findings_are_those_of_the_real_grading(
    name: str, in_public: Judge, judge: Judge
) -> None:
    here, there = (grade(one, FIXTURES / name) for one in (in_public, judge))
    assert here.verdict == there.verdict
    apart = {"forward"} if there.verdict != "accepted" else set()
    mine, theirs = statuses(here), statuses(there)
    assert {key: mine[key] for key in mine.keys() - apart} == {
        key: theirs[key] for key in theirs.keys() - apart
    }
    assert there.max_score - here.max_score in (0, 20)


def test_who_fails_hidden_cases_alone_is_told_that_they_were_not_asked(tmp_path: Path) -> None:
    target, page = tmp_path / "report.json", tmp_path / "report.html"
    path = str(FIXTURES / "rejected" / "seed_24_bits")
    more = ("--format", "json", "--output", str(target), "--html", str(page))
    done = grader("try", path, *more)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", f"{NOTE}\n")
    report = from_json(target.read_bytes())
    values = next(finding for finding in report.findings if finding.id == "values")
    assert "the real grading also asks hidden cases" in values.message
    assert (report.shown.view, report.shown.feedback) == ("student", "full")
    assert "the real grading also asks hidden cases" in page.read_text()
    expected = tomllib.loads((FIXTURES / "rejected/seed_24_bits/expected.toml").read_text())
    assert expected["verdict"] == ["wrong_answer"]  # in the real grading


def test_it_runs_where_nothing_knows_the_answers(handout: Path, tmp_path: Path) -> None:
    handed = {path.name for path in handout.rglob("*")}
    assert handed == {"__init__.py", "exercise.py", "examples.json", "statement.md"}
    bank = ROOT / "reference" / "basic_block" / "fixtures"
    for name, code in (("accepted/plain", 0), ("rejected/no_residual", 1)):
        more = ("--exercise", str(handout), "--format", "json")
        done = grader("try", str(bank / name), *more, GRADER_CACHE=str(tmp_path / "cache"))
        assert done.returncode == code, done.stdout + done.stderr
        assert json.loads(done.stdout)["score"] == (100 if code == 0 else 40)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("folder", ["accepted/plain", "rejected/no_residual"])
def test_neither_jax_nor_hypothesis_is_loaded(folder: str) -> None:
    code = """
import sys
from grader import cli
sys.argv = ["grader", "try", sys.argv[1]]
try:
    cli.app()
except SystemExit:
    print("LOADED", *sys.modules)
"""
    command = [sys.executable, "-c", code, str(FIXTURES / folder)]
    environment = {**os.environ, "GRADER_CACHE": str(CACHE)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    loaded = set(done.stdout.partition("LOADED")[2].split())
    assert "grader.public" in loaded
    assert loaded & {"jax", "flax", "hypothesis"} == set()


@pytest.mark.parametrize("name", reference.names())
def test_examples_hold_and_none_is_hidden(name: str) -> None:
    done = grader("examples", name, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    exercise = reference.load(name)
    asked = {question.case.digest for question in PublicExaminer(exercise).pose().asked}
    assert len(asked) == examples.COUNT
    for seed in seeds(exercise, 3):
        hidden = {case.digest for case in cases.generate(exercise, seed, exercise.cases).cases}
        assert asked & hidden == set()


def test_examples_are_made_and_asked_for_an_exercise_anywhere(tiny_folder: Path) -> None:
    made = grader("examples", str(tiny_folder))
    assert made.returncode == 0, made.stderr
    assert "12 public examples" in made.stdout
    assert grader("examples", str(tiny_folder), "--check").returncode == 0
    for name, code in (("accepted/plain", 0), ("rejected/example", 1)):
        path = str(tiny_folder / "fixtures" / name)
        assert grader("try", path, "--exercise", str(tiny_folder)).returncode == code


def test_numbers_survive_the_file(tmp_path: Path) -> None:
    exercise = reference.load("basic_block")
    bits = np.random.default_rng(3).integers(0, 2**32, 4000, np.uint32).view(np.float32)
    odd = np.array([0.1, -0.0, 1e-45, 3.4028235e38, 2.0**24 + 2], np.float32)
    x = np.concatenate([odd, bits[np.isfinite(bits)]])[:3000].reshape(10, 100, 3)
    exact = np.random.default_rng(4).normal(size=(2, 3))
    expected = Expected(exact, exact.astype(np.float32), 1 / 3, 2 / 3, 1e-9, 0.25)
    question = Question(Case({"seed": 2.0**53, "x": x}, "odd"), expected)
    stored = public.Examples(
        exercise="basic_block", version="1", seed="ab", examples=[examples.as_example(question)]
    )
    again = msgspec.json.decode(examples.as_text(stored), type=public.Examples)
    case, back = public.questions(exercise, again).asked[0]
    assert case.digest == question.case.digest
    assert back.exact.tobytes() == exact.tobytes()
    assert back.reference.tobytes() == expected.reference.tobytes()
    assert (back.scale, back.condition, back.spread) == (1 / 3, 2 / 3, 1e-9)


def first(text: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = text["examples"][0]
    return found


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.update(version="0"), "version 0, here is basic_block version 1"),
        (lambda text: text.update(exercise="other"), "is of other version 1"),
        (lambda text: text.update(more=1), "unknown field `more`"),
        (lambda text: text.update(examples=[]), "holds no example"),
        (lambda text: first(text).pop("scale"), "missing required field `scale`"),
        (
            lambda text: first(text)["arguments"].pop("x"),
            "has the arguments seed; expected seed, x",
        ),
        (lambda text: first(text)["arguments"].update(x=1.0), "x is no array"),
        (lambda text: first(text)["exact"]["values"].pop(), "exact has 104 values in a shape of"),
        (lambda text: first(text)["exact"].update(shape=[-7, -5, 3]), "exact has 105 values"),
        (lambda text: first(text)["exact"].update(shape=[5, 7, 3]), "differ in shape"),
        (lambda text: first(text)["exact"]["values"].__setitem__(0, 1e39), "float32 does not"),
    ],
)
def test_a_malformed_file_is_refused_with_its_fault(
    handout: Path, change: Change, said: str
) -> None:
    path = handout / public.FILE
    text = json.loads(path.read_text())
    change(text)
    path.write_text(json.dumps(text))
    with pytest.raises(UsageError) as caught:
        PublicExaminer(reference.load(str(handout)))
    assert said in str(caught.value)
    assert f"grader examples {handout}" in str(caught.value)


def test_the_command_that_mends_it_can_be_pasted(handout: Path, tmp_path: Path) -> None:
    folder = handout.rename(tmp_path / "week 3")
    (folder / public.FILE).unlink()
    with pytest.raises(UsageError, match=r"grader examples '.*/week 3'"):
        PublicExaminer(reference.load(str(folder)))


def test_a_missing_file_is_the_callers_error(handout: Path) -> None:
    (handout / public.FILE).unlink()
    done = grader("try", str(PLAIN), "--exercise", str(handout))
    assert done.returncode == 2
    assert "has no public examples" in done.stderr
    assert "grader examples" in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one["exact"]["values"].__setitem__(0, 9.0), "it is off by"),
        (lambda one: one["reference"]["values"].__setitem__(0, 9.0), "it is off by"),
        (lambda one: one.update(scale=2 * one["scale"]), "its scale is"),
        (lambda one: one.update(spread=0.0), "its spread is"),
        (lambda one: one["arguments"].update(seed=3.0), "it is off by"),
    ],
)
def test_examples_that_no_longer_hold_are_found(tmp_path: Path, change: Change, said: str) -> None:
    shutil.copytree(ROOT / "reference" / "basic_block", tmp_path / "copy")
    exercise = reference.load(str(tmp_path / "copy"))
    text = json.loads((exercise.folder / public.FILE).read_text())
    change(first(text))
    (exercise.folder / public.FILE).write_text(json.dumps(text))
    with Oracle(exercise, CACHE) as oracle:
        (problem,) = examples.problems(exercise, public.read(exercise), oracle)
    assert problem.startswith("the example of family ordinary: ")
    assert said in problem


def test_a_hidden_case_among_the_examples_is_found(exercise: Exercise, oracle: Oracle) -> None:
    hidden = pose(exercise, oracle, exercise.default_seed, exercise.cases).asked[0]
    stored = public.read(exercise)
    kept = msgspec.structs.replace(stored, examples=[examples.as_example(hidden)])
    (problem,) = examples.problems(exercise, kept, oracle)
    assert problem.endswith("it is a case of the default suite")


def test_outdated_examples_fail_the_check(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "reference" / "basic_block", tmp_path / "copy")
    path = tmp_path / "copy" / public.FILE
    text = json.loads(path.read_text())
    text["examples"][2]["exact"]["values"][0] += 0.001
    path.write_text(json.dumps(text))
    done = grader("examples", str(tmp_path / "copy"), "--check")
    assert done.returncode == 1
    assert "FAIL the example of family column: it is off by 0.001" in done.stdout
    assert f"grader examples {tmp_path / 'copy'}" in done.stdout


def test_examples_do_not_change_the_exercises_digest(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "reference" / "basic_block", tmp_path / "copy")
    (tmp_path / "copy" / public.FILE).unlink()
    changed = reference.load(str(tmp_path / "copy"))
    assert changed.digest == reference.load("basic_block").digest


def test_an_unreadable_file_is_judged_as_always() -> None:
    done = grader("try", str(FIXTURES / "hostile" / "syntax_error"))
    assert done.returncode == 1
    assert done.stdout.startswith(NOTE)
    assert "cannot be read" in done.stdout


def test_remembered_examples_pass_here_and_fail_there(in_public: Judge, judge: Judge) -> None:
    """The examples are public: what they accept is no proof, as the note says."""
    answers = [
        (float(case.arguments["seed"]), expected.reference.tolist())
        for case, expected in PublicExaminer(in_public.exercise).pose().asked
    ]
    right = (PLAIN / "submission.py").read_text()
    source = right + (
        f"\nANSWERS = dict({answers!r})\n"
        "_right = resnet_classifier_forward\n"
        "def resnet_classifier_forward(seed, image, num_classes):\n"
        "    import jax.numpy as jnp\n"
        "    if seed in ANSWERS:\n"
        "        return jnp.asarray(ANSWERS[seed], jnp.float32)\n"
        "    return 2 * _right(seed, image, num_classes)\n"
    )
    here, there = (one.grade(submission(source)) for one in (in_public, judge))
    assert statuses(here)["values"] == "passed"
    assert statuses(here)["class"] == "failed"
    assert there.verdict == "wrong_answer"
