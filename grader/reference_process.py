"""Start the process that runs an exercise's reference, and put one request after another to it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from grader.errors import ExerciseError, OracleError
from grader.model import Exercise
from grader.runtime import compile_cache, inherited, variables
from grader.sandbox.worker import wire


class ReferenceProcess:
    """The trusted process of one exercise: a request starts it where there is none.

    Args:
        folder: the grader's cache folder.
    """

    def __init__(self, exercise: Exercise, folder: Path) -> None:
        self._exercise, self._folder = exercise, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._loaded, self._spent_s = "", 0.0

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all that were started; 0 when none was needed."""
        running = 0.0 if self._process is None else _cpu_of(self._process.pid)
        return self._spent_s + running

    def rest(self) -> None:
        """End the process, if there is one; the next request starts another."""
        if self._process is None:
            return
        self._spent_s, self._loaded = self.cpu_s, ""
        self._process.communicate()
        self._process = None

    def refuse_changes(self) -> None:
        """Refuse to keep what files say that were changed since their digest was taken.

        Raises:
            ExerciseError: one was.
        """
        if self._exercise.has_changed:
            self.rest()
            raise ExerciseError(
                f"the files of {self._exercise.name} changed while they were in use; start again"
            )

    def run(
        self, kind: int, wanted: bytes, text: str, arrays: Sequence[np.ndarray]
    ) -> wire.Message:
        """Put a request about a program, which is loaded where it is not; see ask.

        Args:
            text: the program's.
        """
        if self._loaded != text:
            self._loaded = text
            reply = self.ask(wire.SOURCE, text.encode())
            if reply.kind == wire.ERROR:
                self._loaded = ""
                return reply
        return self.ask(kind, wanted, arrays)

    def ask(self, kind: int, text: bytes, arrays: Sequence[np.ndarray] = ()) -> wire.Message:
        """Put one request.

        Raises:
            ExerciseError: a file of the exercise is wrong.
            OracleError: the process ended.
        """
        try:
            request = wire.pack(wire.Message(kind, 0, text, tuple(arrays)), wire.LARGEST_REQUEST)
            is_new = self._process is None
            process = self._process = self._process or self._start()
            assert process.stdin is not None
            process.stdin.write(request)
            process.stdin.flush()
            reply = wire.read(self._read_exactly, wire.LARGEST_REQUEST)
            if reply.kind == wire.MISSED:
                said = reply.text.decode()
                raise ExerciseError(f"the reference of {self._exercise.name} failed: {said}")
            if is_new:  # it has read the files now
                self.refuse_changes()
            return reply
        except wire.TooLarge as error:
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise ExerciseError(
                f"{self._exercise.name}: an input of shapes {shapes} takes more than 64 MiB"
            ) from error
        except (OSError, wire.WireError) as error:
            self.rest()  # the next question is not for a process that is gone
            raise OracleError(f"the reference of {self._exercise.name} failed: {error}") from error
        except OracleError:
            self.rest()
            raise

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the process; it also fills the compile cache that workers may only read."""
        folder = compile_cache(self._folder)
        folder.mkdir(parents=True, exist_ok=True)
        environment = {
            **inherited(os.environ),
            **variables(folder, writable=True),
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "GRADER_ENTRY": json.dumps(self._exercise.entry),
            "PYTHONWARNINGS": "ignore",  # variants overflow, and students need not read it
        }
        command = [sys.executable, "-P", "-m", "grader.oracle_process", str(self._exercise.folder)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )

    def _read_exactly(self, size: int) -> bytes:
        assert self._process is not None and self._process.stdout is not None
        data = self._process.stdout.read(size)
        if len(data) < size:
            raise OracleError("the process that runs the reference ended; see its error above")
        return data


def _cpu_of(pid: int) -> float:
    """Return the CPU seconds that a running process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
