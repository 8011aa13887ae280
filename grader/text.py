"""Make hostile text safe to show in a terminal, in JSON and in a web page's text."""

import unicodedata

_BLANK = frozenset(
    "\u034f"  # combining grapheme joiner
    "\u115f\u1160\u3164\uffa0"  # Hangul fillers: letters, yet nothing is drawn
    "\u17b4\u17b5\u2800"  # Khmer inherent vowels, the empty Braille cell
) | {chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
"""Drawn as nothing, although Unicode calls them printable; the ranges are variation selectors."""

_NON_JOINER, _JOINER = "\u200c", "\u200d"
_VIRAMA = 9
"""Combining class of the sign that binds two consonants of an Indic script."""
_CUT = "..."


def printable(text: str, limit: int = 200) -> str:
    r"""Escape what a reader cannot see, and cut what is too long.

    Control characters (newlines and ANSI escapes too), bidirectional and zero-width marks, lone
    surrogates, private-use and unassigned code points and every blank but the plain space come out
    as \uXXXX (\UXXXXXXXX above U+FFFF). HTML is left to the renderer that writes it. Two joiners
    stay where words of Persian, Sinhala or Malayalam are written with them, as RFC 5892 (A.1 and
    A.2) has it, but for what follows them.

    Args:
        text: anything; only as much of it is read as can be shown.
        limit: most characters to return, at least 3; an escape is never cut in two.

    Returns:
        At most `limit` characters; a text that was cut ends in "...".
    """
    pieces: list[str] = []
    length = kept = 0
    before = ""
    for character in text:
        piece = character if _joins(before, character) else _shown(character)
        before = character
        length += len(piece)
        if length > limit:
            return "".join(pieces[:kept]) + _CUT
        pieces.append(piece)
        if length <= limit - len(_CUT):
            kept = len(pieces)
    return "".join(pieces)


def with_article(noun: str) -> str:
    """Return "a tuple", "an int"."""
    return f"{'an' if noun[:1].lower() in set('aeio') else 'a'} {noun}"


def _joins(before: str, character: str) -> bool:
    if character not in (_NON_JOINER, _JOINER) or not before:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    return character == _NON_JOINER and unicodedata.bidirectional(before) == "AL"


def _shown(character: str) -> str:
    if character.isprintable() and character not in _BLANK:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
