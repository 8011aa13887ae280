"""Start each worker in a container of its own, through a Docker daemon, near or far."""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from grader.environment import worker_image
from grader.errors import GraderError, SandboxError
from grader.model import Deadlines
from grader.sandbox import daemon, leftovers
from grader.sandbox.channel import MEMORY_BYTES, MOST_THREADS
from grader.sandbox.container import Container
from grader.sandbox.image import DESCRIPTION, Description, read_description
from grader.sandbox.session import Session
from grader.sandbox.setup import CPU_S, MORE_TASKS, NOBODY, Setup, worker_environment
from grader.sandbox.waiting import Waiting
from grader.sandbox.worker.root import FACTS

_NO_SUCH_FOLDER = "bind source path does not exist"
_logger = logging.getLogger("grader")


class Docker:
    """The launcher `docker`, with the runtime that is the daemon's default.

    A preflight that passes leaves a worker waiting: for the next open, or to be closed.
    """

    name = "docker"
    _runtime: str | None = None
    _tasks = MORE_TASKS

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._image_name = worker_image()
        self._described: dict[str, Description] = {}
        self._is_swept = False
        self._sees_our_files = True
        self._tried = Waiting()

    def problem(self) -> str | None:
        """Say why no worker can be started here; the one that was tried serves the next open."""
        problem = daemon.absence()
        if problem is not None:
            return problem
        try:
            told = daemon.answering("the daemon does not tell what it can")
            with daemon.connected(timeout_s=10.0) as client, told:
                problem = daemon.limits_problem(client)
                if problem is None and self._runtime is not None:
                    problem = daemon.runtime_problem(client, self._runtime)
                if problem is None:
                    self._image(client)
            if problem is None:
                # What a daemon says of itself does not tell whether a container of it starts, nor
                # whether a worker can lock itself down there.
                with ExitStack() as stack:
                    session = stack.enter_context(self.open(Deadlines()))
                    self._tried.keep(session, stack.pop_all())
        except GraderError as error:
            return str(error)
        return problem

    @contextmanager
    def open(self, deadlines: Deadlines) -> Iterator[Session]:
        """Start a container, or take the preflight's; leaving the context kills and removes it.

        Raises:
            SandboxError: the daemon, the image or the lock-down is not as it should be.
        """
        with ExitStack() as stack:
            session = self._tried.take(stack, deadlines)
            yield session or stack.enter_context(self._fresh(deadlines))

    def close(self) -> None:
        """End the preflight's worker; each other ends with its context."""
        self._tried.close()

    @contextmanager
    def _fresh(self, deadlines: Deadlines) -> Iterator[Session]:
        """Start a container; see open."""
        with daemon.connected() as client:
            if not self._is_swept:
                with daemon.answering("the containers of dead judges were not listed"):
                    leftovers.sweep(client)
                self._is_swept = True
            image, description = self._image(client)
            container = self._start(client, image, description)
            try:
                layers = [self.name, f"image {image.removeprefix('sha256:')[:12]}"]
                yield Session(container, layers, deadlines)
            finally:
                container.close()

    def _image(self, client: Any) -> tuple[str, Description]:
        """Return the image's id and what lies in it, once it is known to fit this judge."""
        image = daemon.image_id(client, self._image_name)
        if image not in self._described:
            text = daemon.file_in_image(client, image, str(DESCRIPTION))
            self._described[image] = read_description(text)
        return image, self._described[image]

    def _start(self, client: Any, image: str, description: Description) -> Container:
        """Start a container, with this judge's compiled programs where the daemon can see them."""
        options = self._options(image, description)
        if not (client.api.base_url.startswith("http+docker:") and self._sees_our_files):
            options["mounts"] = []
        try:
            return Container(client, options)
        except SandboxError as error:
            if _NO_SUCH_FOLDER not in str(error) or not options["mounts"]:
                raise
            # The judge is in a container itself: its socket is the host's, its files are not.
            _logger.info("%s: takes the image's compile cache", error)
            self._sees_our_files = False
            return Container(client, options | {"mounts": []})

    def _options(self, image: str, description: Description) -> dict[str, Any]:
        """Return what `docker create` gets: all that a container can be denied is denied."""
        from docker.types import LogConfig, Mount, Ulimit

        setup, cache, mounts = self._setup, description.compile_cache, []
        if setup.has_cache:
            setup.refuse([str(setup.compile_cache)])
            target = (
                description.own_root + cache
            )  # no link on the way: each runtime follows its own
            mounts.append(Mount(target, str(setup.compile_cache), "bind", read_only=True))
        python = [description.python, "-I", "-S", "-B", description.worker]
        return {
            "image": image,
            "entrypoint": python,
            "command": [json.dumps(self._config(description))],
            "environment": worker_environment(None if setup.compile_cache is None else Path(cache)),
            "use_config_proxy": False,  # else the user's proxy, password and all, goes in
            "labels": {leftovers.LABEL: leftovers.owner()},
            "runtime": self._runtime,
            "network_mode": "none",
            "ipc_mode": "none",  # no /dev/shm: it would be writable
            "read_only": True,
            "tmpfs": {"/tmp": "ro,size=4k"},  # else gVisor mounts a writable one by itself
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],  # beside Docker's own seccomp profile
            "user": f"{NOBODY}:{NOBODY}",
            "hostname": "sandbox",
            "working_dir": "/",
            "mem_limit": MEMORY_BYTES,
            "memswap_limit": MEMORY_BYTES,  # both together: no swap
            "pids_limit": self._tasks,
            "nano_cpus": 10**9,
            "ulimits": [
                Ulimit(name="nofile", soft=256, hard=256),
                Ulimit(name="core", soft=0, hard=0),
            ],
            "log_config": LogConfig(type="none"),  # an endless print would fill the host's disk
            "stdin_open": True,
            "tty": False,
            "mounts": mounts,
        }

    def _config(self, description: Description) -> dict[str, Any]:
        """Return what the worker is told; see worker/boot.py."""
        return {
            "packages": description.packages,
            "readable": description.readable,
            "limits": {"cpu_s": CPU_S},
            "guarded": MOST_THREADS,
            "supplied": ["memory"],
        }


class DockerRunsc(Docker):
    """The launcher `docker+runsc`: gVisor answers the worker's system calls, not the kernel.

    It has no Landlock, so the worker confines itself to a root of its own; see worker/root.py.
    """

    name = "docker+runsc"
    _runtime = "runsc"
    _tasks = 4 * MORE_TASKS  # its own threads, about ten a processor; the guard counts the worker's

    def _options(self, image: str, description: Description) -> dict[str, Any]:
        options, root = super()._options(image, description), description.own_root
        # The worker fills it before it reads its source, and then closes it.
        options["tmpfs"] |= {f"{root}/{FACTS}": f"size=1m,mode=0700,uid={NOBODY},gid={NOBODY}"}
        options["volumes"] = {
            "/dev/null": {"bind": f"{root}/dev/null", "mode": "rw"},
            "/dev/urandom": {"bind": f"{root}/dev/urandom", "mode": "ro"},
        }
        return options

    def _config(self, description: Description) -> dict[str, Any]:
        return super()._config(description) | {"own_root": description.own_root}
