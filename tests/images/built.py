"""Find the images that `make images` built, and look into them through Docker's command line."""

import hashlib
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, NoReturn

import pytest
from conftest import ROOT, WORKER_IMAGE

from grader.sandbox.image import DIGEST_LABEL, worker_digest

TARGETS = ("worker", "grading", "service")
_HOW = "build the images with `make images`, see docs/images.md"
_TEXT_BYTES = 1 << 20

SECRETS = {
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{100}"),
    "a password in an address": re.compile(rb"https?://[^/\s:@]+:[^/\s:@]+@[a-z0-9]"),
}
_MANUALS = re.compile(r"(^|/)(site-packages|dist-packages|share/doc|nnx-grader/service)/")
"""Libraries tell in their comments how such an address looks."""


@dataclass(frozen=True)
class File:
    """One entry of an image's file system.

    Attributes:
        sha256: of a regular file; "" of anything else.
        secrets: names of the patterns in SECRETS that its text matches.
    """

    mode: int
    uid: int
    gid: int
    size: int
    is_file: bool
    is_link: bool
    sha256: str
    secrets: tuple[str, ...]


def docker(*arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the docker command; its failure fails the test with what it said."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, **options
    )
    if check and done.returncode:
        pytest.fail(f"docker {' '.join(arguments[:2])}: {done.stderr[-2000:]}")
    return done


def run(image: str, *command: str, options: tuple[str, ...] = (), **more: Any) -> str:
    """Run a command in a new container without a network; return what it printed."""
    base = ("run", "--rm", "--interactive", "--network=none")
    return docker(*base, *options, image, *command, **more).stdout


@cache
def image(target: str) -> str:
    """Return the name of an image; without it the test skips on a laptop and fails in CI."""
    name = WORKER_IMAGE if target == "worker" else f"nnx-grader-{target}"
    try:
        found = docker("image", "inspect", name, check=False)
        answers = docker("version", check=False)
    except FileNotFoundError:
        _give_up("docker is not installed")
    if answers.returncode:
        _give_up(f"the Docker daemon does not answer: {answers.stderr.strip()[-200:]}")
    if found.returncode:
        _give_up(f"there is no image {name}")
    if json.loads(found.stdout)[0]["Config"]["Labels"].get(DIGEST_LABEL) != worker_digest():
        _give_up(f"the image {name} is of another version of the worker")
    return name


def _give_up(problem: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{problem}; {_HOW}")
    pytest.skip(f"{problem}; {_HOW}")


@cache
def configuration(target: str) -> Mapping[str, Any]:
    """Return what `docker image inspect` says of an image."""
    found: dict[str, Any] = json.loads(docker("image", "inspect", image(target)).stdout)[0]
    return MappingProxyType(found)


@cache
def files(target: str) -> Mapping[str, File]:
    """Return every file that a container of the image sees, by its path without the first slash."""
    container = docker("create", "--network=none", image(target), "true").stdout.strip()
    found = {}
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            assert export.stdout is not None
            with tarfile.open(fileobj=export.stdout, mode="r|") as archive:
                for member in archive:
                    found[member.name.rstrip("/")] = _look_at(archive, member)
        assert export.returncode == 0
    finally:
        docker("rm", "--force", container)
    assert len(found) > 5000
    return MappingProxyType(found)


def _look_at(archive: tarfile.TarFile, member: tarfile.TarInfo) -> File:
    digest, secrets = "", ()
    source = archive.extractfile(member) if member.isfile() else None
    if source is not None:
        data = source.read()
        digest = hashlib.sha256(data).hexdigest()
        if len(data) <= _TEXT_BYTES:
            secrets = tuple(secrets_in(member.name, data))
    facts = (member.mode, member.uid, member.gid, member.size, member.isfile(), member.issym())
    return File(*facts, digest, secrets)


def secrets_in(path: str, data: bytes) -> list[str]:
    """Return the names of the secrets that a file seems to hold."""
    wanted = list(SECRETS) if _MANUALS.search(path) is None else ["a private key"]
    return [name for name in wanted if SECRETS[name].search(data)]


def digests(*folders: str) -> dict[str, str]:
    """Return the SHA-256 of every file of ours that is not empty, to its path in the checkout."""
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    kept = [path for path in paths if "__pycache__" not in path.parts and path.stat().st_size]
    return {
        hashlib.sha256(path.read_bytes()).hexdigest(): str(path.relative_to(ROOT)) for path in kept
    }
