"""Name what a worker may read, package by package: what JAX and Flax need, nothing else."""

import os
import re
import sysconfig
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from grader.errors import SandboxError

_ROOTS = ("jax", "flax")
_NEVER = frozenset({"grader", "reference", "fixtures", "..", "__pycache__"})


@cache
def packages() -> dict[str, str]:
    """Return every top-level package that JAX and Flax need: name to absolute path.

    Raises:
        SandboxError: JAX or Flax is not installed.
    """
    found: dict[str, str] = {}
    for needed in _closure():
        root = Path(str(needed.locate_file("")))
        record = (needed.read_text("RECORD") or "").splitlines()
        for entry in {re.split("[/,]", line, maxsplit=1)[0] for line in record}:
            name, _, suffix = entry.partition(".")
            path = root / entry
            is_code = suffix == "" or suffix.endswith(("py", "so")) or suffix == "libs"
            if is_code and entry not in _NEVER and path.exists():
                # numpy.libs is no package, but NumPy's extension modules load from it.
                found[entry if suffix == "libs" else name] = str(path)
    return found


@cache
def system_libraries() -> tuple[str, ...]:
    """Return the folders of shared libraries: files, never packages."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    wanted = [f"{base}/{multiarch}" for base in ("/lib", "/usr/lib") if multiarch]
    wanted += ["/lib64", "/usr/lib64", "/etc/ld.so.cache"]
    return tuple(path for path in wanted if os.path.exists(path))


def refuse_readable(readable: Sequence[str], secrets: Sequence[Path]) -> None:
    """Make sure that no secret lies inside a readable folder.

    Raises:
        SandboxError: one does.
    """
    for secret in secrets:
        for path in readable:
            if secret.resolve().is_relative_to(Path(path).resolve()):
                raise SandboxError(f"the worker could read {secret}, which lies inside {path}")


def _closure() -> Iterator[Distribution]:
    """Yield JAX, Flax and every installed distribution that they require, without extras."""
    waiting, seen = list(_ROOTS), set[str]()
    while waiting:
        name = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in seen:
            continue
        seen.add(key)
        try:
            found = distribution(name)
        except PackageNotFoundError as error:
            if name in _ROOTS:
                raise SandboxError(f"{name} is not installed for this Python") from error
            continue
        yield found
        for requirement in found.requires or ():
            match = re.match(r"[A-Za-z0-9._-]+", requirement)
            if match is not None and "extra ==" not in requirement:
                waiting.append(match.group())
