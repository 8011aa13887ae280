"""Turn a fresh interpreter into a confined worker."""

import gc
import json
import os
import sys
from typing import Any

from . import guard, libraries, limits, lockdown


def main(config_text: str) -> None:
    """Lock this process down and answer the judge until it hangs up.

    Args:
        config_text: JSON object with `packages` (top-level name to path), `readable` (further
            paths), `limits` (fields of limits.Limits), and optionally `supplied` (layers that the
            launcher answers for, see lockdown.lock_down) and `guarded` (this is a container's
            first process).
    """
    config: dict[str, Any] = json.loads(config_text)
    if config.get("guarded"):
        guard.fork_worker()
    requests, replies = take_pipes()
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if path != folder]
    readable = [*libraries.install(config["packages"]), folder, *config["readable"]]
    confinement = lockdown.lock_down(
        keep_fds=(requests, replies),
        readable=readable,
        limits=limits.Limits(**config["limits"]),
        supplied=config.get("supplied", ()),
    )
    # Collecting while a million objects are imported costs a tenth of a second and finds nothing.
    gc.disable()
    from . import session

    session.start_libraries()
    gc.freeze()
    gc.enable()
    session.serve(requests, replies, confinement.layers)


def take_pipes() -> tuple[int, int]:
    """Move the protocol to private descriptors: print() becomes a log line, input() end of file."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, replies
