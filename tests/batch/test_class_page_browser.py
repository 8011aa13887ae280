"""Hold the page of a class to what it promises in a real browser."""

from itertools import product
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from test_class_page import HOSTILE, whole_page

SCHEMES, SIZES = ("light", "dark"), ((360, 800), (1280, 900))


def test_page_is_accessible_and_fits_in_light_and_dark(page: Page, tmp_path: Path) -> None:
    whole_page(tmp_path)
    page.goto((tmp_path / "class.html").as_uri())
    for scheme, (width, height) in product(SCHEMES, SIZES):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert page.evaluate(fits), (scheme, width)
        found = Axe().run(page).response["violations"]
        grave = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], v["nodes"][0]["html"]) for v in grave] == [], (scheme, width)


def test_hostile_names_run_nothing_and_links_lead_to_reports(page: Page, tmp_path: Path) -> None:
    whole_page(tmp_path)
    page.goto((tmp_path / "class.html").as_uri())
    assert page.locator("script, img").count() == 0
    assert "<script>" in page.locator("#all ~ div tbody").inner_text()
    assert HOSTILE not in page.content()
    links = {link.get_attribute("href") for link in page.locator("a").all()}
    assert {"staff/right.py.html", "students/right.py.html"} <= links
    assert all(str(link).startswith(("staff/", "students/")) for link in links)
