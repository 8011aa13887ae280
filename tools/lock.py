"""Write requirements/*.lock: what the images install, by exact version and hash.

Run by `make lock`, with newer versions of all by `make lock UPGRADE=--upgrade`. Each lock adds to
those before it, so that images share what they share:

    build.lock     makes the wheel of this project; in no image
    worker.lock    JAX, Flax and NumPy
    grading.lock   what the judge needs besides
    service.lock   every extra but a developer's

One file serves every Python that the project supports, on Linux on every machine: uv resolves for
all, and what CPython on Linux never installs is left out.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "requirements"
WORKER = ("jax", "flax", "numpy")
NOT_SERVED = ("dev",)
HEADER = "# Made by `make lock`; do not edit.\n"


def sets(project: dict[str, dict]) -> dict[str, list[str]]:
    """Return the requirements of each lock, before what others hold is taken out."""
    needed = project["project"]["dependencies"]
    extras = project["project"]["optional-dependencies"]
    served = [item for extra in extras if extra not in NOT_SERVED for item in extras[extra]]
    return {
        "build": project["build-system"]["requires"],
        "worker": [item for item in needed if name(item) in WORKER],
        "grading": needed,
        "service": [*needed, *served],
    }


def name(requirement: str) -> str:
    """Return the normalised name of a requirement."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def compiled(requirements: list[str], python: str, *options: str) -> str:
    """Return requirements with all that they need, pinned and hashed."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--no-header"]
    command += ["--universal", "--generate-hashes", "--no-annotate", "--python-version", python]
    done = subprocess.run(
        [*command, *options],
        input="\n".join(requirements),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def blocks(lock: str) -> dict[str, str]:
    """Return every pinned requirement with its hashes, by its first line."""
    found = re.findall(r"^(\S[^\n]*?) \\\n((?:    --hash=[^\n]*\n)+)", lock, re.MULTILINE)
    return {f"{pin} \\\n": hashes for pin, hashes in found}


def installed(pin: str, pythons: list[str]) -> set[tuple[str, str, str]]:
    """Return name, version and Python wherever a pinned line is installed on Linux."""
    line = Requirement(pin.rstrip(" \\\n"))
    where = {"sys_platform": "linux", "platform_system": "Linux", "implementation_name": "cpython"}
    where |= {"platform_python_implementation": "CPython", "os_name": "posix"}
    return {
        (line.name, str(line.specifier), python)
        for python in pythons
        if line.marker is None
        or line.marker.evaluate(
            {**where, "python_version": python, "python_full_version": f"{python}.0"}
        )
    }


def main() -> None:
    """Resolve all together, then each set with the versions that were found."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    python = project["project"]["requires-python"].removeprefix(">=")
    wanted = sets(project)
    everything = FOLDER / ".everything"
    FOLDER.mkdir(exist_ok=True)
    # What is locked already stays, unless it no longer fits or --upgrade is given.
    if "--upgrade" not in sys.argv:
        before = [path.read_text() for path in sorted(FOLDER.glob("*.lock"))]
        everything.write_text("".join(before))
    compiled([*wanted["service"], *wanted["build"]], python, "--output-file", str(everything))
    prefix = "Programming Language :: Python :: 3."
    pythons = [
        one.removeprefix("Programming Language :: Python :: ")
        for one in project["project"]["classifiers"]
        if one.startswith(prefix)
    ]
    held: set[tuple[str, str, str]] = set()
    texts = {}
    for kind, requirements in wanted.items():
        found = blocks(compiled(requirements, python, "--constraint", str(everything)))
        new = {pin: hashes for pin, hashes in found.items() if installed(pin, pythons) - held}
        for pin in new if kind != "build" else ():
            held |= installed(pin, pythons)
        texts[kind] = HEADER + "".join(pin + hashes for pin, hashes in sorted(new.items()))
    everything.unlink()
    for kind, text in texts.items():
        (FOLDER / f"{kind}.lock").write_text(text)


if __name__ == "__main__":
    main()
