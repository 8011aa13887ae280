"""Reach a Docker daemon: is it there, can it hold our limits, does it have the worker's image."""

import io
import os
import socket
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grader.errors import SandboxError
from grader.sandbox.leftovers import LABEL, owner

SOCKET = "/var/run/docker.sock"
_OLDEST_API = (1, 41)
"""Docker 20.10 (2020): one-shot statistics, without which measuring a worker takes two seconds."""
_LIMITS = {
    "MemoryLimit": "memory",
    "SwapLimit": "swap (cgroup v1: boot with swapaccount=1)",
    "PidsLimit": "processes",
    "CPUCfsQuota": "processor time",
}
"""What a daemon may say that it cannot hold; it would ignore our limit and only warn."""


def absence() -> str | None:
    """Say that Docker is plainly not here; None when it is worth asking. Needs no SDK."""
    if os.environ.get("DOCKER_HOST"):
        return None
    if not Path(SOCKET).is_socket():
        return f"no Docker daemon: there is no {SOCKET} and DOCKER_HOST is not set; install Docker"
    with socket.socket(socket.AF_UNIX) as end:  # which the SDK leaves open when nobody listens
        try:
            end.connect(SOCKET)
        except OSError as error:
            return f"Docker: the daemon does not answer: {error!r}{_hint(error)}"
    return None


@contextmanager
def connected(timeout_s: float = 60.0) -> Iterator[Any]:
    """Connect to the daemon that the usual variables name; yield the SDK's client.

    Raises:
        SandboxError: the SDK is not installed, or the daemon does not answer.
    """
    missing = absence()
    if missing is not None:
        raise SandboxError(missing)
    try:
        import docker
    except ImportError as error:
        raise SandboxError(
            "the Docker SDK for Python is not installed: pip install '.[docker]' in a checkout"
        ) from error
    if os.environ.get("DOCKER_HOST", "").startswith("ssh:"):
        raise SandboxError(
            "DOCKER_HOST=ssh:// is not supported; forward the socket: "
            "ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST, then "
            "DOCKER_HOST=unix:///tmp/docker.sock"
        )
    with answering("the daemon does not answer"):
        client = docker.from_env(timeout=timeout_s)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Turn every failure of the daemon into one that is ours, never the submission's.

    Raises:
        SandboxError: the daemon refused or is gone.
    """
    import docker
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise SandboxError(f"Docker: {what}: {error}{_hint(error)}") from error


def limits_problem(client: Any) -> str | None:
    """Say what this daemon cannot hold a container to; None when it can all."""
    version = tuple(map(int, client.api._version.split(".")))
    if version < _OLDEST_API:
        return f"Docker speaks API {client.api._version}; 1.41 (Docker 20.10) is needed: update it"
    told = client.info()
    lacking = [text for key, text in _LIMITS.items() if told.get(key) is False]
    if not any("seccomp" in option for option in told.get("SecurityOptions") or ()):
        lacking.append("system calls (seccomp)")
    if lacking:
        return f"this Docker daemon cannot limit {', '.join(lacking)}"
    return None


def runtime_problem(client: Any, runtime: str) -> str | None:
    """Say that the daemon does not know this runtime, and how to teach it."""
    known = client.info().get("Runtimes") or {}
    if runtime in known:
        return None
    return (
        f"this Docker daemon has no runtime {runtime} (it has: {', '.join(sorted(known))}); "
        f"install gVisor, run `{runtime} install` and reload Docker"
    )


def _hint(error: Exception) -> str:
    text = repr(error)
    if "PermissionError" in text or "Permission denied" in text:
        return " (add this user to the group docker, or use rootless Docker)"
    if "FileNotFoundError" in text or "ConnectionRefusedError" in text:
        return " (is it running? systemctl start docker)"
    return ""


def image_id(client: Any, name: str) -> str:
    """Return the id of an image.

    Raises:
        SandboxError: the daemon does not have it.
    """
    from docker.errors import ImageNotFound

    with answering("the image was not found"):
        try:
            return str(client.images.get(name).id)
        except ImageNotFound:
            pass
    raise SandboxError(
        f"there is no image {name}; build it: docker build --target worker -t {name} . "
        "(GRADER_WORKER_IMAGE names another)"
    )


def file_in_image(client: Any, image: str, path: str) -> bytes:
    """Read one file of an image, through a container that never starts.

    Raises:
        SandboxError: it is not there.
    """
    with answering(f"{path} was not read from the image"):
        made = client.containers.create(
            image, ["none"], network_mode="none", labels={LABEL: owner()}
        )
        try:
            parts, _ = made.get_archive(path)
            archive = io.BytesIO(b"".join(parts))
        finally:
            made.remove(force=True, v=True)
    with tarfile.open(fileobj=archive) as opened:
        file = opened.extractfile(opened.getmembers()[0])
        if file is None:
            raise SandboxError(f"{path} of the image is no file")
        return file.read()
