"""A small part of the accuracy benchmark: over several suites no fixture is judged wrongly."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CACHE, FIXTURES, ROOT

RIGHT = ["plain", "jax_jit_split_merge", "two_pass_variance", "pool_two_means", "returns_numpy"]
WRONG = [
    *("logits_rounded", "relative_noise", "relu6", "epsilon_1e_6", "seed_24_bits"),
    *("memoised_by_seed_and_shape", "every_twentieth_call", "wrong_only_one_row", "slow_drift"),
    *("blocks_in_a_list", "flag_false_hard_wired"),
]


def accuracy(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "accuracy.py"), *arguments]
    environment = {**os.environ, "GRADER_CACHE": str(CACHE)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    for kind, names in (("accepted", RIGHT), ("rejected", WRONG)):
        for name in names:
            shutil.copytree(FIXTURES / kind / name, tmp_path / kind / name)
    return tmp_path


def test_no_fixture_is_judged_wrongly_and_a_second_run_remembers(bank: Path) -> None:
    arguments = ("--fixtures", str(bank), "--seeds", "3", "--only-ours")
    done = accuracy(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "right ones rejected 0 of 15 gradings" in done.stdout
    assert "wrong ones accepted 0 of 33" in done.stdout
    assert accuracy(*arguments).stdout == done.stdout


def test_a_fixture_that_is_judged_wrongly_fails_the_benchmark(bank: Path) -> None:
    shutil.rmtree(bank / "accepted")
    shutil.rmtree(bank / "rejected")
    shutil.copytree(FIXTURES / "accepted" / "plain", bank / "rejected" / "not_wrong")
    done = accuracy("--fixtures", str(bank), "--seeds", "1", "--cases", "24", "--only-ours")
    assert done.returncode == 1
    assert "wrong ones accepted 1 of 1" in done.stdout
    assert "not_wrong in suite" in done.stdout


def test_the_usual_ways_are_shown_beside_ours(bank: Path) -> None:
    for kind, keep in (("accepted", "two_pass_variance"), ("rejected", "every_twentieth_call")):
        for folder in (bank / kind).iterdir():
            if folder.name != keep:
                shutil.rmtree(folder)
    done = accuracy("--fixtures", str(bank), "--seeds", "1", "--cases", "24")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line[:46].strip(): line[46:].split() for line in done.stdout.splitlines()}
    assert rows["10 fixed cases, rtol 1e-3"] == ["0", "of", "1", "1", "of", "1"]
    assert rows["pytest + Hypothesis, 100 examples, rtol 1e-5"] == ["1", "of", "1", "0", "of", "1"]
