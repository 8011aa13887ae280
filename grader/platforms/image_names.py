"""Refuse names of images that a platform would not find."""

import re

from grader.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][\w.:/@-]*", re.ASCII)
"""Wider than what registries take; it is written into scripts."""
_TANGO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Tango knows images by what follows the last slash, without a tag; Autolab takes 64 characters.
Source: Tango's vmms/localDocker.py (getImages), Autolab's app/models/autograder.rb (read in
2026)."""
_PORT = re.compile(":.*/")


def refuse_what_is_none(image: str) -> None:
    """Raise UsageError for what no image can be called."""
    if not _NAME.fullmatch(image):
        raise UsageError(f"no image can be called {image!r}: OWNER/NAME, say")


def refuse_for_tango(image: str) -> None:
    """Raise UsageError for a name by which Tango would not find an image."""
    if not _TANGO.fullmatch(image):
        raise UsageError(
            f"Tango finds no image {image!r}: it takes up to 64 letters, digits, _, - and ., "
            "without registry or tag; tag it so where Tango runs, and name it here, as in "
            "--image nnx_autolab"
        )


def refuse_for_prairielearn(image: str) -> None:
    """Raise UsageError for a name that PrairieLearn would read as another's.

    It keeps the last two parts and pulls them from Docker Hub, and takes a digest for a tag.
    Source: its DockerName, ecrUpdate and initDocker (read in 2026).
    """
    if "@" in image or image.count("/") > 1 or _PORT.search(image):
        raise UsageError(
            f"PrairieLearn does not find {image!r}: it leaves registries out, and takes no digest; "
            "push the image to Docker Hub, and name it OWNER/NAME:TAG. Where your own server "
            "pulls from elsewhere, write the name into info.json"
        )
