"""Put together what every launcher hands to a worker: readable paths, settings, limits."""

import json
import os
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grader
from grader.runtime import variables
from grader.sandbox.packages import packages, refuse_readable, system_libraries

WORKER_FOLDER = Path(__file__).parent / "worker"
Step = dict[str, Any]
"""Kind, settings and input shape of a layer; see worker/rehearsal.py."""
NOBODY = 65534
CPU_S = 300
"""CPU seconds of one worker: the whole grading's wall-clock limit on one core."""
MORE_TASKS = 256
"""Threads that a worker may add to those of its uid: JAX starts about twenty."""
_FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""PROC_PID_INIT_INO of Linux's include/linux/proc_ns.h."""


@dataclass(frozen=True)
class Setup:
    """What a worker gets.

    Attributes:
        compile_cache: read-only programs, None for none.
        secrets: files that must lie outside everything readable.
        rehearsal: generic layers that a warm template compiles; see grader.rehearsal.
    """

    compile_cache: Path | None
    secrets: tuple[Path, ...] = ()
    rehearsal: tuple[Step, ...] = ()

    @property
    def packages(self) -> dict[str, str]:
        """Top-level packages that may be imported."""
        return packages()

    @property
    def extras(self) -> list[str]:
        """Readable paths besides packages and the standard library."""
        cache = [str(self.compile_cache)] if self.has_cache else []
        return [*system_libraries(), *cache]

    @property
    def environment(self) -> dict[str, str]:
        """Every variable that the worker sees."""
        return worker_environment(self.compile_cache if self.has_cache else None)

    @property
    def has_cache(self) -> bool:
        """Whether there are programs compiled ahead."""
        return self.compile_cache is not None and self.compile_cache.is_dir()

    def limits(self) -> dict[str, int | None]:
        """Return what a worker that starts now may use, as fields of the worker's Limits."""
        tasks = _tasks_of_user()
        return {"cpu_s": CPU_S, "processes": None if tasks is None else tasks + MORE_TASKS}

    def command(self, *, template: str = "") -> list[str]:
        """Return the command line of a worker, or of a "cold" or "warm" template of workers.

        Raises:
            SandboxError: a secret would be readable.
        """
        self.refuse([*self.packages.values(), *self.extras])
        config = {
            "packages": self.packages,
            "readable": self.extras,
            "limits": self.limits(),
            "template": template,
        }
        # -I: no environment, no user site. -S: no .pth files, which would run code of a checkout.
        options = ["-I", "-S", "-B", str(WORKER_FOLDER), json.dumps(config)]
        return [str(interpreter()), *options]

    def refuse(self, readable: Sequence[str]) -> None:
        """Make sure that nothing of the judge's lies in what a worker may read.

        Raises:
            SandboxError: something does.
        """
        refuse_readable(readable, (Path(grader.__file__).parent / "judge.py", *self.secrets))


def worker_environment(cache: Path | None) -> dict[str, str]:
    """Return every variable that a worker sees.

    Args:
        cache: programs compiled ahead, as the worker finds them.
    """
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "PYTHONHASHSEED": "0",
        **variables(cache, writable=False),
    }


def standard_library() -> Path:
    """Return the folder of the standard library."""
    return Path(sysconfig.get_path("stdlib"))


def interpreter() -> Path:
    """Return the real binary: a virtual environment adds only paths, which the worker is given."""
    return Path(sys.executable).resolve()


def _tasks_of_user() -> int | None:
    """Count the threads of this user: RLIMIT_NPROC counts all of them, not only the worker's.

    None inside a container: the kernel counts those of the uid outside of it as well, which other
    containers run, and no thread might be left for the worker. The judge's watch holds there.
    """
    if Path("/proc/self/ns/pid").stat().st_ino != _FIRST_PID_NAMESPACE:
        return None
    own, tasks = os.getuid(), 0
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and entry.stat().st_uid == own:
                tasks += len(os.listdir(f"/proc/{entry.name}/task"))
        except OSError:  # it ended meanwhile
            continue
    return tasks
