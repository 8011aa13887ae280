"""Make a wheel of this very installation, so that a platform can install what runs here."""

import base64
import hashlib
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import grader
import reference
from grader.errors import InternalError
from grader.platforms.archives import File, zipped

_NAME = "nnx-grader"
_PACKAGES = (grader, reference)


def wheel() -> tuple[str, bytes]:
    """Return the file name and the bytes of the wheel; the same code gives the same bytes."""
    found = distribution(_NAME)
    stem = f"{_NAME.replace('-', '_')}-{found.version}"
    files = {name: File(data) for name, data in _files()}
    info = f"{stem}.dist-info"
    files[f"{info}/METADATA"] = _fact(found, "METADATA", "PKG-INFO")
    files[f"{info}/entry_points.txt"] = _fact(found, "entry_points.txt")
    files[f"{info}/WHEEL"] = File(
        b"Wheel-Version: 1.0\nGenerator: nnx-grader\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    licence = found.read_text("licenses/LICENSE")
    if licence is not None:  # a checkout's own egg-info has none
        files[f"{info}/licenses/LICENSE"] = File(licence.encode())
    rows = [f"{name},sha256={_digest(f.data)},{len(f.data)}" for name, f in sorted(files.items())]
    rows.append(f"{info}/RECORD,,")
    files[f"{info}/RECORD"] = File(("\n".join(rows) + "\n").encode())
    return f"{stem}-py3-none-any.whl", zipped(files)


def _fact(found: Distribution, *names: str) -> File:
    """Return the first of these files that an installation has; an editable one has others."""
    texts = [text for name in names if (text := found.read_text(name)) is not None]
    if not texts:
        raise InternalError(f"this installation has no {names[0]}: install {_NAME} with pip")
    return File(texts[0].encode())


def _files() -> Iterator[tuple[str, bytes]]:
    """Yield every file of our packages, but for what Python compiled."""
    for package in _PACKAGES:
        assert package.__file__ is not None
        folder = Path(package.__file__).parent
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{folder.name}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _digest(data: bytes) -> str:
    digest = hashlib.sha256(data).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
