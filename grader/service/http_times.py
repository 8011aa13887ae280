"""Read the times in headers of HTTP: a date, and how long Retry-After asks to wait."""

from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 86_400.0


def retry_after_s(text: str, now_s: float) -> float:
    """Return for how long a Retry-After asks to wait, in seconds or until a date.

    Args:
        text: the header's value, "" where there is none.
        now_s: Unix time.

    Returns:
        Seconds, a day at most; 0 where it names none that we understand.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT_S)
    until_s = date_s(text)
    return max(0.0, min(until_s - now_s, LONGEST_WAIT_S)) if until_s else 0.0


def date_s(text: str) -> float:
    """Return the Unix time of a date; 0 where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
