"""Hold what all pages have in common: how text gets into them, and the one style sheet."""

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from grader.report.html import pictures
from grader.text import printable

if TYPE_CHECKING:
    from jinja2 import Environment

_LONGEST_TEXT = 2000


@cache
def environment() -> "Environment":
    """Return the templates, compiled once; texts are escaped and made printable on their way in."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("grader.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style_of(templates: "Environment") -> dict[str, Markup | str]:
    """Return `style`, the sheet, and `style_hash`, by which a page's policy names it."""
    colours = {"low": pictures.LOW, "middle": pictures.MIDDLE, "high": pictures.HIGH}
    colours |= {"expected": pictures.EXPECTED, "yours": pictures.YOURS}
    style = templates.get_template("style.css.j2").render(colours)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {"style": Markup(style), "style_hash": f"sha256-{digest}"}


def finalized(value: object) -> object:
    """Make every text printable on its way into the page; markup of ours passes."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value, limit=_LONGEST_TEXT)
    return value
