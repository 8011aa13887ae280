"""Look at a page in every scheme and at both widths, as axe does."""

from itertools import product
from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page


def grave(page: "Page") -> list[tuple[str, str]]:
    """Return what axe finds serious, in every scheme and at both widths, the frame included."""
    found = []
    for scheme, width in product(("light", "dark"), (360, 1280)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        for one in Axe().run(page).response["violations"]:
            if one["impact"] in ("serious", "critical"):
                found.append((f"{scheme} {width} {one['id']}", one["nodes"][0]["html"][:200]))
        assert page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        ), (scheme, width)
    return found
