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
    # Not after the target, whose name may have all the 255 bytes that a name can have.
    temporary = target.with_name(f".{os.urandom(8).hex()}.partial")
    try:
        # x: the folder may be a student's, with a link of this name to a file of ours.
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the name without the text
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)  # a full disk should not keep what nobody reads
        raise


def is_written_through(target: Path) -> bool:
    """Whether it is a pipe or a device, or names a stream: renamed over, it would be a file.

    Folders within /dev hold no streams of ours; /dev/shm is an ordinary place for files.
    """
    if target.exists() and not target.is_file():
        return True
    above = target.parent.resolve()  # /dev/fd leads into /proc
    return above == Path("/dev") or above.is_relative_to("/proc")
