"""Containers are denied all that can be denied; what Docker does wrong is never a verdict."""

import gc
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import CACHE, ROOT, sandbox_called, submission

from grader.errors import (
    MemoryLimitExceeded,
    OutputLimitExceeded,
    RunError,
    SandboxError,
    TimeLimitExceeded,
)
from grader.judge import Judge
from grader.model import Deadlines, Exercise, Sandbox
from grader.oracle import Oracle
from grader.runtime import compile_cache
from grader.sandbox import daemon
from grader.sandbox.choice import choose
from grader.sandbox.container import Container, Demultiplexer
from grader.sandbox.daemon import connected
from grader.sandbox.docker import Docker, DockerRunsc
from grader.sandbox.leftovers import LABEL, owner
from grader.sandbox.session import Session
from grader.sandbox.setup import Setup

pytestmark = pytest.mark.usefixtures("images")

LOOP = b"def f(x):\n    while True: pass"
ONE = [np.float64(1)]


@pytest.fixture(params=[DockerRunsc.name, Docker.name])
def container_wall(request: pytest.FixtureRequest) -> Sandbox:
    return sandbox_called(request.param)


def own_containers(client: Any, *, stopped_too: bool = False) -> list[str]:
    found = client.api.containers(all=stopped_too, filters={"label": f"{LABEL}={owner()}"})
    return [one["Id"] for one in found]


def made() -> list[str]:
    """All containers of this judge, stopped ones too."""
    with connected() as client:
        return own_containers(client, stopped_too=True)


def soon(action: str) -> None:
    """Do something to this judge's container in a moment, from outside."""

    def act() -> None:
        with connected() as client:
            for container in own_containers(client):
                if action == "kill":
                    client.api.kill(container)
                else:
                    client.api.remove_container(container, force=True)

    threading.Timer(0.3, act).start()


def test_a_container_is_denied_all_that_can_be_denied(container_wall: Sandbox) -> None:
    with container_wall.open(Deadlines()), connected() as client:
        (container,) = own_containers(client)
        told = client.api.inspect_container(container)
    host = told["HostConfig"]
    # Under gVisor its own threads count as well.
    denied = DENIED | {"PidsLimit": 1024 if "runsc" in container_wall.name else 256}
    assert {name: host[name] for name in denied} == denied
    binds = {mount["Destination"]: mount for mount in told["Mounts"] if mount["Type"] == "bind"}
    writable = {one["Source"] for one in binds.values() if one["RW"]}
    assert writable == ({"/dev/null"} if "runsc" in container_wall.name else set())
    assert {one["Source"] for one in binds.values()} <= {
        *("/dev/null", "/dev/urandom", str(compile_cache(CACHE))),
    }
    assert told["Config"]["User"] == "65534:65534"
    # On Linux a kernel without Landlock is refused, as the threat model says.
    config = json.loads(told["Config"]["Cmd"][-1])
    assert ("own_root" in config) == ("runsc" in container_wall.name)
    assert not [line for line in told["Config"]["Env"] if "proxy" in line.lower()]
    limits = {one["Name"]: one["Hard"] for one in host["Ulimits"]}
    assert limits == {"nofile": 256, "core": 0}


DENIED = {
    "NetworkMode": "none",
    "IpcMode": "none",
    "ReadonlyRootfs": True,
    "Privileged": False,
    "CapDrop": ["ALL"],
    "CapAdd": None,
    "SecurityOpt": ["no-new-privileges:true"],
    "Memory": 7 << 28,
    "MemorySwap": 7 << 28,
    "NanoCpus": 10**9,
    "LogConfig": {"Type": "none", "Config": {}},
    "Devices": None,
    "AutoRemove": False,
}


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        (b"import ctypes\ndef f(x):\n    import os\n"
         b"    ctypes.CDLL(None).syscall(%d, os.getpid(), os.getpid(), 9)", RunError, "SIGKILL"),
        (b"import os\ndef f(x): os._exit(193)", RunError, "exit code"),
        (b"import os\ndef f(x): os._exit(194)", RunError, "exit code"),
        (b"import os\ndef f(x): os._exit(195)", RunError, "exit code"),
        (b"import ctypes\ndef f(x): ctypes.string_at(0)", RunError, "SIGSEGV"),
        (b"def f(x):\n    while True:\n        try: print('x' * 65536)\n"
         b"        except Exception: pass", OutputLimitExceeded, "printed"),
        (b"import mmap\nheld = []\ndef f(x):\n    while True:\n"
         b"        held.append(mmap.mmap(-1, 1 << 24, flags=0x22))\n"
         b"        held[-1][::4096] = bytes(4096)\n"
         b"        import ctypes\n"
         b"        a = ctypes.addressof(ctypes.c_char.from_buffer(held[-1]))\n"
         b"        ctypes.CDLL(None).mprotect(ctypes.c_void_p(a), 1 << 24, 1)",
         MemoryLimitExceeded, "memory"),
    ],
    ids=["kills_itself", "exit_like_the_guard_193", "exit_like_the_guard_194",
         "exit_like_the_guard_195", "crash", "endless_print", "out_of_memory"],
)  # fmt: skip
def test_what_a_submission_does_to_itself_is_its_verdict(
    container_wall: Sandbox, source: bytes, error: type[Exception], says: str
) -> None:
    if b"%d" in source:
        from grader.sandbox.worker.syscalls import table

        source %= table()["tgkill"]
    with container_wall.open(Deadlines(first_s=60.0)) as worker:
        worker.load(source, "f")
        with pytest.raises(error, match=says):
            worker.call(ONE, first=True)


