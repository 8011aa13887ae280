"""Give a submission's reports a file name that is safe whatever the submission is called."""

import hashlib
import re
import unicodedata

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}")
"""Names that are kept: one case, so that no two are the same where case does not count."""
_OURS = re.compile(r".*-[0-9a-f]{10}")
_SPECIAL = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # Windows' devices
_LONGEST = 60


def report_name(entry_id: str) -> str:
    """Return the name of an entry's reports, without suffix; different for different entries.

    A name that is not plain keeps what is readable of it and gets a digest of the whole.
    """
    plain = _PLAIN.fullmatch(entry_id) and not _OURS.fullmatch(entry_id)
    if plain and not _SPECIAL.fullmatch(entry_id) and not entry_id.endswith("."):
        return entry_id
    readable = unicodedata.normalize("NFKD", entry_id).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^A-Za-z0-9]+", "_", readable).strip("_")[:_LONGEST] or "submission"
    digest = hashlib.sha256(entry_id.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{readable}-{digest}"
