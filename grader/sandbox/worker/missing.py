"""Notice, in a fork of a template that has compiled, when something more must be compiled.

XLA compiles on threads, and a fork has none of the template's: it would wait for ever. So a fork
that lacks a program tells the judge, which asks another worker, and ends.
"""

import os
from collections.abc import Callable
from typing import NoReturn

import jax

LOWERING = "/jax/core/compile/jaxpr_to_mlir_module_duration"
"""What JAX reports of each program right before it lowers it: a program of several functions is
lowered on threads already, and would wait there."""


def end_on_miss(tell: Callable[[bytes], None]) -> None:
    """End this process when JAX needs a program that it does not have.

    A submission can undo this, and then waits in vain until the judge notices.

    Args:
        tell: sends the program's name to the judge.
    """

    def begins(event: str, time_s: float, **facts: object) -> None:
        if event == LOWERING:
            _end(tell, str(facts.get("fun_name", "")))

    jax.monitoring.register_scalar_listener(begins)


def _end(tell: Callable[[bytes], None], name: str) -> NoReturn:
    tell(name.encode(errors="replace")[:200])
    os._exit(0)
