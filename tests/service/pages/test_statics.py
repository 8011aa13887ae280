"""Our own files are served for good under names that change with them; no other file is."""

import re
from typing import Any

import pytest
from litestar.testing import TestClient

from service.pages.conftest import Place


@pytest.fixture
def kind() -> str:
    """The embedded database: files are not in it."""
    return "sqlite"


def test_a_page_loads_nothing_but_files_of_ours_that_may_be_kept(
    client: TestClient[Any], place: Place
) -> None:
    page = client.get(f"/links/{place.link_id}", headers=place.launched("alice").headers).text
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', page)
    files = [one for one in loaded if one.startswith("/static/")]
    assert {"report", "pages", "htmx", "htmx-sse", "times", "favicon"} == {
        one.removeprefix("/static/").split(".")[0] for one in files
    }
    for one in files:
        answer = client.get(one)
        assert answer.status_code == 200, one
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert re.search(r"\.[0-9a-f]{16}\.(css|js|svg)$", one)
    assert not [one for one in loaded if one.startswith(("http", "//")) and "/static/" in one]


@pytest.mark.parametrize(
    "name", ["htmx.js", "README.md", "..%2f__init__.py", "htmx.LICENSE", "%00", "pages.0.css"]
)
def test_no_other_file_is_served(client: TestClient[Any], name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404
