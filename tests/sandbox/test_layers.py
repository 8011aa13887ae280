"""Which layer stops which attempt, and what gets through when one is taken away.

Every attempt of the worker's probe is made behind each layer alone; what that shows becomes a table
at the end of the run (see summary.py). A layer is needed when some attempt succeeds without it,
though all others stand. Nothing of this can be switched off in the product: the tests replace the
steps of lockdown.py in a process of their own.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from boxed import AS_IS, AS_NOBODY, NOBODY, Who, copied_worker, readable_secret, run, start
from conftest import sandbox_called
from processes import PATIENCE_S
from summary import LOCK_DOWN

from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.container import Container
from grader.sandbox.daemon import connected
from grader.sandbox.docker import Docker
from grader.sandbox.setup import WORKER_FOLDER, interpreter

LAYERS = {
    "descriptors": "_close_all_but",
    "rlimits": "_limit",
    "capabilities": "_drop_capabilities",
    "parent": "_die_with_parent",
    "undumpable": "_become_undumpable",
    "landlock": "_restrict_files",
    "seccomp": "_filter_calls",
}
"""Layer to the step of lockdown.py that builds it. Landlock and seccomp set no_new_privs again by
themselves, because the kernel demands it: that step cannot be taken away."""
GETS_THROUGH = {
    "landlock": {"read_secret", "list_secret_folder", "write_tmp"},
    "seccomp": {"fork", "exec", "connect_udp", "memfd", "flock", "setuid", "become_dumpable"},
    "rlimits": {"memory_over_limit"},
}
"""Layer to attempts that succeed as soon as it alone is missing."""


@pytest.fixture(scope="module")
def box() -> Iterator[Path]:
    with copied_worker() as folder:
        yield folder


@pytest.fixture(scope="module")
def secret() -> Iterator[Path]:
    with readable_secret() as path:
        yield path


def attempts(box: Path, secret: Path, without: list[str], who: Who = AS_IS) -> dict[str, str]:
    """Make every attempt behind the lock-down without some layers; return name to outcome."""
    steps = [LAYERS[name] for name in without]
    facts = run(f"lock(without={steps!r}); {probing(secret, os.getpid())}", box, who)
    return outcomes(facts)


def probing(secret: Path, parent: int) -> str:
    return f"print(json.dumps(probe.run({str(secret)!r}, {parent})))"


def outcomes(facts: list[dict[str, str]]) -> dict[str, str]:
    """Name to outcome; in a pid namespace of its own an attempt finds nobody, which is a wall."""
    return {
        fact["name"]: "refused" if fact["detail"] == "ESRCH" else fact["outcome"] for fact in facts
    }


@pytest.mark.parametrize("layer", list(GETS_THROUGH))
def test_without_a_layer_something_gets_through(layer: str, box: Path, secret: Path) -> None:
    found = attempts(box, secret, [layer])
    allowed = {name for name, outcome in found.items() if outcome == "allowed"}
    assert allowed >= GETS_THROUGH[layer]
    others = set().union(*(GETS_THROUGH[name] for name in GETS_THROUGH if name != layer))
    assert not allowed & others, "the other layers hold what is theirs"


def test_which_layer_stops_which_attempt(
    box: Path, secret: Path, record_property: Callable[[str, object], None]
) -> None:
    stopped_by: dict[str, list[str]] = {}

    def note(column: str, found: dict[str, str]) -> None:
        for name, outcome in found.items():
            stopped_by.setdefault(name, [])
            if outcome == "refused":
                stopped_by[name].append(column)

    for layer in LOCK_DOWN:
        note(layer, attempts(box, secret, [name for name in LAYERS if name != layer]))
    note("bubblewrap", behind_bubblewrap(secret))
    for runtime in (None, "runsc"):
        note(f"docker{'' if runtime is None else '+' + runtime}", behind_docker(secret, runtime))
    record_property("stopped_by", stopped_by)
    assert [name for name, columns in stopped_by.items() if not set(columns) & set(LOCK_DOWN)] == []


RAW = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location(
    "worker", {folder!r} + "/__init__.py", submodule_search_locations=[{folder!r}])
package = importlib.util.module_from_spec(spec)
sys.modules["worker"] = package
spec.loader.exec_module(package)
from worker import probe
"""


def behind_bubblewrap(secret: Path) -> dict[str, str]:
    """Make every attempt in bubblewrap's namespaces, without any lock-down."""
    wall = sandbox_called("bubblewrap")
    assert isinstance(wall, Bubblewrap)
    code = RAW.format(folder=str(WORKER_FOLDER)) + probing(secret, os.getpid())
    command = [shutil.which("bwrap") or "", *wall._options(), str(interpreter())]
    done = subprocess.run(
        [*command, "-I", "-S", "-B", "-c", code], capture_output=True, text=True, check=True
    )
    return outcomes(json.loads(done.stdout))


