"""Name the limits of reading a submission."""

import msgspec


class IntakeLimits(msgspec.Struct, frozen=True):
    """How much of a submission is read; each limit counts bytes or entries really met.

    Attributes:
        source_bytes: of the Python source that is judged.
        notebook_bytes: of a notebook file, whose stored pictures may be large.
        archive_bytes: of a zip file as sent.
        entries: members of an archive, or entries of a folder and the folders in it.
        depth: folders above the wanted file.
        candidates: Python files looked into for the function, when no name decides.
    """

    source_bytes: int = 256 << 10
    notebook_bytes: int = 4 << 20
    archive_bytes: int = 8 << 20
    entries: int = 1000
    depth: int = 3
    candidates: int = 20

    def of(self, name: str) -> int:
        """Return the most bytes that a source file or notebook called `name` may have."""
        return self.notebook_bytes if name.lower().endswith(".ipynb") else self.source_bytes


def size(count: int) -> str:
    """Return a number of bytes as a reader says it: "256 KiB"."""
    for unit, shift in (("MiB", 20), ("KiB", 10)):
        if count >> shift and not count % (1 << shift):
            return f"{count >> shift} {unit}"
    return f"{count} bytes"
