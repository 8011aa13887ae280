"""Answer the judge's messages, one at a time, until it hangs up."""

import json
import os
import platform
from collections.abc import Sequence
from typing import Any, NoReturn

import flax
import jax
import jaxlib
import numpy as np

from . import missing, observe, printing, probe, wire
from .calling import Program, describe_error, describe_result


def start_libraries() -> None:
    """Start JAX's backend: its threads exist before the submission is read.

    A program that runs in the thread that calls it needs none of them; see runtime.py. No variable
    of the environment says so to JAX.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    jax.block_until_ready(jax.numpy.zeros(()) + 0)


def serve(
    requests: int, replies: int, confinement: Sequence[str], *, is_warm: bool = False
) -> NoReturn:
    """Send READY, then answer each request until end of file; never returns.

    Args:
        is_warm: whether this is a fork of a process that has compiled: it cannot compile more.
    """
    if is_warm:
        missing.end_on_miss(lambda name: _send(replies, wire.Message(wire.MISSED, 0, name)))
    hello = {
        "confined_by": list(confinement),
        "environment": _environment(),
        "pid": os.getpid(),
        "parent_pid": os.getppid(),
    }
    _send(replies, wire.Message(wire.READY, 0, json.dumps(hello).encode()))
    printing.print_sparingly()
    program = Program()
    while True:
        request = wire.read(lambda n: _read_exactly(requests, n), wire.LARGEST_REQUEST)
        try:
            reply = _answer(program, request)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the student's too
            reply = wire.Message(wire.ERROR, request.nonce, _json(describe_error(error)))
        _send(replies, reply)


def _answer(program: Program, request: wire.Message) -> wire.Message:
    kind, nonce, text, arrays = request
    if kind == wire.SOURCE:
        entry, _, source = text.partition(b"\n")
        program.load(source, entry.decode())
        return wire.Message(wire.LOADED, nonce)
    if kind == wire.CALL:
        answer, array = program.call(arrays)
        return _value(nonce, answer, array)
    if kind == wire.INSPECT:
        facts, seen = observe.observe(program, arrays, **json.loads(text))
        return wire.Message(wire.FACTS, nonce, _json(facts), seen)
    if kind == wire.TRANSPLANT:
        answer, array = describe_result(observe.transplant(program, arrays, **json.loads(text)))
        return _value(nonce, answer, array)
    if kind == wire.PROBE:
        return wire.Message(wire.FACTS, nonce, _json(probe.run(**json.loads(text))))
    raise AssertionError(f"unknown request {kind}")


def _value(nonce: int, answer: dict[str, Any], array: np.ndarray | None) -> wire.Message:
    """Frame a result; one that no frame can hold is described instead."""
    message = wire.Message(wire.VALUE, nonce, _json(answer), () if array is None else (array,))
    try:
        wire.pack(message)
    except wire.TooLarge as error:
        answer = {**answer, "too_large": str(error)}
    except wire.WireError:
        pass
    else:
        return message
    return wire.Message(wire.VALUE, nonce, _json(answer))


def _environment() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "flax": flax.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
    }


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _read_exactly(descriptor: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            os._exit(0)  # the judge hung up; atexit hooks of the submission must not run
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _send(descriptor: int, message: wire.Message) -> None:
    data = memoryview(wire.pack(message))
    while data:
        data = data[os.write(descriptor, data) :]