def behind_docker(secret: Path, runtime: str | None) -> dict[str, str]:
    """Make every attempt in a container, hardened as ever, without any lock-down."""
    wall = sandbox_called("docker" if runtime is None else f"docker+{runtime}")
    assert isinstance(wall, Docker)
    with connected() as client:
        options = wall._options(*wall._image(client))
        python, folder = options["entrypoint"][0], options["entrypoint"][-1]
        code = RAW.format(folder=folder) + probing(secret, os.getpid())
        options |= {"entrypoint": [python, "-I", "-S", "-B", "-c"], "command": [code]}
        container = Container(client, options)
        try:
            return outcomes(json.loads(read_to_the_end(container)))
        finally:
            container.close()


def read_to_the_end(container: Container) -> bytes:
    parts: list[bytes] = []
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        part = container.read(1 << 16)
        if part == b"":
            return b"".join(parts)
        parts += [part or b""]
        time.sleep(0.0 if part else 0.02)
    raise AssertionError(container.log().decode())


@pytest.mark.parametrize("off", [False, True])
def test_an_inherited_secret_is_closed(off: bool, box: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"42")
    without = [LAYERS["descriptors"]] if off else []
    code = f"""
lock(without={without!r})
try: print(json.dumps(os.read({reading}, 2).decode()))
except OSError as error: print(json.dumps(error.strerror))
"""
    try:
        found = run(code, box, pass_fds=(reading,))
    finally:
        os.close(reading)
        os.close(writing)
    assert found == ("42" if off else "Bad file descriptor")


@pytest.mark.skipif(os.getuid() != 0, reason="only root has capabilities")
@pytest.mark.parametrize("off", [False, True])
def test_root_without_capabilities_reads_nobodys_file(off: bool, box: Path) -> None:
    private = box / "private"  # inside what Landlock lets it read
    private.write_text("42")
    private.chmod(0o600)
    os.chown(private, NOBODY, NOBODY)
    without = [LAYERS["capabilities"]] if off else []
    code = f"""
lock(without={without!r})
try: print(json.dumps(open({str(private)!r}).read()))
except OSError as error: print(json.dumps(error.strerror))
"""
    assert run(code, box) == ("42" if off else "Permission denied")


@pytest.mark.parametrize("off", [False, True])
def test_another_process_of_the_same_uid_cannot_look_inside(off: bool, box: Path) -> None:
    who = AS_NOBODY if os.getuid() == 0 else AS_IS
    without = [LAYERS["undumpable"]] if off else []
    code = f"lock(without={without!r}); print('ready', flush=True); sys.stdin.read()"
    with start(code, box, who, stdin=subprocess.PIPE) as worker:
        assert worker.stdout is not None and worker.stdin is not None
        assert worker.stdout.readline() == "ready\n"
        look = f"""
try: print(json.dumps(len(open("/proc/{worker.pid}/environ").read()) > 0))
except OSError as error: print(json.dumps(error.strerror))
"""
        found = run(look, box, who)
        worker.stdin.close()
    assert found == (True if off else "Permission denied")


@pytest.mark.parametrize("off", [False, True])
def test_a_worker_ends_with_its_parent(off: bool, box: Path) -> None:
    without = [LAYERS["parent"]] if off else []
    code = f"""
if os.fork():
    sys.stdin.readline()
    os._exit(0)
lock(without={without!r})
print(json.dumps(os.getpid()), flush=True)
while True: pass
"""
    with start(code, box, stdin=subprocess.PIPE) as parent:
        assert parent.stdout is not None and parent.stdin is not None
        worker = int(parent.stdout.readline())
        parent.stdin.write("end\n")
        parent.stdin.close()
        parent.wait(PATIENCE_S)
        try:
            assert lives_for(worker, 0.5 if off else PATIENCE_S) == off
        finally:
            if off:
                os.kill(worker, signal.SIGKILL)


def lives_for(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except OSError:
            return False
        time.sleep(0.02)
    return True


def test_a_kernel_that_lacks_a_layer_is_refused_unless_the_launcher_supplies_it(box: Path) -> None:
    code = """
lockdown.landlock.version = lambda: (_ for _ in ()).throw(OSError(38, "no Landlock"))
lockdown.is_data_limited = lambda: False
told = []
for supplied in ((), ("files",), ("memory",)):
    try: lockdown.lock_down(keep_fds=(), readable=[], limits=limits.Limits(), supplied=supplied)
    except OSError as error: told.append(error.strerror)
told += [l for l in lockdown.lock_down(
    keep_fds=(), readable=[], limits=limits.Limits(), supplied=("files", "memory")).layers
    if lockdown.INSTEAD in l]
print(json.dumps(told))
"""
    held = "this kernel does not hold a process to RLIMIT_DATA"
    assert run(code, box) == [
        *(held, held, "no Landlock"),
        "rlimits, the container's memory limit instead of RLIMIT_DATA",
        "read-only root instead of landlock",
    ]
