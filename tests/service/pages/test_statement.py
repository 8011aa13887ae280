"""A statement becomes HTML that cannot run anything and stands below the page's own title."""

import dataclasses
from pathlib import Path

import reference
from grader.service.pages import statement


def rendered(folder: Path, text: str) -> str:
    (folder / "statement.md").write_text(text)
    exercise = reference.load(reference.DEFAULT)
    return str(statement.render(dataclasses.replace(exercise, folder=folder)))


def test_every_statement_of_ours_has_its_parts() -> None:
    for name in reference.names():
        html = str(statement.render(reference.load(name)))
        assert "<h1" not in html and "<h3>" in html
        assert '<div class="scroll" tabindex="0" role="region"' in html and "<table>" in html
        assert 'tabindex="0" class="language-python"' in html or "<pre>" in html
        assert "style=" not in html


def test_what_looks_like_html_is_text_and_no_link_runs(tmp_path: Path) -> None:
    text = "# T\n<script>x</script>\n\n[a](javascript:alert(1)) [b](https://e.org) <b>c</b>"
    html = rendered(tmp_path, text)
    assert "<script>" not in html and "&lt;script&gt;" in html and "<b>" not in html
    assert "javascript:" not in html.replace("(javascript:alert(1))", "")
    assert 'href="javascript' not in html and 'href="https://e.org"' in html


def test_columns_are_aligned_without_a_style(tmp_path: Path) -> None:
    html = rendered(tmp_path, "|a|b|\n|--|--:|\n|1|2|\n")
    assert '<td class="right">2</td>' in html and "style=" not in html
