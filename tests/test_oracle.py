"""The oracle agrees with an independent float64 evaluation, remembers, and fails as ours."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from grader import oracle_process
from grader.errors import ExerciseError, OracleError
from grader.model import Case, Exercise, Expected
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
    exercise: Exercise, fresh_answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(dict(exercise.watched))
    with Oracle(exercise, fresh_answers) as first:
        answer = first.expect([case])[0]
    monkeypatch.setattr("grader.reference_process.sys.executable", "/nonexistent")
    with Oracle(exercise, fresh_answers) as second:
        again = second.expect([case])[0]
    assert np.array_equal(answer.exact, again.exact)
    assert np.array_equal(answer.reference, again.reference)


def test_a_truth_in_float32_is_remembered_as_float64(
    tiny: Exercise, tmp_path: Path, fresh_answers: Path
) -> None:
    single = with_exact(tiny, tmp_path, "output.astype(np.float32)")
    case = Case(dict(tiny.watched))
    with Oracle(single, fresh_answers) as opened:
        computed, recalled = (opened.expect([case])[0] for _ in range(2))
    assert computed.exact.dtype == recalled.exact.dtype == np.float64
    assert np.array_equal(computed.exact, recalled.exact)


def test_a_truth_of_another_shape_is_refused_with_both_shapes(
    tiny: Exercise, tmp_path: Path, fresh_answers: Path
) -> None:
    flat = with_exact(tiny, tmp_path, "output.reshape(-1)")
    both = r"exact\.py's output has shape \(105,\), .* has shape \(7, 5, 3\)"
    with Oracle(flat, fresh_answers) as opened, pytest.raises(ExerciseError, match=both):
        opened.expect([Case(dict(tiny.watched))])


def with_exact(tiny: Exercise, tmp_path: Path, output: str) -> Exercise:
    """Copy the exercise with another output in its exact.py."""
    return changed(tiny, tmp_path, "exact.py", "Exact(output,", f"Exact({output},")


def changed(tiny: Exercise, tmp_path: Path, name: str, old: str, new: str) -> Exercise:
    """Copy the exercise with another text in one of its files."""
    folder = tmp_path / "tiny_layer"
    shutil.copytree(tiny.folder, folder)
    text = (folder / name).read_text()
    assert text.count(old) == 1
    (folder / name).write_text(text.replace(old, new))
    return dataclasses.replace(tiny, folder=folder)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (
            "solution.py",
            "return model(x)",
            "return model(y)",
            r"solution\.py:\d+: NameError: .*'y'",
        ),
        ("solution.py", "return model(x)", "return model(x), 1", "returned a tuple and no array"),
        ("solution.py", "import jax\n", "import jaxx\n", r"solution\.py:\d+: ModuleNotFoundError"),
        ("solution.py", "def tiny_layer_forward(", "def tiny_forward(", "tiny_layer_forward"),
        ("exact.py", "def evaluate(", "def evalute(", "no attribute 'evaluate'"),
        ("exact.py", "    output = ", "    output = = ", r"exact\.py:\d+: SyntaxError"),
    ],
)
def test_a_mistake_in_the_exercises_files_is_told_with_its_line(
    tiny: Exercise, tmp_path: Path, fresh_answers: Path, name: str, old: str, new: str, said: str
) -> None:
    mistaken = changed(tiny, tmp_path, name, old, new)
    with Oracle(mistaken, fresh_answers) as opened, pytest.raises(ExerciseError, match=said):
        opened.expect([Case(dict(tiny.watched))])


def test_a_scale_of_numpys_is_a_number(tiny: Exercise, tmp_path: Path, fresh_answers: Path) -> None:
    other = changed(tiny, tmp_path, "exact.py", "scale=float(", "scale=np.float32(")
    with Oracle(other, fresh_answers) as opened:
        assert opened.expect([Case(dict(tiny.watched))])[0].scale > 0


def test_arguments_that_the_contract_has_not_are_named(tiny: Exercise, tmp_path: Path) -> None:
    said = "arguments seed, x, to_watch draws seed, image"
    with Oracle(tiny, tmp_path) as opened, pytest.raises(ExerciseError, match=said):
        opened.expect([Case({"seed": 0.0, "image": tiny.watched["x"]})])


def test_a_remembered_suite_is_the_generated_one(exercise: Exercise, tmp_path: Path) -> None:
    with Oracle(exercise, tmp_path) as opened:
        fresh = recall_or_generate(exercise, opened, "5", 40)
        stored = recall_or_generate(exercise, opened, "5", 40)
    assert fresh.digest == stored.digest
    assert [case.family for case in fresh.cases] == [case.family for case in stored.cases]


def test_a_reference_that_raises_is_our_error(exercise: Exercise, fresh_answers: Path) -> None:
    impossible = Case({**exercise.watched, "num_classes": -1.0})
    with Oracle(exercise, fresh_answers) as opened, pytest.raises(OracleError):
        opened.expect([impossible])


def test_a_process_that_is_gone_is_replaced(exercise: Exercise, fresh_answers: Path) -> None:
    case = Case({**exercise.watched, "seed": 0.0})
    with Oracle(exercise, fresh_answers) as opened:
        with pytest.raises(OracleError):
            opened.expect([Case({**exercise.watched, "num_classes": -1.0})])
        spent = opened.cpu_s
        opened.expect([case])
        assert opened.cpu_s > spent


FORGETFUL = """
import sys
from grader import oracle_process
oracle_process.MOST_RESIDENT_BYTES, oracle_process._GROWN_BYTES = 1, -1 << 40
forget, times = oracle_process._forget_programs, []
oracle_process._forget_programs = lambda: (forget(), times.append(1))
try:
    oracle_process.main(sys.argv[1])