@pytest.mark.parametrize("action", ["kill", "remove"])
def test_a_container_that_somebody_ends_is_our_fault(container_wall: Sandbox, action: str) -> None:
    with container_wall.open(Deadlines(first_s=60.0)) as worker:
        worker.load(LOOP, "f")
        soon(action)
        with pytest.raises(SandboxError, match=r"from outside|lost"):
            worker.call(ONE, first=True)


class EndedOnce:
    """A wall whose first container is killed as soon as it is ready."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.name, self.problem, self._sandbox = sandbox.name, sandbox.problem, sandbox
        self.opened = 0

    @contextmanager
    def open(self, deadlines: Deadlines) -> Iterator[Session]:
        with self._sandbox.open(deadlines) as worker:
            assert isinstance(worker, Session)
            self.opened += 1
            if self.opened == 1:
                with connected() as client:
                    client.api.kill(own_containers(client)[0])
            yield worker


def test_a_lost_container_is_tried_again_and_costs_nothing(
    exercise: Exercise, oracle: Oracle
) -> None:
    wall = EndedOnce(sandbox_called("docker"))
    right = (exercise.fixtures / "accepted" / "plain" / "submission.py").read_bytes()
    report = Judge(exercise, wall, oracle, cases=5).grade(submission(right))
    assert (report.verdict, report.score, wall.opened) == ("accepted", 100, 2)


@contextmanager
def daemon_that_can_die(path: Path, *, notices: bool = True) -> Iterator[list[socket.socket]]:
    """Pass connections on to the real daemon; closing the sockets in the list is its death.

    They are the server, then two a connection: the judge's side and the daemon's.

    Args:
        notices: whether the daemon hears of it when the judge's side ends.
    """
    ends: list[socket.socket] = []
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    ends.append(server)

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            if notices:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve() -> None:
        try:
            while True:
                near, _ = server.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(daemon.SOCKET)
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield ends
    finally:
        die(ends)


def die(ends: list[socket.socket]) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


# The SDK (7.2) forgets to close a socket that cannot connect.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_daemon_that_dies_is_our_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox_called("docker")
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    lose_the_daemon(path)
    gc.collect()  # now that no frame holds the errors: what they hold would be another test's
    monkeypatch.delenv("DOCKER_HOST")
    with connected() as client:  # it could not be removed through the dead daemon
        for container in client.api.containers(all=True, filters={"label": f"{LABEL}={owner()}"}):
            client.api.remove_container(container["Id"], force=True)


def lose_the_daemon(path: Path) -> None:
    wall = Docker(Setup(None))
    with daemon_that_can_die(path) as ends:
        assert wall.problem() is None
        with wall.open(Deadlines(first_s=60.0)) as worker:
            worker.load(LOOP, "f")

            def stop() -> None:
                die(ends)
                path.unlink()

            threading.Timer(0.3, stop).start()
            with pytest.raises(SandboxError, match="lost"):
                worker.call(ONE, first=True)
        assert "does not answer" in str(wall.problem())


def test_a_connection_that_breaks_is_our_fault(
    container_wall: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a forward by ssh ends: the daemon and the container live on."""
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with daemon_that_can_die(path) as ends, container_wall.open(Deadlines(first_s=60.0)) as worker:
        worker.load(LOOP, "f")
        threading.Timer(0.3, lambda: die(ends[1:])).start()
        with pytest.raises(SandboxError, match="connection"):
            worker.call(ONE, first=True)
    gc.collect()
    monkeypatch.delenv("DOCKER_HOST")
    with connected() as client:
        assert own_containers(client) == []


