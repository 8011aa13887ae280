"""Programs that were compiled for another CPU are never run: they are not even found."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from grader import environment
from grader.runtime import compile_cache, inherited, variables

ANOTHER_CPU = "--xla_cpu_max_isa=SSE4_2"
PROGRAM = """
import sys
from jax._src import cache_key, monitoring
cache_key.xla_flags_to_exclude_from_cache_key.append("--xla_cpu_max_isa")
cache_key.env_override_flags_to_exclude_from_cache_key.add("xla_cpu_max_isa")
hits = []
monitoring.register_event_listener(
    lambda event, **more: hits.append(event) if event.endswith("/cache_hits") else None
)
import jax, jax.numpy as jnp
x = jnp.arange(12, dtype=jnp.float32).reshape(3, 4)
answer = jax.nn.relu(x @ x.T - 20.0).sum()
print(len(hits), answer)
"""


def run(cache: Path, flag: str = "", *, writable: bool = False) -> tuple[int, str]:
    """Run a program as a worker is set up; return how many programs it found and its answer.

    The flag itself is kept out of the cache's key: what is left is what JAX sees of the CPU.
    """
    settings = variables(cache, writable=writable)
    settings["XLA_FLAGS"] += f" {flag}"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    hits, answer = done.stdout.split()
    return int(hits), answer


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flag is x86's")
def test_programs_for_another_cpu_are_not_found_and_the_answer_is_right(tmp_path: Path) -> None:
    _, right = run(tmp_path, writable=True)
    entries = sorted(path.name for path in tmp_path.iterdir())
    assert len(entries) > 2
    hits, answer = run(tmp_path)
    assert (hits, answer) == (len(entries), right), "the control: the same CPU finds them"
    assert run(tmp_path, ANOTHER_CPU) == (0, right)
    assert sorted(path.name for path in tmp_path.iterdir()) == entries


@pytest.mark.parametrize("line", ["flags\t\t: fpu sse avx2", "Features\t: fp asimd sve"])
def test_caches_of_other_cpus_lie_in_folders_of_their_own(
    line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def folder(text: str) -> Path:
        monkeypatch.setattr(Path, "read_text", lambda self, **more: f"processor\t: 0\n{text}\n")
        environment.fingerprint.cache_clear()
        return compile_cache(tmp_path)

    environment.versions()  # they are read by the same method, and kept for the whole process
    try:
        assert folder(line) == folder(line)
        assert folder(line) != folder(line + " avx512f")
    finally:
        monkeypatch.undo()
        environment.fingerprint.cache_clear()


def test_what_configures_the_libraries_is_not_inherited() -> None:
    given = {"JAX_DEFAULT_PRNG_IMPL": "rbg", "FLAX_X": "1", "XLA_FLAGS": "", "PATH": "/bin"}
    assert inherited(given) == {"PATH": "/bin"}
