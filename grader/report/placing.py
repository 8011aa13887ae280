"""Put bytes where they are wanted: whole, or not at all. Needs nothing but the standard library."""

import os
from pathlib import Path


def place(target: Path, data: bytes) -> None:
    """Write beside a target and rename into place; a link there is replaced, not followed.

    Raises:
        OSError: the target cannot be written.
    """
    if is_written_through(target):
        target.write_bytes(data)
        return
    temporary = target.with_name(f".{target.name}.partial")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # else a power cut may leave the name without the text
    temporary.replace(target)


def is_written_through(target: Path) -> bool:
    """Whether it is a pipe or a device, or names a stream: renamed over, it would be a file."""
    if target.exists() and not target.is_file():
        return True
    above = target.parent.resolve()
    return any(above.is_relative_to(streams) for streams in ("/dev", "/proc"))