finally:
    sys.stderr.write(f"forgot {len(times)} times")
"""


def test_a_process_that_has_grown_forgets_programs_and_answers_as_before(
    exercise: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, said = subprocess.Popen, tmp_path / "said"

    def forgetful(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        with said.open("ab") as errors:
            return start([command[0], "-P", "-c", FORGETFUL, command[-1]], stderr=errors, **options)

    one, other = (Case({**exercise.watched, "seed": float(seed)}) for seed in range(2))
    text = (exercise.folder / "solution.py").read_text()
    with Oracle(exercise, tmp_path) as usual:
        expected = [usual.expect([case])[0] for case in (one, other)]
    (tmp_path / "expected.sqlite").unlink()  # what is compiled stays
    with monkeypatch.context() as patched, Oracle(exercise, tmp_path) as opened:
        patched.setattr("grader.reference_process.subprocess.Popen", forgetful)
        for case, known in zip((one, other), expected, strict=True):
            found = opened.expect([case])[0]
            assert np.array_equal(found.exact, known.exact)
            assert np.array_equal(found.reference, known.reference)
        answer = opened.answer_of(text, one)  # loaded and asked in two requests
        assert answer.array is not None
        assert np.array_equal(answer.array, expected[0].reference)
    # Before two values, a program that is loaded, its answer, and the end of all questions.
    assert "forgot 5 times" in said.read_text()


def test_what_is_forgotten_is_memory_again() -> None:
    code = """
import numpy, jax
from grader import oracle_process as oracle
for size in range(1, 61):
    jax.numpy.asarray(numpy.ones(size, numpy.float32)) + 1
before = oracle._resident_bytes()
oracle._forget_programs()
print((before - oracle._resident_bytes()) >> 20)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40  # MiB, of 120 programs


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


@pytest.mark.parametrize(("most_resident", "forgets"), [(1 << 40, False), (1, True)])
def test_programs_are_forgotten_only_where_forgetting_their_modules_is_not_enough(
    monkeypatch: pytest.MonkeyPatch, most_resident: int, forgets: bool
) -> None:
    forgotten: list[str] = []
    monkeypatch.setattr(oracle_process, "MOST_RESIDENT_BYTES", most_resident)
    monkeypatch.setattr(oracle_process, "forget_modules", lambda: forgotten.append("modules"))
    monkeypatch.setattr(oracle_process, "_forget_programs", lambda: forgotten.append("programs"))
    much = oracle_process._lighten(1 << 40)
    assert (much, forgotten) == (1 << 40, []), "nothing has grown"
    again = oracle_process._lighten(1)
    assert forgotten == ["modules", "programs"][: 1 + forgets]
    assert oracle_process._resident_bytes() < again < 1 << 40


