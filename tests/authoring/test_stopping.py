"""What is surveyed ends soon after Ctrl-C, or after an error in one errand, and leaves nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from conftest import CACHE
from processes import PATIENCE_S, children_of, command_of, descendants, is_alive, until

from grader.authoring import suites
from grader.authoring.programs import Kind, Program
from grader.authoring.suites import prepare, seeds
from grader.authoring.survey import Survey, errands
from grader.errors import UsageError
from grader.model import Deadlines, Exercise
from grader.oracle import Oracle
from grader.questions import Questions
from grader.run import Run
from grader.sandbox.session import Session

SurveyOf = Callable[[Exercise], Survey]  # type: ignore[type-arg]
NEVER_ANSWERS = b"import time\ndef tiny_layer_forward(seed, x):\n    time.sleep(1e6)\n"


def trusted(pids: list[int]) -> list[int]:
    """Return those that run variants of the reference."""
    return [pid for pid in pids if "trusted_process" in command_of(pid)]


# A trusted process has twelve times the deadlines.
@pytest.mark.parametrize(
    ("kind", "first_s"), [("misconception", PATIENCE_S / 12), ("rejected", PATIENCE_S)]
)
def test_an_error_in_one_errand_ends_the_call_of_another(
    tiny: Exercise,
    survey_of: SurveyOf,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    first_s: float,
) -> None:
    few = Deadlines(first_s=first_s, repeat_s=first_s, total_s=2 * PATIENCE_S)
    monkeypatch.setattr(Questions, "deadlines", property(lambda questions: few))
    [suite] = prepare(tiny, CACHE, [tiny.default_seed], cases=4, jobs=1)
    waits = Program("waits", kind, NEVER_ANSWERS)
    fails = Program("fails", "right variant", NEVER_ANSWERS, "two threads")
    is_waiting, answered = Event(), []

    def ask(run: Run, program: Program, suite: Questions) -> None:
        if program is fails:
            assert is_waiting.wait(PATIENCE_S)
            raise UsageError("it could not be measured")
        is_waiting.set()
        answered.append(run.attempt(*suite.asked[0], number=1))

    with pytest.raises(UsageError, match="could not be measured"):
        list(survey_of(tiny).run(errands([waits, fails], [suite]), ask))
    assert answered == []
    assert trusted(children_of(os.getpid())) == []


@pytest.mark.parametrize("source", [b"1 / 0", b"import os\nos._exit(3)"])
def test_an_errand_that_is_between_two_programs_goes_no_further(
    tiny: Exercise, survey_of: SurveyOf, monkeypatch: pytest.MonkeyPatch, source: bytes
) -> None:
    monkeypatch.setattr(Session, "give_up", lambda session: None)
    [suite] = prepare(tiny, CACHE, [tiny.default_seed], cases=4, jobs=1)
    bank = [Program(f"ends_{number}", "misconception", source) for number in range(9)]
    fails = Program("fails", "right variant", b"", "two threads")
    asked, has_failed = [], Event()

    def ask(run: Run, program: Program, suite: Questions) -> None:
        if program is fails:
            has_failed.set()
            raise UsageError("it could not be measured")
        assert has_failed.wait(PATIENCE_S)
        time.sleep(1)
        asked.append(program.name)

    with pytest.raises(UsageError):
        list(survey_of(tiny).run(errands([*bank, fails], [suite]), ask))
    assert len(asked) < len(bank)


def test_an_error_in_one_suite_ends_the_preparation_of_others(
    tiny: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, sorted_out = seeds(tiny, 400), []

    def sort_out(exercise: Exercise, oracle: Oracle, seed: str, count: int) -> Questions:
        if seed == wanted[0]:
            raise UsageError("it has no cases")
        time.sleep(0.05)
        sorted_out.append(seed)
        return Questions(seed, (), ())

    monkeypatch.setattr(suites, "sort_out", sort_out)
    with pytest.raises(UsageError, match="no cases"):
        prepare(tiny, CACHE, wanted, cases=4, jobs=2)
    assert len(sorted_out) < 200


@pytest.mark.parametrize("times", [1, 20], ids=["once", "impatiently"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_a_check_in_the_midst_of_a_call(
    tiny: Exercise, tmp_path: Path, number: signal.Signals, times: int
) -> None:
    # It is ignored, and so by every child, where the tests run in the background of a shell.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder, begun = tmp_path / "tiny_layer", tmp_path / "begun"
    shutil.copytree(tiny.folder, folder)
    waits = f"open({str(begun)!r}, 'w').close() or __import__('time').sleep(1e6)"
    edit = json.dumps(["nnx.relu(self.linear(x))", waits])
    (folder / "misconceptions/mistakes.toml").write_text(
        "".join(
            f'[waits_{number}]\ntitle = "W"\nmessage = "{40 * "m"}"\nreplace = [{edit}]\n'
            for number in range(9)
        )
    )
    command = [sys.executable, "-m", "grader.cli", "check", str(folder), "--seeds", "1"]
    with subprocess.Popen(
        [*command, "--cases", "8", "--jobs", "2"],
        env={**os.environ, "GRADER_CACHE": str(CACHE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            until(begun.exists)
            running = descendants(process.pid)
            for _ in range(times):
                process.send_signal(number)
                time.sleep(0.02)
            said, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert running
    until(lambda: not any(map(is_alive, running)))
