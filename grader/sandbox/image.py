"""Describe the image `worker`: what the Dockerfile that fills it and its launcher agree about.

The image holds Python, the libraries, the worker's folder and compiled programs; neither the judge
nor an exercise. In it lies a description that names what the launcher must know: where things
are, and the digest of the worker's folder, which must be that of the judge's own.
"""

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from grader.environment import versions
from grader.errors import SandboxError
from grader.sandbox.packages import packages, system_libraries
from grader.sandbox.setup import WORKER_FOLDER, interpreter

WORKER_IMAGE = "nnx-grader-worker"
ROOT = Path("/opt/nnx-grader")
"""Where everything of ours lies in every image."""
DESCRIPTION = ROOT / "worker.json"
WORKER_IN_IMAGE = ROOT / "worker"
CACHE_IN_IMAGE = ROOT / "compile"
OWN_ROOT = "/inside"
"""The folder that holds all this, and nothing else: see worker/root.py."""
DIGEST_LABEL = "org.nnx-grader.worker-digest"
"""Set when the image was built with `--build-arg WORKER_DIGEST=...`, as `make images` does. The
description always has the digest."""


class Description(msgspec.Struct, frozen=True):
    """What lies in the image.

    Attributes:
        digest: of the worker's folder.
        python: the interpreter.
        worker: the worker's folder.
        packages: top-level packages that may be imported, by name.
        readable: further readable paths.
        compile_cache: compiled programs. JAX names each after the CPU's features as well, so on
            another CPU none is found and all is compiled anew: slower, never wrong.
        versions: Python's and the libraries'.
        own_root: where all of these lie under the same paths, and nothing else does.
    """

    digest: str
    python: str
    worker: str
    packages: dict[str, str]
    readable: list[str]
    compile_cache: str
    versions: dict[str, str]
    own_root: str = ""


def worker_digest(folder: Path = WORKER_FOLDER) -> str:
    """Return the SHA-256 of the names and texts of a worker's folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        total.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def describe() -> Description:
    """Return the description of the image that is being filled, from inside it.

    Raises:
        SandboxError: a library lies outside the folder that the image is given.
    """
    found = packages()
    strays = [path for path in found.values() if not Path(path).is_relative_to(ROOT)]
    if strays:
        raise SandboxError(f"not in {ROOT}: {', '.join(strays)}")
    return Description(
        digest=worker_digest(),
        python=str(interpreter()),
        worker=str(WORKER_IN_IMAGE),
        packages=found,
        readable=[*system_libraries(), str(CACHE_IN_IMAGE)],
        compile_cache=str(CACHE_IN_IMAGE),
        versions=versions(),
        own_root=OWN_ROOT,
    )


def read_description(text: bytes) -> Description:
    """Read an image's description and check that its worker is the one that this judge speaks to.

    Raises:
        SandboxError: it cannot be read, or the image is of another version.
    """
    try:
        found = msgspec.json.decode(text, type=Description)
    except msgspec.DecodeError as error:
        raise SandboxError(f"the worker image's description cannot be read: {error}") from error
    if found.digest != worker_digest():
        raise SandboxError(
            "the worker image is of another version of nnx-grader "
            f"({found.digest[:12]}, not {worker_digest()[:12]}); build it again: make images"
        )
    return found


def _check_build(environment: Mapping[str, str]) -> None:
    """Refuse to build an image whose label would name another digest."""
    told = environment.get("WORKER_DIGEST", "")
    if told and told != worker_digest():
        raise SandboxError(f"WORKER_DIGEST is {told}, but the worker's is {worker_digest()}")


if __name__ == "__main__":  # in the Dockerfile
    _check_build(os.environ)
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(describe())) + b"\n")