def test_the_callers_settings_of_jax_do_not_change_the_reference(
    exercise: Exercise, oracle: Oracle, fresh_answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(dict(exercise.watched))
    monkeypatch.setenv("JAX_DEFAULT_PRNG_IMPL", "rbg")
    with Oracle(exercise, fresh_answers) as opened:
        answer = opened.expect([case])[0]
    assert np.array_equal(answer.reference, oracle.expect([case])[0].reference)


def test_files_that_change_while_they_are_in_use_are_refused(
    tiny: Exercise, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny.folder, folder)
    solution = folder / "solution.py"
    right = solution.read_text()
    case = Case(dict(tiny.watched))
    with Oracle(tiny, tmp_path / "right") as other:
        truth = other.expect([case])[0]
    with Oracle(reference.load(str(folder)), tmp_path / "cache") as oracle:
        solution.write_text(right.replace("return nnx.relu", "return 1.5 * nnx.relu"))
        assert solution.read_text() != right
        for _ in range(2):
            with pytest.raises(ExerciseError, match="changed while they were in use; start again"):
                oracle.expect([case])
        solution.write_text(right)
    with Oracle(reference.load(str(folder)), tmp_path / "cache") as fresh:
        assert np.array_equal(fresh.expect([case])[0].reference, truth.reference)


def test_inputs_and_answers_may_be_as_large_as_a_workers(
    tiny: Exercise, fresh_answers: Path
) -> None:
    large = {**tiny.watched, "x": np.ones((300, 300, 3), np.float32)}
    huge = {**tiny.watched, "x": np.ones((2400, 2400, 3), np.float32)}
    with Oracle(tiny, fresh_answers) as oracle:
        assert oracle.expect([Case(large)])[0].exact.shape == (300, 300, 3)
        with pytest.raises(ExerciseError, match=r"\(2400, 2400, 3\) takes more than 64 MiB"):
            oracle.expect([Case(huge)])
        assert oracle.expect([Case(large)])[0].exact.shape == (300, 300, 3)


def test_an_answer_that_is_too_large_is_told(
    tiny: Exercise, tmp_path: Path, fresh_answers: Path
) -> None:
    many = with_exact(tiny, tmp_path, "np.zeros((9, 1 << 20))")
    with Oracle(many, fresh_answers) as oracle, pytest.raises(ExerciseError, match="TooLarge"):
        oracle.expect([Case(dict(tiny.watched))])


def test_a_variant_whose_answer_is_too_large_failed_by_itself(
    tiny: Exercise, fresh_answers: Path
) -> None:
    solution = (tiny.folder / "solution.py").read_text()
    large = "import numpy\n" + solution.replace(
        "return nnx.relu", "return numpy.zeros((20, 1 << 20), numpy.float32)\n        nnx.relu"
    )
    assert "1 << 20" in large
    case = Case(dict(tiny.watched))
    with Oracle(tiny, fresh_answers) as oracle:
        answer = oracle.answer_of(large, case)
        assert (answer.array, answer.raised is not None) == (None, True)
        assert "TooLarge" in str(answer.raised)
        assert oracle.expect([case])[0].exact.size > 0


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        (".solution.py.swp", False),
        ("solution.py~", False),
        ("#solution.py#", False),
        ("helper.py", True),
        (".hidden.npy", True),
    ],
)
def test_what_an_editor_lays_beside_a_file_is_no_change(
    tiny: Exercise, tmp_path: Path, name: str, counts: bool
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny.folder, folder)
    exercise = reference.load(str(folder))
    assert not exercise.has_changed  # and so its digest is taken
    (folder / name).write_text("x")
    assert exercise.has_changed is counts


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
import reference
from grader.model import Case
from grader.oracle import Oracle
exercise = reference.load(sys.argv[1])
with Oracle(exercise, Path(sys.argv[2])) as oracle:
    oracle.expect([Case(dict(exercise.watched))])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
    for seed in (1.0, 2.0):
        print(oracle.expect([Case({**exercise.watched, "seed": seed})])[0].exact.shape)
"""


def test_a_full_disk_costs_no_answer_and_is_told_once(tiny: Exercise, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tiny.folder), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr.count("cannot keep expected values in") == 1
    assert str(tmp_path) in done.stderr


def test_a_cache_that_cannot_be_read_is_named(tiny: Exercise, tmp_path: Path) -> None:
    with Oracle(tiny, tmp_path) as oracle:
        (tmp_path / "expected.sqlite").write_bytes(b"no database" * 1000)
        with pytest.raises(OracleError, match="set GRADER_CACHE") as caught:
            oracle.expect([Case(dict(tiny.watched))])
        assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["scale", "condition", "spread"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_case_whose_size_is_no_number_cannot_be_judged_by(
    tiny: Exercise, name: str, value: float
) -> None:
    zeros = np.zeros(2)
    fine = Expected(zeros, zeros.astype(np.float32), 1.0, 1.0, 1.0, 0.0)
    assert tiny.tolerance.unfit(fine) is None
    odd = dataclasses.replace(fine, **{name: float(value)})
    assert tiny.tolerance.unfit(odd) == "not finite"
