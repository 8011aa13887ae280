"""Lay out the image `worker`: copy what a worker may read into one folder, and lead to it by links.

    python3 lay_out.py DESCRIPTION IMAGE

DESCRIPTION is the image's own, of grader/sandbox/image.py. Its folder `own_root` in IMAGE gets what
it names, what starts its Python, and nothing else, under the paths that it has here; it can serve
as a root by itself, see grader/sandbox/worker/root.py. Run in the Dockerfile.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

_NOT_LIBRARY = {"site-packages", "dist-packages", "test", "idlelib", "sitecustomize.py"}
_LOADER_CACHE = Path("etc/ld.so.cache")
_NOT_LISTED = 0o711


def main(description: Path, image: Path) -> None:
    """Fill an empty folder with the image."""
    told = json.loads(description.read_text())
    inside = image / told["own_root"].lstrip("/")
    for path in (*_named(told), str(description)):
        if os.path.lexists(path):
            _take(path, inside)
    for entry in inside.iterdir():
        if entry.name != "etc":  # Docker mounts files of its own there
            (image / entry.name).symlink_to(entry.relative_to(image))
    (image / "etc").mkdir()
    shutil.copy2(inside / _LOADER_CACHE, image / _LOADER_CACHE)
    (image / "tmp").mkdir()
    _make_mount_points(inside)
    # What lies there is known by name; nobody needs to look around.
    packages = (os.path.dirname(path) for path in told["packages"].values())
    for folder in {"/", "/dev", "/etc", *packages}:
        (inside / folder.lstrip("/")).chmod(_NOT_LISTED)


def _named(told: dict[str, Any]) -> Iterator[str]:
    yield from (told["python"], told["worker"], *told["readable"], f"/{_LOADER_CACHE}")
    yield from (shutil.which("python3") or "", *_libraries_of(told["python"]))
    for path in told["packages"].values():
        yield path
        yield cache_from_source(path)
    library = sysconfig.get_path("stdlib")
    yield from (f"{library}/{name}" for name in os.listdir(library) if name not in _NOT_LIBRARY)


def _libraries_of(program: str) -> list[str]:
    """Return the shared libraries that a program is linked with, and the loader."""
    done = subprocess.run(["ldd", program], check=True, capture_output=True, text=True)
    return re.findall(r"(/\S+) \(0x", done.stdout)


def _take(path: str, inside: Path) -> None:
    """Copy a file or a folder, and every link on the way to it."""
    at = Path("/")
    parts = Path(path).relative_to("/").parts
    for number, part in enumerate(parts, 1):
        at /= part
        copy = inside / at.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        if at.is_symlink():
            if not copy.is_symlink():
                copy.symlink_to(os.readlink(at))
            _take(os.path.normpath(Path(at.parent, os.readlink(at), *parts[number:])), inside)
            return
    # Some paths lie in others: unlike copytree(), cp puts a link where the same one is already.
    subprocess.run(["cp", "--archive", "--no-target-directory", at, copy], check=True)


def _make_mount_points(inside: Path) -> None:
    """Make room for what a container adds: two devices, and what is known of the machine."""
    (inside / "dev").mkdir()
    for name in ("null", "urandom"):
        (inside / "dev" / name).touch()
    (inside / "facts").mkdir()
    for name in ("proc", "sys"):
        (inside / name).symlink_to(f"facts/{name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
