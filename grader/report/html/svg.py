"""Turn a Matplotlib figure into SVG that stands inside a page with a strict policy.

A policy that names its one style sheet by hash refuses every style attribute and every further
style element. SVG can say the same in presentation attributes, which no policy refuses and which
the page's own style sheet may override: that is what is written here.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010101"
"""Drawn in the colour of the text around it, whether the page is light or dark."""

_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nnx-grader",
    "text.parse_math": False,  # a name with two dollar signs is no formula
    "font.size": 12.0,
}
_DROPPED = {"font-family"}
"""The page's own font is used."""

_ATTRIBUTES_DROPPED = {"version", "id", "style"}


@contextmanager
def settings() -> Iterator[None]:
    """Draw alike everywhere: Matplotlib's defaults instead of what the user has set."""
    from matplotlib import rc_context, style

    with style.context("default"), rc_context(_SETTINGS):
        yield


def blank(width: float, height: float) -> "Figure":
    """Return a figure without background whose drawing units are the page's pixels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72))
    figure.patch.set_visible(False)
    return figure


def inline(figure: "Figure", *, name: str, alt: str) -> Markup:
    """Return the figure as an <svg> element.

    Args:
        name: letters and digits; unique in the page, as the prefix of the ids.
        alt: what is seen, for those who do not see it.
    """
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(stream.getvalue())
    _drop_style_sheets(root)
    for element in root.iter():
        _clean(element, name)
    width, height = root.attrib["viewBox"].split()[2:]
    root.attrib |= {"width": width, "height": height, "role": "img", "aria-label": alt}
    # what Matplotlib's own style sheet said, as something that is inherited
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}
    text = ElementTree.tostring(root, encoding="unicode")
    return Markup(re.sub(r">\s+<", "><", text))


def _drop_style_sheets(root: ElementTree.Element) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)


def _clean(element: ElementTree.Element, name: str) -> None:
    """Write the element as HTML reads it: no namespaces, no style, ids of this picture."""
    element.tag = element.tag.rpartition("}")[2]
    wanted = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    kept = {key: value for key, value in wanted.items() if key not in _ATTRIBUTES_DROPPED}
    if element.tag in ("path", "clipPath") and "id" in wanted:
        kept["id"] = f"{name}-{wanted['id']}"
    for declaration in filter(None, wanted.get("style", "").split(";")):
        key, _, value = declaration.partition(":")
        if key.strip() not in _DROPPED:
            kept[key.strip()] = value.strip()
    element.attrib.clear()
    for key, value in kept.items():
        value = value.replace("#", f"#{name}-") if key in ("href", "clip-path") else value
        element.attrib[key] = "currentColor" if value == INK else " ".join(value.split())
