"""Hold the HTML page to what it promises in a real browser: Debian's Chromium.

Without one the tests skip on a laptop and fail in CI.
"""

from itertools import product
from pathlib import Path

import pytest
import samples
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from sample_parts import SOURCE
from samples import HOSTILE, SAMPLES

from grader.report.html import render

SCHEMES = ("light", "dark")
SIZES = ((360, 800), (1280, 900))
SOURCES = {"hostile": "\n".join(HOSTILE), "score_only": None}


def show(page: Page, text: str, folder: Path) -> None:
    file = folder / "report.html"
    file.write_text(text, encoding="utf-8")
    page.goto(file.as_uri())


@pytest.mark.parametrize("name", SAMPLES)
def test_page_is_accessible_and_fits_in_light_and_dark(
    page: Page, tmp_path: Path, name: str
) -> None:
    show(page, render(SAMPLES[name](), SOURCES.get(name, SOURCE)), tmp_path)
    for scheme, (width, height) in product(SCHEMES, SIZES):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert page.evaluate(fits), (scheme, width)
        found = Axe().run(page).response["violations"]
        grave = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], v["nodes"][0]["html"]) for v in grave] == [], (scheme, width)


def test_policy_lets_the_style_sheet_work_and_no_other(page: Page, tmp_path: Path) -> None:
    show(page, render(samples.wrong_answer(), SOURCE), tmp_path)
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(ground) == "rgb(248, 247, 243)"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) == "rgb(20, 23, 27)"


def test_what_scrolls_and_what_folds_is_reached_by_keyboard(page: Page, tmp_path: Path) -> None:
    show(page, render(samples.wrong_answer(), SOURCE), tmp_path)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count():
            reached.add(focused.get_attribute("aria-label") or focused.inner_text().strip())
    wanted = {
        *("See line 14", "Python that repeats the failure", "Numbers of the answer"),
        *("Picture of every case", "Table of every case", "Source of the submission"),
    }
    assert wanted <= reached
    assert any("head" in text for text in reached)


def test_print_shows_what_is_folded_and_what_scrolls(page: Page, tmp_path: Path) -> None:
    show(page, render(samples.wrong_answer(), SOURCE), tmp_path)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("details:not([open]) .panel").first.bounding_box() is not None
    table = page.locator(".tall").first
    assert table.evaluate("e => e.scrollHeight <= e.clientHeight")


def test_hostile_text_runs_nothing(page: Page, tmp_path: Path) -> None:
    show(page, render(samples.hostile(), "\n".join(HOSTILE)), tmp_path)
    assert page.title().startswith("29 / 100: <script>")
    assert page.locator("script, img").count() == 0
