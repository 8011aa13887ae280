"""Ask the reference for expected values, through a trusted process and a store on disk.

A class of 500 submissions computes each value once.
"""

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import msgspec
import numpy as np

from grader.errors import ExerciseError, OutOfTime
from grader.model import Arguments, Case, Exercise, Expected, Observation, Structure
from grader.reference_process import ReferenceProcess
from grader.sandbox.worker import wire
from grader.store import Store


class _Row(msgspec.Struct, array_like=True):
    """One cached answer: float64 and float32 bytes with their common shape."""

    shape: list[int]
    exact: bytes
    reference: bytes
    scale: float
    condition: float
    spread: float
    seconds: float


class VariantAnswer(NamedTuple):
    """What a variant of the reference answered.

    Attributes:
        array: None when it returned none.
        dtype: its dtype's name, else what kind of thing came back; "" after an exception.
        raised: "Type: message"; None when it returned.
    """

    array: np.ndarray | None
    dtype: str
    raised: str | None


class Oracle:
    """Expected values of one exercise. Use as a context manager: leaving ends the process.

    Args:
        variants_until: on the monotonic clock; afterwards no variant is run that is not kept, so
            that a platform's time limit costs an explanation and never the grade.

    Attributes:
        store: what is kept on disk for this exercise.
    """

    def __init__(
        self, exercise: Exercise, folder: Path, *, variants_until: float = math.inf
    ) -> None:
        self._exercise = exercise
        self.variants_until = variants_until
        self.store = Store(folder, exercise.digest)
        self._process = ReferenceProcess(exercise, folder)

    def __enter__(self) -> "Oracle":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.rest()
        self.store.close()

    def rest(self) -> None:
        """End the process, if there is one; the next question starts another."""
        self._process.rest()

    def refuse_changes(self) -> None:
        """Refuse to keep what files say that were changed since their digest was taken.

        Raises:
            ExerciseError: one was.
        """
        self._process.refuse_changes()

    def expect(self, cases: Sequence[Case]) -> list[Expected]:
        """Return what the reference says about each case, in order.

        Raises:
            ExerciseError: a file of the exercise is wrong.
            OracleError: the reference could not be run.
        """
        return [self._recall(case) or self._compute(case) for case in cases]

    @cached_property
    def _solution(self) -> str:
        return (self._exercise.folder / "solution.py").read_text(encoding="utf-8")

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the processes that ran the reference; 0 when none was needed."""
        return self._process.cpu_s

    def observe(self, text: str, arguments: Arguments, structure: Structure) -> Observation | None:
        """Return what a watched call of the reference, or of a variant, shows stage by stage.

        Args:
            text: of solution.py, or of a variant of it.

        Returns:
            None when it cannot even be loaded.

        Raises:
            OracleError: the process ended.
        """
        wanted = msgspec.json.encode({"root": structure.root, "flag": structure.flag})
        reply = self._recall_or_run("observed", wire.INSPECT, wanted, text, Case(arguments))
        if reply.kind == wire.ERROR:
            return None
        seen = msgspec.json.decode(reply.text, type=Observation)
        return msgspec.structs.replace(seen, arrays=reply.arrays)

    def answer_of(self, text: str, case: Case) -> VariantAnswer:
        """Return what a variant of the reference answers to a case, freshly loaded.

        Args:
            text: the variant's.

        Raises:
            OracleError: the process ended.
            OutOfTime: it is not kept, and there is no time to run it.
        """
        reply = self._recall_or_run("variant", wire.CALL, b"variant", text, case)
        facts = json.loads(reply.text)
        if reply.kind == wire.ERROR:
            return VariantAnswer(None, "", f"{facts['type']}: {facts['message']}")
        array = reply.arrays[0] if reply.arrays else None
        return VariantAnswer(array, facts.get("dtype", facts["returned"]), None)

    def _recall_or_run(
        self, what: str, kind: int, wanted: bytes, text: str, case: Case
    ) -> wire.Message:
        """Return the reply to one request about a program; replies are kept on disk."""
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        key = f"{what} {digest} {case.digest}"
        stored = self.store.recall(key)
        if stored is None:
            if time.monotonic() > self.variants_until and text != self._solution:
                raise OutOfTime("there is no time left to run another program")
            reply = self._process.run(kind, wanted, text, self._in_order(case.arguments))
            stored = wire.pack(reply, wire.LARGEST_REQUEST)
            self.store.keep(key, stored)
        return wire.read(BytesIO(stored).read, wire.LARGEST_REQUEST)

    def warm_up(self, cases: Sequence[Case]) -> None:
        """Run the reference on every case, known or not: this fills the compile cache."""
        for case in cases:
            self._compute(case)

    def rehearse(self, step: Mapping[str, Any]) -> None:
        """Fill the compile cache with what a generic layer needs; see grader.rehearsal.

        Raises:
            OracleError: the process ended.
        """
        self._process.ask(wire.REHEARSE, msgspec.json.encode(step))

    def _recall(self, case: Case) -> Expected | None:
        found = self.store.recall(case.digest)
        if found is None:
            return None
        row = msgspec.msgpack.decode(found, type=_Row)
        exact = np.frombuffer(row.exact, np.float64).reshape(row.shape)
        reference = np.frombuffer(row.reference, np.float32).reshape(row.shape)
        return Expected(exact, reference, row.scale, row.condition, row.spread, row.seconds)

    def _compute(self, case: Case) -> Expected:
        reply = self._process.ask(wire.CALL, b"", self._in_order(case.arguments))
        # An exact.py may return float32 as well; what is stored is read again as float64.
        exact, reference = (
            array.astype(dtype)
            for array, dtype in zip(reply.arrays, (np.float64, np.float32), strict=True)
        )
        if exact.shape != reference.shape:
            raise ExerciseError(
                f"{self._exercise.name}: exact.py's output has shape {exact.shape}, the answer of "
                f"solution.py has shape {reference.shape}"
            )
        expected = Expected(exact, reference, **json.loads(reply.text))
        row = _Row(
            list(exact.shape),
            exact.tobytes(),
            reference.tobytes(),
            expected.scale,
            expected.condition,
            expected.spread,
            expected.seconds,
        )
        self.store.keep(case.digest, msgspec.msgpack.encode(row))
        return expected

    def _in_order(self, arguments: Arguments) -> tuple[np.ndarray, ...]:
        """Return the arguments as arrays, in the order of the function's parameters.

        Raises:
            ExerciseError: they are not those of the contract.
        """
        names = [one.name for one in self._exercise.arguments]
        if set(names) != set(arguments):
            raise ExerciseError(
                f"{self._exercise.name}: the contract has the arguments {', '.join(names)}, "
                f"to_watch draws {', '.join(arguments)}"
            )
        return tuple(np.asarray(arguments[name]) for name in names)