@pytest.mark.parametrize("asked", ["before", "after"])
def test_a_connection_whose_end_only_we_see_is_our_fault(
    asked: str, container_wall: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a router resets it: the daemon believes in it for hours, and the guard with it."""
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    far_ends_live = daemon_that_can_die(path, notices=False)
    with far_ends_live as ends, container_wall.open(Deadlines(first_s=60.0)) as worker:
        worker.load(LOOP, "f")
        if asked == "before":
            threading.Timer(0.3, lambda: die(ends[1::2])).start()
        else:
            die(ends[1::2])
        with pytest.raises(SandboxError, match="connection"):
            worker.call(ONE, first=True)
    gc.collect()
    monkeypatch.delenv("DOCKER_HOST")
    assert made() == []


@pytest.mark.parametrize("error", [ConnectionResetError, TimeoutError, ssl.SSLEOFError])
def test_however_a_socket_fails_its_connection_has_ended(error: type[OSError]) -> None:
    def fail(*_: Any) -> None:
        raise error

    container = Container.__new__(Container)
    container._demultiplexer = Demultiplexer()
    container._socket = SimpleNamespace(recv=fail, send=fail)
    assert container.read(1) == b""
    with pytest.raises(BrokenPipeError):
        container.write(memoryview(b"x"))


def test_a_worker_that_closes_its_streams_cannot_make_it_a_lost_connection(
    container_wall: Sandbox,
) -> None:
    source = b"import os\ndef f(x):\n    os.closerange(0, 256)\n    while True: pass"
    with container_wall.open(Deadlines(first_s=5.0)) as worker:
        worker.load(source, "f")
        with pytest.raises(TimeLimitExceeded):
            worker.call(ONE, first=True)


def no_start(options: dict[str, Any]) -> None:
    options["entrypoint"] = ["/nonexistent"]


def no_lock_down(options: dict[str, Any]) -> None:
    options["command"] = [json.dumps({"packages": {}, "readable": [], "limits": {}, "guarded": 9})]


@pytest.mark.parametrize("fault", [no_start, no_lock_down])
def test_auto_passes_by_a_daemon_whose_workers_do_not_start(
    fault: Callable[[dict[str, Any]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a broken runtime, or a kernel where the image's worker cannot lock itself down."""
    sandbox_called("docker")
    sandbox_called("bubblewrap")
    whole = Docker._options

    def faulty(*arguments: Any) -> dict[str, Any]:
        options = whole(*arguments)
        fault(options)
        return options

    monkeypatch.setattr(Docker, "_options", faulty)
    with closing(choose("auto", Setup(None))) as wall:
        assert wall.name == "bubblewrap"
    assert "not start" in str(Docker(Setup(None)).problem())
    assert made() == []


@pytest.mark.parametrize("asked", ["leftovers.sweep", "daemon.limits_problem"])
def test_auto_passes_by_a_daemon_that_refuses_to_tell(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one behind a proxy that lets nobody list containers."""
    sandbox_called("docker")
    sandbox_called("bubblewrap")
    from docker.errors import APIError

    def refuse(*_: Any) -> None:
        raise APIError("403 Forbidden")

    monkeypatch.setattr(f"grader.sandbox.{asked}", refuse)
    with closing(choose("auto", Setup(None))) as wall:
        assert wall.name == "bubblewrap"
    assert "403 Forbidden" in str(Docker(Setup(None)).problem())


def test_the_worker_that_the_preflight_started_serves_first_and_once(
    container_wall: Sandbox,
) -> None:
    assert [container_wall.problem(), container_wall.problem()] == [None, None]
    (tried,) = made()
    with container_wall.open(Deadlines(first_s=60.0)) as worker:
        assert made() == [tried]
        worker.load(b"f = print", "f")
        with container_wall.open(Deadlines()):
            assert len(made()) == 2
    assert made() == []
    with container_wall.open(Deadlines()):
        assert tried not in made()
    assert made() == []


def test_a_tried_worker_that_ended_while_it_waited_is_no_submissions_fault() -> None:
    wall = sandbox_called("docker")
    assert wall.problem() is None
    (tried,) = made()
    with connected() as client:
        client.api.kill(tried)
        client.api.wait(tried)
    with wall.open(Deadlines(first_s=60.0)) as worker:
        worker.load(b"f = print", "f")
    assert made() == []


def test_whoever_closes_a_wall_ends_the_worker_that_was_tried() -> None:
    wall = sandbox_called("docker")
    assert wall.problem() is None
    assert len(made()) == 1
    wall.close()
    assert made() == []
    for workers in ("fresh", "auto"):
        with closing(choose("auto", Setup(None), workers=workers)):
            assert len(made()) == 1
        assert made() == []
    with pytest.raises(SandboxError, match="forks no workers"):
        choose("auto", Setup(None), workers="fork")
    assert made() == []


def test_a_missing_image_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox_called("docker")
    monkeypatch.setenv("GRADER_WORKER_IMAGE", "no-such-image:1")
    wall = Docker(Setup(None))
    assert "docker build --target worker -t no-such-image:1" in str(wall.problem())
    with pytest.raises(SandboxError, match="docker build"), wall.open(Deadlines()):
        pass


def test_an_image_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox_called("docker")
    monkeypatch.setattr("grader.sandbox.image.worker_digest", lambda: "0" * 64)
    assert "another version" in str(Docker(Setup(None)).problem())


def test_a_missing_runtime_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox_called("docker")
    monkeypatch.setattr(DockerRunsc, "_runtime", "no-such-runtime")
    assert "no-such-runtime install" in str(DockerRunsc(Setup(None)).problem())


def test_a_daemon_that_cannot_hold_limits_is_refused() -> None:
    def problem(version: str, **told: Any) -> str | None:
        client = SimpleNamespace(api=SimpleNamespace(_version=version), info=lambda: told)
        return daemon.limits_problem(client)

    complete = ["name=seccomp,profile=default"]
    assert problem("1.41", SecurityOptions=complete) is None
    assert "processes, system calls" in str(problem("1.45", SecurityOptions=[], PidsLimit=False))
    assert "update" in str(problem("1.39", SecurityOptions=complete))


@pytest.mark.parametrize(("left", "told"), [(False, "install Docker"), (True, "is it running?")])
def test_where_docker_is_plainly_absent_nothing_is_imported(
    left: bool, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "docker.sock"
    if left:  # as by a daemon that was stopped
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(path))
    code = (
        "import sys\n"
        "from grader.sandbox import daemon\n"
        f"daemon.SOCKET = {str(path)!r}\n"
        "from grader.sandbox.docker import Docker\n"
        "from grader.sandbox.setup import Setup\n"
        "print(Docker(Setup(None)).problem(), 'docker' in sys.modules, 'requests' in sys.modules)"
    )
    environment = {name: text for name, text in os.environ.items() if name != "DOCKER_HOST"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, cwd=ROOT, env=environment,
    )  # fmt: skip
    assert told in done.stdout
    assert done.stdout.endswith(" False False\n")


def test_a_judge_in_a_container_takes_the_cache_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon sees no file of such a judge."""
    sandbox_called("docker")
    elsewhere = tmp_path / "cache"
    elsewhere.mkdir()
    wall = Docker(Setup(elsewhere))
    whole = wall._options

    def unseen(*arguments: Any) -> dict[str, Any]:
        options = whole(*arguments)
        options["mounts"][0]["Source"] = "/nonexistent/cache"
        return options

    monkeypatch.setattr(wall, "_options", unseen)
    with wall.open(Deadlines()) as worker:
        worker.load(b"import os\ndef f(x): raise RuntimeError(len(os.listdir(%r)))"
                    % "/opt/nnx-grader/compile", "f")  # fmt: skip
        with pytest.raises(RunError) as caught:
            worker.call(ONE, first=True)
    assert int(str(caught.value.evidence["said"])) > 20


@pytest.mark.parametrize("cut", [1, 3, 8, 4096])
def test_the_stream_is_parted_wherever_it_is_cut(cut: int) -> None:
    stream = b"\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\3log\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\1!"
    parted = Demultiplexer()
    for start in range(0, len(stream), cut):
        parted.feed(stream[start : start + cut])
    assert parted.take(2) + parted.take(100) == b"hello!"
    assert (bytes(parted.log), parted.printed_bytes) == (b"log", 3)


def test_only_the_end_of_an_endless_log_is_kept() -> None:
    parted = Demultiplexer()
    for _ in range(100):
        parted.feed(b"\2\0\0\0\0\0\4\0" + b"x" * 1020 + b"end\n")
    assert (len(parted.log), parted.printed_bytes) == (4096, 102400)
