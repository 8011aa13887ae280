"""Show that hostile text comes out visible, short and otherwise unchanged."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.text import printable, with_article

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred", r"\u001b[31mred"),
        ("two\nlines\r\ttab", r"two\u000alines\u000d\u0009tab"),
        ("nul\0c1\x9b", r"nul\u0000c1\u009b"),
        ("evil\u202egpj.py", r"evil\u202egpj.py"),
        ("\u2066iso\u2069", r"\u2066iso\u2069"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("line\u2028sep", r"line\u2028sep"),
        ("\udcff", r"\udcff"),
        ("\ue000\U0010fffd", r"\ue000\U0010fffd"),
        ("\U000e0041tag", r"\U000e0041tag"),
        ("no\u00a0break", r"no\u00a0break"),
        ("filler\u3164, selector\ufe0f", r"filler\u3164, selector\ufe0f"),
        ("\u200da\u200d \u200c\u200c", r"\u200da\u200d \u200c\u200c"),
        ("می\u200c\u200c", "می\u200c" + r"\u200c"),
        ("👩\u200d💻", r"👩\u200d💻"),
    ],
)
def test_what_cannot_be_seen_is_escaped(hostile: str, shown: str) -> None:
    assert printable(hostile) == shown


@pytest.mark.parametrize("plain", ["", "solution.py", "naïve café 你好 שלום 🎉", "<b>&\\ '\""])
def test_ordinary_text_is_unchanged(plain: str) -> None:
    assert printable(plain) == plain


@pytest.mark.parametrize(
    "name",
    ["می\u200cخواهم", "\u0dc1\u0dca\u200d\u0dbb\u0dd3", "\u0d23\u0d4d\u200d", "\u0995\u09cd\u200c"],
)
def test_names_keep_the_joiners_of_their_script(name: str) -> None:
    assert printable(name) == name


def test_a_text_of_exactly_the_limit_is_whole() -> None:
    assert printable("abcdef", 6) == "abcdef"


def test_a_longer_text_ends_in_dots_within_the_limit() -> None:
    assert printable("abcdefg", 6) == "abc..."


def test_an_escape_is_never_cut_in_two() -> None:
    assert printable("ab\x00\x00", 10) == "ab..."


def test_a_huge_text_is_not_read_to_its_end() -> None:
    class Endless(str):
        def __iter__(self):  # type: ignore[no-untyped-def]
            while True:
                yield "a"

    assert printable(Endless("a"), 5) == "aa..."


@given(ANY_TEXT, st.integers(3, 60))
def test_any_text_is_printable_short_and_json_safe(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert shown.translate(dict.fromkeys(map(ord, "\u200c\u200d"))).isprintable()
    assert printable(shown, limit) == shown
    assert json.loads(json.dumps(shown).encode()) == shown
    shown.encode()


@pytest.mark.parametrize(
    "shown", ["a tuple", "a list", "an int", "an array", "an OrderedDict", "a NoneType", "a "]
)
def test_a_noun_has_its_article(shown: str) -> None:
    assert with_article(shown.partition(" ")[2]) == shown
