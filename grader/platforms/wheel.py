"""Make a wheel of this very installation, so that a platform can install what runs here."""

import base64
import hashlib
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import grader
import reference
from grader.errors import InternalError
from grader.platforms.archives import File, zipped

_NAME = "nnx-grader"
_PACKAGES = (grader, reference)
_FACTS = ("METADATA", "entry_points.txt", "licenses/LICENSE")
"""What a wheel tells about itself, beside its files."""


def wheel() -> tuple[str, bytes]:
    """Return the file name and the bytes of the wheel; the same code gives the same bytes."""
    found = _installed()
    stem = f"{_NAME.replace('-', '_')}-{found.version}"
    files = {name: File(data) for name, data in _files()}
    info = f"{stem}.dist-info"
    for name in _FACTS:
        files[f"{info}/{name}"] = File((found.read_text(name) or "").encode())
    files[f"{info}/WHEEL"] = File(
        b"Wheel-Version: 1.0\nGenerator: nnx-grader\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    rows = [f"{name},sha256={_digest(f.data)},{len(f.data)}" for name, f in sorted(files.items())]
    rows.append(f"{info}/RECORD,,")
    files[f"{info}/RECORD"] = File(("\n".join(rows) + "\n").encode())
    return f"{stem}-py3-none-any.whl", zipped(files)


def _installed() -> Distribution:
    """Return what pip installed: a checkout's egg-info, which may be found first, lacks facts."""
    for found in distributions(name=_NAME):
        if all(found.read_text(name) for name in _FACTS):
            return found
    raise InternalError(f"no installation has {', '.join(_FACTS)}: install {_NAME} with pip")


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
