"""What an exercise draws is held against its contract before a submission finds out."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from test_cli import grader

from grader.authoring.contract import refuse_other_inputs
from grader.errors import ExerciseError
from grader.model import Arguments, Exercise
from grader.oracle import Oracle


def test_what_an_exercise_draws_as_its_contract_says_is_fine(
    tiny: Exercise, fresh_answers: Path
) -> None:
    with Oracle(tiny, fresh_answers) as oracle:
        refuse_other_inputs(tiny, oracle)


def renamed(failing: Arguments) -> Any:
    return st.just({"seed": failing["seed"], "x": failing["image"]})


def scalar(failing: Arguments) -> Any:
    return st.just({"seed": 0.0, "x": np.zeros((), np.float32)})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"simpler": renamed}, r"strategy\.py, simpler: KeyError: 'image'"),
        ({"simpler": scalar}, "the reference of tiny_layer failed"),
        ({"to_watch": lambda: {"seed": 0.0}}, "to_watch draws seed$"),
        ({"to_watch": lambda: {"seed": 0.0, "x": np.zeros((2, 2, 3))}}, "an array of float64$"),
        (
            {"to_watch": lambda: {"seed": 0.0, "x": np.zeros((2, 2, 3), np.float32)}},
            "to_watch draws an input that nothing can be judged by: nearly zero$",
        ),
        ({"to_watch": lambda: 1 / 0}, "to_watch: ZeroDivisionError"),
        ({"families": lambda: 1 / 0}, r"strategy\.py: ZeroDivisionError"),
    ],
)
def test_what_is_not_the_contracts_is_named(
    tiny: Exercise, fresh_answers: Path, changes: dict[str, Any], said: str
) -> None:
    mistaken = dataclasses.replace(tiny, **changes)
    with Oracle(mistaken, fresh_answers) as oracle, pytest.raises(ExerciseError, match=said):
        refuse_other_inputs(mistaken, oracle)


@pytest.mark.parametrize("command", ["check", "calibrate"])
def test_commands_say_what_is_wrong_on_one_line(
    tiny_folder: Path, tmp_path: Path, command: str
) -> None:
    folder = tmp_path / "tiny_layer"
    shutil.copytree(tiny_folder, folder)
    strategy = folder / "strategy.py"
    text = strategy.read_text()
    strategy.write_text(text.replace('failing["x"]', 'failing["image"]'))
    done = grader(command, str(folder))
    said = "grader: tiny_layer: strategy.py, simpler: KeyError: 'image'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
