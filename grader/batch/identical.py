"""Have identical sources graded once: an entry whose source is in work waits for its result."""

from collections.abc import Mapping

from grader.batch.entry import Entry, Row


class Identical:
    """Sources by their digests; for one thread at a time.

    Args:
        originals: digest of a source that was graded before, to the name of its reports.
    """

    def __init__(self, originals: Mapping[str, str]) -> None:
        self._originals = dict(originals)
        self._in_work: dict[str, list[Entry]] = {}

    def original_of(self, sha256: str) -> str | None:
        """Return the name of the reports of a source that was graded, None of another."""
        return self._originals.get(sha256)

    def claim(self, sha256: str, entry: Entry) -> bool:
        """Return whether to judge a source now; else its entry waits for the one in work."""
        if sha256 in self._in_work:
            self._in_work[sha256].append(entry)
            return False
        self._in_work[sha256] = []
        return True

    def release(self, sha256: str, row: Row | None) -> list[Entry]:
        """Return the entries that waited, with a result to copy from now on if there is one."""
        if row is not None and row.is_graded:
            self._originals.setdefault(sha256, row.report)
        return self._in_work.pop(sha256)
