"""Name the machine and the library versions that numbers depend on, without importing them."""

import hashlib
import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = ("jax", "jaxlib", "flax", "numpy", "hypothesis")


@cache
def versions() -> dict[str, str]:
    """Return Python's and the libraries' versions and the machine; absent ones are left out."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def fingerprint() -> str:
    """Return a short hex name of everything that compiled code and its rounding depend on."""
    parts = [*sorted(versions().items()), ("cpu", _cpu_features())]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """Return where this user's caches lie: GRADER_CACHE, or the XDG cache folder."""
    chosen = os.environ.get("GRADER_CACHE")
    if chosen:
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nnx-grader"


def worker_image() -> str:
    """Return which image the workers of the Docker launchers run: GRADER_WORKER_IMAGE, or ours."""
    return os.environ.get("GRADER_WORKER_IMAGE") or "nnx-grader-worker"


def _cpu_features() -> str:
    """Return the CPU's feature flags, as the kernel lists them on x86 and Arm."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
