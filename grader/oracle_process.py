"""Run the reference in a process of its own: the only trusted process that loads JAX.

Run as `python -P -m grader.oracle_process FOLDER`. Requests and answers are the worker's frames on
standard input and output:

    CALL with the arguments             VALUE with exact, reference and JSON
    INSPECT with the arguments          FACTS: the program that is loaded, watched; or ERROR
    SOURCE with a variant               LOADED, or ERROR; at first the reference is loaded
    REHEARSE a layer                    LOADED; its programs are in the compile cache
    CALL of "variant", the arguments    VALUE of the program that is loaded, or ERROR
    anything                            MISSED, and why: a file of the exercise is wrong
"""

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

import jax
import numpy as np

from grader.sandbox.worker import observe, wire
from grader.sandbox.worker.calling import Program, describe_error, describe_result
from grader.sandbox.worker.forgetting import forget_modules
from grader.sandbox.worker.rehearsal import rehearse
from grader.text import with_article

MOST_RESIDENT_BYTES = 384 << 20
"""Memory from which on compiled programs are forgotten, 0.3 MiB each; 0.2 GiB is left then. To read
one back from the compile cache costs 0.005 CPU s."""
_GROWN_BYTES = 64 << 20
"""From which on their modules are, 1 MiB each: in 0.1 CPU s, and nothing has to be read back."""


class Service:
    """One exercise's reference, its float64 evaluation, and one variant at a time."""

    def __init__(self, folder: Path, entry: str) -> None:
        self._solution, self._exact = (_load(folder / name) for name in ("solution.py", "exact.py"))
        self._folder, self._entry = folder, entry
        self._program = Program()
        self._program.load((folder / "solution.py").read_bytes(), entry)

    def answer(self, request: wire.Message) -> wire.Message:
        """Return the reply to one request."""
        if request.kind == wire.CALL and not request.text:
            try:
                return self._expect(request)
            except Exception as error:
                return _missed(request, error, self._folder)
        if request.kind == wire.REHEARSE:
            rehearse(**json.loads(request.text))
            return wire.Message(wire.LOADED, request.nonce)
        try:
            with _nothing_cached():
                return self._try(request)
        except Exception as error:
            return _failed(request, error)

    def _expect(self, request: wire.Message) -> wire.Message:
        values = [a.item() if a.ndim == 0 else a for a in request.arrays]
        start = time.perf_counter()
        described, reference = describe_result(getattr(self._solution, self._entry)(*values))
        if reference is None:
            kind = with_article(described["returned"])
            raise TypeError(f"{self._entry} returned {kind} and no array")
        seconds = time.perf_counter() - start
        truth = self._exact.evaluate(self._solution, *values)
        facts = {
            "scale": float(truth.scale),
            "condition": float(truth.condition),
            "spread": float(truth.spread),
            "seconds": seconds,
        }
        text = json.dumps(facts).encode()
        return wire.Message(wire.VALUE, request.nonce, text, (np.asarray(truth.output), reference))

    def _try(self, request: wire.Message) -> wire.Message:
        """Load, watch or call a variant, which may raise anything."""
        if request.kind == wire.SOURCE:
            self._program = Program()
            self._program.load(request.text, self._entry)
            return wire.Message(wire.LOADED, request.nonce)
        if request.kind == wire.INSPECT:
            wanted = json.loads(request.text)
            facts, seen = observe.observe(self._program, request.arrays, **wanted)
            return wire.Message(wire.FACTS, request.nonce, json.dumps(facts).encode(), seen)
        answer, array = describe_result(self._program.run(request.arrays))
        arrays = () if array is None else (array,)
        return wire.Message(wire.VALUE, request.nonce, json.dumps(answer).encode(), arrays)


@contextmanager
def _nothing_cached() -> Iterator[None]:
    """Keep what is compiled meanwhile out of the compile cache: workers read its entries.

    There they find operations of the reference's layers; a variant's own would tell of it.
    """
    name = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, name)
    jax.config.update(name, 1e9)
    try:
        yield
    finally:
        jax.config.update(name, before)


def _start(folder: Path, entry: str) -> Callable[[wire.Message], wire.Message]:
    """Return what answers requests; where the exercise cannot be loaded, it says so to each."""
    try:
        return Service(folder, entry).answer
    except Exception as error:
        return partial(_missed, error=error, folder=folder)


def _failed(request: wire.Message, error: Exception) -> wire.Message:
    """Say what a variant raised."""
    text = json.dumps(describe_error(error)).encode()
    return wire.Message(wire.ERROR, request.nonce, text)


def _missed(request: wire.Message, error: Exception, folder: Path) -> wire.Message:
    """Say in one line what was raised, and at which line of the exercise's files."""
    places = [(frame.filename, frame.lineno) for frame in extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename is not None:
        places.append((error.filename, error.lineno))
    own = [f"{Path(name).name}:{line}: " for name, line in places if Path(name).parent == folder]
    said = " ".join(str(error).split())[:1000]
    text = f"{''.join(own[-1:])}{type(error).__name__}: {said}"
    return wire.Message(wire.MISSED, request.nonce, text.encode("utf-8", "replace"))


def main(folder: str) -> None:
    """Answer requests until end of file."""
    requests, replies = sys.stdin.buffer, os.dup(1)
    os.dup2(2, 1)  # nothing that prints may break a frame
    answer = _start(Path(folder), json.loads(os.environ["GRADER_ENTRY"]))

    def exactly(size: int) -> bytes:
        data = requests.read(size)
        if len(data) < size:
            raise SystemExit(0)
        return data

    most = _resident_bytes() + _GROWN_BYTES
    while True:
        most = _lighten(most)
        request = wire.read(exactly, wire.LARGEST_REQUEST)
        data = memoryview(_packed(answer(request), request, Path(folder)))
        try:
            while data:
                data = data[os.write(replies, data) :]
        except BrokenPipeError:  # whoever asked was stopped meanwhile
            return


def _packed(reply: wire.Message, request: wire.Message, folder: Path) -> bytes:
    """Return the bytes of a reply; of one that cannot be framed, why not."""
    try:
        return wire.pack(reply, wire.LARGEST_REQUEST)
    except wire.WireError as error:
        if request.kind == wire.CALL and not request.text:
            return wire.pack(_missed(reply, error, folder))
        return wire.pack(_failed(request, error))  # a variant's doing


def _lighten(most: int) -> int:
    """Forget what has to be forgotten; return the memory from which on there is more to forget."""
    if _resident_bytes() <= most:
        return most
    forget_modules()
    if _resident_bytes() > MOST_RESIDENT_BYTES:
        _forget_programs()
    return _resident_bytes() + _GROWN_BYTES


def _forget_programs() -> None:
    jax.clear_caches()
    forget_modules()


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _load(path: Path) -> ModuleType:
    """Import one file of the exercise under its own name."""
    spec = importlib.util.spec_from_file_location(f"oracle_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv[1])
