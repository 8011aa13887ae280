"""Turn a fresh interpreter into a confined worker, or into a template of workers."""

import dataclasses
import gc
import json
import os
import sys
from typing import Any

from . import guard, libraries, limits, lockdown

_FILES_OF_A_TEMPLATE = 1 << 16


def main(config_text: str) -> None:
    """Lock this process down and answer the judge until it hangs up.

    Args:
        config_text: JSON object with `packages` (top-level name to path), `readable` (further
            paths), `limits` (fields of limits.Limits), and optionally `supplied` (layers that the
            launcher answers for) and `own_root`, both for lockdown.lock_down, `guarded` (this is a
            container's first process; the number of threads that the worker may have) and
            `template` ("cold" to fork workers before anything is compiled, "warm" after).
    """
    config: dict[str, Any] = json.loads(config_text)
    if config.get("guarded"):
        guard.fork_worker(config["guarded"])
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if path != folder]
    readable = [*libraries.install(config["packages"]), folder, *config["readable"]]
    allowed = limits.Limits(**config["limits"])
    # Collecting while a million objects are imported costs a tenth of a second and finds nothing.
    gc.disable()
    if config.get("template"):
        is_warm = config["template"] == "warm"
        requests, replies, layers = _be_template(readable, allowed, is_warm=is_warm)
    else:
        is_warm = False
        requests, replies = take_pipes()
        layers = lockdown.lock_down(
            keep_fds=(requests, replies),
            readable=readable,
            limits=allowed,
            supplied=config.get("supplied", ()),
            own_root=config.get("own_root", ""),
        ).layers
    from . import session

    if not is_warm:
        session.start_libraries()
    gc.freeze()
    gc.enable()
    session.serve(requests, replies, layers, is_warm=is_warm)


def _be_template(
    readable: list[str], allowed: limits.Limits, *, is_warm: bool
) -> tuple[int, int, tuple[str, ...]]:
    """Import the libraries and fork workers; return in each of them, with its pipes and layers."""
    from . import template

    control = template.take_control()
    confinement = lockdown.lock_down(
        keep_fds=(control.fileno(),),
        readable=readable,
        # What counts for one process is set in each fork. Of descriptors it keeps two a loan.
        limits=dataclasses.replace(
            allowed, data_bytes=None, cpu_s=None, processes=None, open_files=_FILES_OF_A_TEMPLATE
        ),
        template=True,
    )
    from . import session  # imports JAX and Flax, and starts no thread

    if is_warm:
        session.start_libraries()
    else:
        # A lock that another thread held now would be held in each fork for ever.
        lockdown.require_single_thread()
    return template.Template(control, confinement).serve()


def take_pipes() -> tuple[int, int]:
    """Move the protocol to private descriptors: print() becomes a log line, input() end of file."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, replies
