"""Start a worker in fresh namespaces that hold nothing but Python, through bubblewrap."""

import os
import re
import shutil
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from grader.errors import SandboxError
from grader.model import Deadlines
from grader.sandbox.kernel import lockdown_problem
from grader.sandbox.launch import Launch, open_fresh
from grader.sandbox.session import Session
from grader.sandbox.setup import NOBODY, WORKER_FOLDER, Setup, interpreter, standard_library
from grader.sandbox.worker.libraries import bytecode
from grader.sandbox.worker.lockdown import MACHINE_FACTS

_MISSING = "bubblewrap is not installed (Debian: apt-get install bubblewrap)"
_SITES = ("site-packages", "dist-packages")
_REFUSED = re.compile("namespace|[ug]id map|loopback")
"""How bwrap's own errors name what it is that the machine refuses."""


class Bubblewrap:
    """The launcher `bubblewrap`."""

    name = "bubblewrap"

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def problem(self) -> str | None:
        """Say why bubblewrap cannot build namespaces here; None when it can."""
        found = shutil.which("bwrap")
        if found is None:
            return _MISSING
        # Not all of "/": it holds the mounts of other containers, which may end meanwhile.
        command = [found, *self._options(), str(interpreter()), "--version"]
        tried = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
        )
        if tried.returncode == 0:
            return lockdown_problem()
        said = tried.stderr.strip()[:200]
        if not _REFUSED.search(said):
            return f"bubblewrap does not start Python here ({said or tried.returncode})"
        return (
            f"bubblewrap cannot make namespaces here ({said}); allow "
            "unprivileged user namespaces, or inside a container use --sandbox confined"
        )

    def open(self, deadlines: Deadlines) -> AbstractContextManager[Session]:
        """Start a worker; leaving the context kills it with its namespaces.

        Raises:
            SandboxError: bubblewrap is missing or refused, or the worker did not lock itself down.
        """
        return open_fresh(self.launch(), deadlines)

    def launch(self, *, template: str = "") -> Launch:
        """Return how to start a worker, or a template of workers.

        Raises:
            SandboxError: bubblewrap is missing.
        """
        found = shutil.which("bwrap")
        if found is None:
            raise SandboxError(_MISSING)
        command = [found, *self._options(), *self._setup.command(template=template)]
        return Launch(command, {}, layers=("bubblewrap",))

    def close(self) -> None:
        """Keep nothing running: each worker ends with its context."""

    def _options(self) -> list[str]:
        """Return bwrap's options: all namespaces new, nothing mounted but what is named."""
        options = ["--unshare-all", "--die-with-parent", "--new-session"]
        options += ["--cap-drop", "ALL", "--hostname", "sandbox", "--clearenv"]
        options += ["--uid", str(NOBODY), "--gid", str(NOBODY)]
        for name, value in self._setup.environment.items():
            options += ["--setenv", name, value]
        library, mounts = standard_library(), self._mounts()
        # A mount hides what was mounted below it: first what the standard library lies in, as in
        # Fedora's /usr/lib64, then the library, then packages, which may lie in its site-packages.
        around = sorted((path for path in mounts if library.is_relative_to(path)), key=len)
        for path in [*around, str(library)]:
            options += ["--ro-bind", path, path]
        # It may hold a site-packages of its own, with anything in it.
        hidden = [path for path in map(library.joinpath, _SITES) if path.is_dir()]
        for site in hidden:
            options += ["--tmpfs", str(site)]
        for path in mounts:
            if path not in around:
                options += ["--dev-bind" if path.startswith("/dev/") else "--ro-bind", path, path]
        for link in ("/lib", "/lib64"):  # the dynamic loader's own path leads through them
            if os.path.islink(link):
                options += ["--symlink", os.readlink(link), link]
        for site in [*hidden, Path("/")]:
            options += ["--remount-ro", str(site)]
        return [*options, "--chdir", "/", "--"]

    def _mounts(self) -> list[str]:
        """Paths to bind, links resolved: the interpreter, packages, libraries, the worker."""
        python = interpreter()
        shared = python.parent.parent.glob("lib/libpython*")
        ours = map(str, (python, *shared, WORKER_FOLDER))
        compiled = bytecode(self._setup.packages.values())
        paths = [*ours, *self._setup.extras, *compiled, "/dev/null", *MACHINE_FACTS]
        resolved = [os.path.realpath(path) for path in paths if os.path.exists(path)]
        return list(dict.fromkeys([*resolved, *self._setup.packages.values()]))
