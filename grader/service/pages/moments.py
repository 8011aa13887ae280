"""Write moments: in UTC, and so that a script of ours can show them in the reader's own zone."""

from datetime import UTC, datetime

from markupsafe import Markup


def as_time(moment: datetime) -> Markup:
    """Return a <time> element."""
    utc = moment.astimezone(UTC)
    shown = f"{utc.day} {utc:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}">{}</time>').format(f"{utc:%Y-%m-%dT%H:%M:%SZ}", shown)
