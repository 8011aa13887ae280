"""Take no answer that comes packed: 2 KB of gzip inside gzip are a gigabyte, unpacked in one step.

What bounds the length of an answer counts what has been unpacked already.
"""

import httpx

UNPACKED = {"Accept-Encoding": "identity"}
"""With what to ask for an answer."""


def is_packed(response: httpx.Response) -> bool:
    """Return whether a server packed its answer, though it was asked not to."""
    coding: str = response.headers.get("content-encoding", "")
    return coding.strip().lower() not in ("", "identity")
