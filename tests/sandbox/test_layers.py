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
from collections.abc import Callable, Collection, Iterator
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
from grader.sandbox.image import OWN_ROOT
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
    "landlock": {
        *("read_secret", "list_secret_folder", "write_tmp"),
        *("read_system_file", "read_own_memory", "list_processes"),
    },
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
    for wall in ("docker", "docker+runsc"):
        note(wall, behind_docker(secret, wall))
    note("docker+runsc+root", behind_docker(secret, "docker+runsc", locked(["own root"])))
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


def behind_docker(secret: Path, name: str, before: str = "") -> dict[str, str]:
    """Make every attempt in a container, hardened as ever, with no lock-down but what is given."""
    wall = sandbox_called(name)
    assert isinstance(wall, Docker)
    with connected() as client:
        options = wall._options(*wall._image(client))
        python, folder = options["entrypoint"][0], options["entrypoint"][-1]
        code = RAW.format(folder=folder) + before + probing(secret, os.getpid())
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


def locked(layers: Collection[str]) -> str:
    """Code that takes steps of the lock-down as it is under gVisor: only these of LAYERS."""
    off = [step for name, step in (LAYERS | IN_GVISOR).items() if name not in layers]
    return f"""
from worker import limits, lockdown
for step in {off!r}:
    setattr(lockdown, step, lambda *_, **__: "off")
lockdown.lock_down(keep_fds=(), readable=[], limits=limits.Limits(), supplied=("memory",),
                   own_root={OWN_ROOT!r})
"""


IN_GVISOR = {"own root": "_change_root"}
GETS_THROUGH_GVISOR = {"read_system_file", "list_processes", "read_secret", "list_secret_folder"}
"""What the container has of its own: Docker's files, and gVisor's /proc."""


@pytest.mark.parametrize("off", [False, True])
def test_without_its_own_root_a_worker_in_gvisor_sees_the_container(off: bool) -> None:
    standing = {*LAYERS, *IN_GVISOR} - ({"own root"} if off else set())
    found = behind_docker(Path("/etc/hosts"), "docker+runsc", locked(standing))
    allowed = {name for name, outcome in found.items() if outcome == "allowed"}
    # RLIMIT_DATA is not held there: the container's memory limit stands for it.
    assert allowed - {"memory_over_limit"} >= (GETS_THROUGH_GVISOR if off else set())
    if not off:
        assert allowed <= {"memory_over_limit"}


def test_what_a_worker_in_gvisor_keeps_of_the_machine_is_closed_for_good() -> None:
    code = (
        locked([*LAYERS, *IN_GVISOR])
        + """
import json, os, sys
told = {}
def attempt(name, act):
    try: act()
    except OSError as error: told[name] = "refused"
    else: told[name] = "allowed"
attempt("read", lambda: open("/proc/cpuinfo").read(1) or 1 / 0)
attempt("count processors", lambda: open("/sys/devices/system/cpu/online").read(1) or 1 / 0)
attempt("random", lambda: open("/dev/urandom", "rb").read(1) or 1 / 0)
attempt("discard", lambda: open("/dev/null", "wb").write(b"x"))
attempt("write", lambda: open("/proc/cpuinfo", "ab"))
attempt("create", lambda: open("/facts/more", "wb"))
attempt("open up", lambda: os.chmod("/facts", 0o700))
attempt("link", lambda: os.link("/proc/cpuinfo", "/facts/more"))
attempt("list packages", lambda: os.listdir(os.path.dirname(PACKAGE)))
for folder in ("/", "/dev", "/etc", "/proc"):
    attempt("list " + folder, lambda: os.listdir(folder))
print(json.dumps([{"name": name, "outcome": said, "detail": ""} for name, said in told.items()]))
sys.stdout.flush()
os._exit(0)
"""
    )
    found = behind_docker(Path("/"), "docker+runsc", code.replace("PACKAGE", repr(a_package())))
    kept = {"read", "count processors", "random", "discard"}
    lists = {"list packages", "list /", "list /dev", "list /etc", "list /proc"}
    refused = {"write", "create", "open up", "link", *lists}
    assert {name for name, outcome in found.items() if outcome == "allowed"} == kept
    assert {name for name, outcome in found.items() if outcome == "refused"} == refused


def a_package() -> str:
    wall = sandbox_called("docker+runsc")
    assert isinstance(wall, Docker)
    with connected() as client:
        return wall._image(client)[1].packages["jax"]


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
lockdown.root.enter = lambda *_: None
def lock_down(supplied, own_root):
    return lockdown.lock_down(
        keep_fds=(), readable=[], limits=limits.Limits(), supplied=supplied, own_root=own_root
    ).layers
for lacking in (((), ""), (("memory",), ""), ((), "/inside")):
    try: lock_down(*lacking)
    except OSError as error: told.append(error.strerror)
print(json.dumps(told + [l for l in lock_down(("memory",), "/inside") if lockdown.INSTEAD in l]))
"""
    assert run(code, box) == [
        *("no Landlock", "no Landlock", "this kernel does not hold a process to RLIMIT_DATA"),
        "rlimits, RLIMIT_AS and the container's memory limit instead of RLIMIT_DATA",
        "root of its own instead of landlock",
    ]
