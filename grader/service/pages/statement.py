"""Render the statement of an exercise; whoever wrote it is trusted, what it says is not HTML."""

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from grader.model import Exercise

_TABLE = '<div class="scroll" tabindex="0" role="region" aria-label="Table">\n'


def render(exercise: Exercise) -> Markup:
    """Return the statement as HTML, without its title; its headings stand below the page's own.

    Text that looks like HTML is shown as it is written, and an address that is no http, https or
    mailto makes no link: a policy stands behind both.
    """
    text = (exercise.folder / "statement.md").read_text(encoding="utf-8")
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = _without_title(parser.parse(text))
    for token in tokens:
        _fit(token)
    tokens = [part for token in tokens for part in _framed(token)]
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def _without_title(tokens: list[Token]) -> list[Token]:
    titled = bool(tokens) and tokens[0].type == "heading_open" and tokens[0].tag == "h1"
    return tokens[3:] if titled else tokens


def _fit(token: Token) -> None:
    """Lower headings by one, let code scroll with the keyboard too, align without a style."""
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(6, int(token.tag[1:]) + 1)}"
    if token.type in ("fence", "code_block"):
        token.attrSet("tabindex", "0")
    align = token.attrs.pop("style", None)
    if align is not None:
        token.attrSet("class", str(align).removeprefix("text-align:"))


def _framed(token: Token) -> list[Token]:
    """Let a wide table scroll."""
    if token.type == "table_open":
        return [Token("html_block", "", 0, content=_TABLE), token]
    if token.type == "table_close":
        return [token, Token("html_block", "", 0, content="</div>\n")]
    return [token]
