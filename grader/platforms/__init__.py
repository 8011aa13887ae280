"""Carry a report to the platforms that courses run on: where files lie, what each wants back.

One module a platform, data first. These modules and the supervisor need nothing but the standard
library when they are imported: they must have a result ready when all else is broken.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.platforms.platform import Platform

NAMES = (
    "gradescope",
    "prairielearn",
    "coursera",
    "autolab",
    "github",
    "openedx",
    "junit",
    "json",
)

_MODULES = {"json": "plain"}
"""Where the module has another name, because a module called json would hide Python's."""


def find(name: str) -> "Platform":
    """Return the platform of this name.

    Raises:
        LookupError: there is none; the text names all that are.
    """
    if name not in NAMES:
        raise LookupError(f"no platform is called {name!r}; there are: {', '.join(NAMES)}")
    found: Platform = import_module(f"grader.platforms.{_MODULES.get(name, name)}").PLATFORM
    return found
