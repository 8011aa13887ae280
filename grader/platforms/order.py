"""Name what one run is to do; the supervisor hands it to the process that grades."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grader.platforms.platform import Platform


@dataclass(frozen=True, kw_only=True)
class Order:
    """One submission on one platform.

    Attributes:
        submission: file or folder.
        result: where the result goes; empty for standard output.
        exercise, feedback: given on the command line; empty for the settings' own.
        given: what the command line named in place of the platform's own: "submission", ...
    """

    platform: str
    submission: str
    result: str
    settings: str
    metadata: str
    exercise: str = ""
    feedback: str = ""
    sandbox: str = "auto"
    given: Sequence[str] = ()

    def to_json(self) -> str:
        """Return the order as one argument."""
        return json.dumps(asdict(self))


def read_metadata(path: str) -> Mapping[str, Any]:
    """Return what the platform says about the submission; empty when it cannot be read.

    It is read before there is a result, so that nothing in it may be an error.
    """
    try:
        found = json.loads(Path(path).read_bytes()) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def below(root: str, path: str | None) -> str:
    """Return a platform's path below another root; relative ones are left alone."""
    if not path or not root or not path.startswith("/"):
        return path or ""
    return os.path.join(root, path.lstrip("/"))


def order_for(platform: Platform, root: str, **given: str | None) -> Order:
    """Return the order for a platform's own places, but for those that are given."""
    places = platform.places
    own = {
        "submission": below(root, places.submission),
        "result": below(root, places.result),
        "settings": below(root, places.settings),
        "metadata": below(root, places.metadata),
    }
    chosen = {name: value for name, value in given.items() if value}
    return Order(platform=platform.name, given=tuple(chosen), **{**own, **chosen})
