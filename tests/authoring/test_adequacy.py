"""`grader check` accepts what separates right from wrong, and names what survives otherwise."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from conftest import CACHE, FIXTURES, ROOT
from processes import PATIENCE_S
from test_cli import grader

import reference
from grader.authoring import programs, show, survey
from grader.authoring.adequacy import Adequacy, Row, summarise
from grader.authoring.programs import Program
from grader.authoring.sightings import prove
from grader.authoring.suites import prepare, seeds
from grader.authoring.survey import Survey
from grader.errors import UsageError
from grader.model import Deadlines, Exercise
from grader.questions import Questions
from grader.report.output import as_text

SurveyOf = Callable[[Exercise], Survey]  # type: ignore[type-arg]


def check(
    exercise: Exercise, bank: list[Program], survey_of: SurveyOf, suites: int = 1
) -> Adequacy:
    asked = prepare(exercise, CACHE, seeds(exercise, suites), cases=exercise.cases, jobs=1)
    return summarise(exercise, asked, prove(exercise, survey_of(exercise), asked, bank))


def variant(source: bytes, name: str = "it", equivalent: str = "") -> Program:
    return Program(name, "misconception", source, equivalent=equivalent)


@pytest.fixture(scope="module")
def solution(tiny: Exercise) -> bytes:
    return (tiny.folder / "solution.py").read_bytes()


def test_a_right_program_that_is_marked_wrong_survives_and_is_named(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    found = check(tiny, [variant(solution, "not_wrong_at_all")], survey_of)
    assert len(found.problems) == 1
    assert "not_wrong_at_all survives" in found.problems[0]


def test_a_survivor_that_is_marked_equivalent_is_no_problem(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    found = check(tiny, [variant(solution, equivalent="It is the same text.")], survey_of)
    assert found.problems == []
    assert found.rows[0].caught == 0


def test_programs_that_share_a_process_do_not_share_the_time_of_one(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Deadlines(first_s=PATIENCE_S, repeat_s=PATIENCE_S, total_s=0.8)
    monkeypatch.setattr(Questions, "deadlines", property(lambda questions: few))
    slow = b"import time\ntime.sleep(2)\n" + solution
    bank = [variant(slow, f"slow_{number}", equivalent="It is the same.") for number in range(6)]
    assert check(tiny, bank, survey_of).problems == []


def test_a_worker_is_left_before_its_processor_time_is_used_up(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tires = solution + (
        b"_right, _calls = tiny_layer_forward, 0\n"
        b"def tiny_layer_forward(seed, x):\n"
        b"    global _calls\n"
        b"    _calls += 1\n"
        b"    assert _calls <= %d\n"
        b"    return _right(seed, x)\n"
    ) % (tiny.cases + 8)
    bank = [Program("alice", "accepted", tires)]
    [problem] = check(tiny, bank, survey_of, suites=2).problems
    assert "accepted alice is not accepted in 1 of 2 suites" in problem
    monkeypatch.setattr(survey, "_MOST_CPU_S", 0)
    assert check(tiny, bank, survey_of, suites=2).problems == []


def test_a_wrong_mark_is_a_problem(tiny: Exercise, survey_of: SurveyOf, solution: bytes) -> None:
    wrong = solution.replace(b"nnx.relu(self.linear(x))", b"self.linear(x)")
    found = check(tiny, [variant(wrong, equivalent="I thought so.")], survey_of)
    assert "is marked equivalent, but is caught by" in found.problems[0]


def test_a_right_fixture_that_fails_is_a_problem(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    wrong = solution.replace(b"nnx.relu(self.linear(x))", b"self.linear(x)")
    found = check(tiny, [Program("alice", "accepted", wrong)], survey_of)
    assert "accepted alice is not accepted in 1 of 1 suites" in found.problems[0]
    assert "bounds" in found.problems[0]


def test_a_reference_that_is_not_built_as_its_exercise_asks_is_a_problem(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    renamed = solution.replace(b"self.linear", b"self.dense")
    bank = [
        Program(name, "right variant", renamed) for name in (programs.REFERENCE, "built_otherwise")
    ]
    [problem] = check(tiny, bank, survey_of).problems
    assert problem.startswith("right variant reference is not accepted in 1 of 1 suites")
    assert "linear" in problem


def test_structure_alone_catches_what_values_do_not(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    renamed = solution.replace(b"self.linear", b"self.dense")
    bob = Program("bob", "rejected", renamed, structural=True)
    found = check(tiny, [bob], survey_of, suites=2)
    assert found.problems == []
    assert found.rows[0].by == {"structure: class, linear": 2}
    assert found.rows[0].by_values == 0


def test_structure_is_no_excuse_for_values_that_should_tell(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    renamed = solution.replace(b"self.linear", b"self.dense")
    found = check(tiny, [Program("bob", "rejected", renamed)], survey_of, suites=2)
    assert len(found.problems) == 1
    assert "bob survives 2 of 2 suites" in found.problems[0]
    assert "only structure: class, linear tells" in found.problems[0]


def test_what_catches_is_named_with_its_family_and_margin(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    wrong = solution.replace(b"int(seed)", b"int(seed) % 65536")
    row = check(tiny, [variant(wrong)], survey_of).rows[0]
    assert row.caught == 1
    assert next(iter(row.by)).startswith(("seeds_above_16_bits", "seeds_above_24_bits", "largest"))
    assert row.latest > 1
    assert row.margin is not None
    assert row.margin > 100


def test_a_program_that_ends_its_process_costs_the_others_nothing(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    deadly = b"import os\nos._exit(3)\n"
    bank = [
        variant(deadly, "deadly"),
        variant(solution.replace(b"nnx.relu(self.linear(x))", b"self.linear(x)"), "no_relu"),
        Program("reference", "right variant", solution),
    ]
    found = check(tiny, bank, survey_of)
    assert {row.name: row.caught for row in found.rows} == {
        "deadly": 1,
        "no_relu": 1,
        "reference": 0,
    }
    assert found.problems == []


def test_state_does_not_pass_from_one_suite_to_the_next(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    counts = solution + (
        b"_right, _calls = tiny_layer_forward, 0\n"
        b"def tiny_layer_forward(seed, x):\n"
        b"    global _calls\n"
        b"    _calls += 1\n"
        b"    return _right(seed, x) * (1.01 if _calls == 30 else 1)\n"
    )
    row = check(tiny, [Program("it", "rejected", counts)], survey_of, suites=3).rows[0]
    assert row.caught == 3
    assert row.latest == 30


def test_a_submission_that_cannot_be_read_is_caught_by_intake(
    tiny: Exercise, survey_of: SurveyOf, tmp_path: Path
) -> None:
    (tmp_path / "rejected" / "broken").mkdir(parents=True)
    (tmp_path / "rejected" / "broken" / "submission.py").write_text("def f(:\n")
    found = check(tiny, programs.fixtures(tiny, tmp_path), survey_of)
    assert found.rows[0].by == {"intake": 1}
    assert found.problems == []


@pytest.mark.parametrize(
    ("text", "by"), [("def f(:\n", "intake"), ("import no_such_module\n", "import")]
)
def test_what_is_never_called_gives_no_wrong_answer(
    tiny: Exercise, survey_of: SurveyOf, tmp_path: Path, text: str, by: str
) -> None:
    text += "def tiny_layer_forward(seed, x): ...\n"
    for name, verdict in (("meant", "runtime_error"), ("mistyped", "wrong_answer")):
        folder = tmp_path / "rejected" / name
        folder.mkdir(parents=True)
        (folder / "submission.py").write_text(text)
        (folder / "expected.toml").write_text(f'verdict = ["{verdict}"]\n')
    found = check(tiny, programs.fixtures(tiny, tmp_path), survey_of)
    assert [row.by for row in found.rows] == [{by: 1}, {}]
    assert len(found.problems) == 1
    assert "mistyped survives" in found.problems[0]
    assert f"expects an answer, but {by} fails" in found.problems[0]


@pytest.mark.parametrize(
    ("file", "gather"),
    [
        ("right_variants.toml", programs.right_variants),
        ("misconceptions/mistakes.toml", programs.misconceptions),
    ],
)
def test_an_edit_that_leaves_no_python_is_refused_and_not_counted_as_caught(
    tiny: Exercise,
    tmp_path: Path,
    file: str,
    gather: Callable[[Exercise], list[Program]],
) -> None:
    folder = tmp_path / "tiny_layer"
    shutil.copytree(tiny.folder, folder)
    message = 'message = "Torn."\n' if file.startswith("misconceptions") else ""
    edits = 'replace = [["return model(x)", "return model((x)"]]\n'
    (folder / file).write_text(f'[torn]\ntitle = "Torn"\n{message}{edits}')
    with pytest.raises(UsageError, match=r"torn: the edited solution\.py is no Python: line \d+"):
        gather(dataclasses.replace(tiny, folder=folder))


NO_IMPORT = (b"class TinyLayer(nnx.Module)", b"class TinyLayer(nxx.Module)")
NO_ANSWER = (b"nnx.relu(self.linear(x))", b"nnx.rleu(self.linear(x))")


def with_mistake(tiny: Exercise, into: Path, edit: tuple[bytes, bytes], mark: str = "") -> Exercise:
    """Copy the exercise and give it one misconception, torn, in place of its own."""
    folder = into / "tiny_layer"
    shutil.copytree(tiny.folder, folder)
    old, new = (json.dumps(text.decode()) for text in edit)
    told = f'title = "Torn"\nmessage = "{40 * "m"}"\nreplace = [[{old}, {new}]]\n{mark}'
    (folder / "misconceptions/mistakes.toml").write_text(f"[torn]\n{told}")
    return dataclasses.replace(tiny, folder=folder)


@pytest.mark.parametrize("mark", ["", 'equivalent = "No input can tell."\n'])
def test_a_misconception_that_cannot_be_imported_is_not_counted_as_caught(
    tiny: Exercise, survey_of: SurveyOf, tmp_path: Path, mark: str
) -> None:
    torn = with_mistake(tiny, tmp_path, NO_IMPORT, mark)
    [problem] = check(torn, programs.misconceptions(torn), survey_of).problems
    assert problem.startswith("misconception torn survives 1 of 1 suites")
    assert "a misconception gives an answer, but import fails: It raised NameError" in problem
    assert "name 'nxx' is not defined" in problem


def test_a_misconception_that_only_raises_is_told_with_its_exception(
    tiny: Exercise, survey_of: SurveyOf, tmp_path: Path
) -> None:
    torn = with_mistake(tiny, tmp_path, NO_ANSWER)
    found = check(torn, programs.misconceptions(torn), survey_of, suites=2)
    [told] = [one for one in found.cautions if "torn" in one]
    assert "misconception torn answers no case" in told
    assert "It raised AttributeError" in told and "rleu" in told
    assert found.problems == []


def test_a_misconception_that_answers_some_case_is_not_told(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    raises_once = solution + (
        b"_right, _calls = tiny_layer_forward, 0\n"
        b"def tiny_layer_forward(seed, x):\n"
        b"    global _calls\n"
        b"    _calls += 1\n"
        b"    return _right(seed, x) if _calls > 1 else None.missing\n"
    )
    row = check(tiny, [variant(raises_once)], survey_of).rows[0]
    assert row.by == {"ordinary": 1}
    assert row.unanswered == ""


def test_cautions_stand_in_the_text_and_in_the_json(tiny: Exercise, tmp_path: Path) -> None:
    folder = with_mistake(tiny, tmp_path, NO_ANSWER).folder
    done = grader("check", str(folder), "--seeds", "1", "--cases", "8", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = msgspec.json.decode(done.stdout, type=Adequacy)  # shown as text without a second check
    text = as_text(lambda console: show.adequacy(found, console), None)
    for told in (json.loads(done.stdout)["cautions"], text.split("\n")):
        [caution] = [one for one in told if "torn answers no case" in one]
        assert "It raised AttributeError" in caution and "rleu" in caution


def test_a_suite_without_a_case_to_judge_by_proves_nothing(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    strict = msgspec.structs.replace(tiny.tolerance, smallest_scale=1e30)
    found = check(
        dataclasses.replace(tiny, tolerance=strict), [variant(b"", "anything")], survey_of
    )
    assert found.problems[0].startswith("no case can be judged by: nearly zero")
    assert "anything survives" in found.problems[1]


def test_what_was_not_looked_at_is_told(tiny: Exercise) -> None:
    def cautions(**found: str) -> list[str]:
        rows = [
            Row(name, kind, "", 1, 0, {}, None, 0, structural=False, missed=[])
            for name, kind in found.items()
        ]
        return Adequacy("tiny", "", ["0"], 1, {}, 0.0, tiny.tolerance, rows).cautions

    some = cautions(reference="right variant")
    missing = ("accepted fixtures", "rejected fixtures", "misconceptions", "right variant but the")
    assert [f"no {what}" in told for what, told in zip(missing, some, strict=True)] == [True] * 4
    kinds = {"jitted": "right variant", "torn": "misconception", "a": "accepted", "b": "rejected"}
    assert cautions(reference="right variant", **kinds) == []


def copy_of_resnet(tmp_path: Path, *edits: tuple[str, str, str]) -> Path:
    """Copy the exercise and change texts of its files: (file, old, new)."""
    folder = tmp_path / "resnet_classifier"
    shutil.copytree(
        ROOT / "reference" / "resnet_classifier",
        folder,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name, old, new in edits:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
    return folder


def test_a_bound_of_a_hundredth_is_refused_and_its_survivors_are_named(tmp_path: Path) -> None:
    folder = copy_of_resnet(tmp_path, ("exercise.py", "relative=4e-6", "relative=1e-2"))
    done = grader("check", str(folder), "--seeds", "1", "--cases", "24", "--format", "json")
    assert done.returncode == 1, done.stderr
    problems = json.loads(done.stdout)["problems"]
    for name in ("logits_rounded", "relu6", "image_float16"):
        assert any(f"{name} survives" in problem for problem in problems), (name, problems)


def test_a_suite_of_single_pixels_is_refused_and_its_survivors_are_named(tmp_path: Path) -> None:
    folder = copy_of_resnet(
        tmp_path, ("strategy.py", "images(kind, shape)", "images(kind, (1, 1, shape[2]))")
    )
    done = grader("check", str(folder), "--seeds", "1", "--cases", "24")
    assert done.returncode == 1, done.stderr
    said = " ".join(done.stdout.split())
    assert "no case can be judged by: blind" in said
    assert "misconception no_residual survives 1 of 1 suites" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "no_such"), "no_such"),
        (("check", "./no/such/folder"), "exercise.py"),
        (("check", "--fixtures", "no/such"), "no/such"),
        (("check", "--seeds", "0"), "--seeds"),
        (("calibrate", "no_such"), "no_such"),
        (("new-exercise", "No-Name"), "No-Name"),
    ],
)
def test_a_mistyped_command_exits_2(arguments: tuple[str, ...], said: str) -> None:
    done = grader(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_banks_of_fixtures_are_read_from_any_folder(exercise: Exercise) -> None:
    bank = programs.fixtures(exercise, FIXTURES)
    assert len([one for one in bank if one.kind == "accepted"]) >= 40
    assert len([one for one in bank if one.kind == "rejected"]) >= 100
    assert {one.name for one in bank if one.unreadable} == set()


def test_seeds_are_distinct_and_begin_with_the_default(exercise: Exercise) -> None:
    found = seeds(exercise, 200)
    assert found[0] == exercise.default_seed
    assert len(set(found)) == 200


def test_families_that_a_small_suite_leaves_out_are_named(
    tiny: Exercise, survey_of: SurveyOf, solution: bytes
) -> None:
    names = [family.name for family in tiny.families() if family.budget]
    small = dataclasses.replace(tiny, cases=len(names) - 1)
    (caution,) = [one for one in check(small, [], survey_of).cautions if "too small" in one]
    assert f"none of {names[-1]} is asked" in caution
    for exercise in (tiny, *map(reference.load, reference.names())):
        assert check(exercise, [], survey_of).left_out == []


def test_a_suite_that_takes_the_reference_too_long_is_a_problem(
    tiny: Exercise, survey_of: SurveyOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any(one.startswith("time: ") for one in check(tiny, [], survey_of).problems)
    monkeypatch.setattr(Questions, "seconds", property(lambda questions: 200.0))
    (problem,) = [one for one in check(tiny, [], survey_of).problems if one.startswith("time: ")]
    assert "took 200 s for a suite, and a submission has 300 s for it" in problem
