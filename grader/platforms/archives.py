"""Write archives whose bytes depend on nothing but their files."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import NamedTuple

_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip can name."""


class File(NamedTuple):
    """One file of an archive."""

    data: bytes
    executable: bool = False

    @property
    def mode(self) -> int:
        """Permissions: readable by everyone."""
        return 0o755 if self.executable else 0o644


def zipped(files: Mapping[str, File]) -> bytes:
    """Return a zip of these files, by name."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.create_system = 3  # Unix: only then are permissions read
            entry.external_attr = (0o100000 | file.mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.data)
    return target.getvalue()


def tarred(files: Mapping[str, File]) -> bytes:
    """Return a tar of these files, by name, with every folder that they lie in."""
    target = io.BytesIO()
    folders = {"/".join(parts[:at]) for parts in _parts(files) for at in range(1, len(parts))}
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(folders | set(files)):
            entry = tarfile.TarInfo(name)
            file = files.get(name)
            if file is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
            else:
                entry.size, entry.mode = len(file.data), file.mode
                archive.addfile(entry, io.BytesIO(file.data))
    return target.getvalue()


def _parts(files: Mapping[str, File]) -> list[list[str]]:
    return [name.split("/") for name in files]
