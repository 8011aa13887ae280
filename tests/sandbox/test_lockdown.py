"""A process that locked itself down computes and no more: tried as root, as nobody, in bwrap."""

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from boxed import AS_IS, AS_NOBODY, Who, command, copied_worker, readable_secret, run, start
from processes import PATIENCE_S

from grader.sandbox.worker import landlock, syscalls

MUST_BE_SEEN_OPEN = {
    *("read_secret", "list_secret_folder", "write_tmp", "fork", "exec", "connect_tcp", "flock"),
    *("record_lock", "unix_socket", "abstract_socket", "connect_udp", "memfd", "shared_memory"),
    *("mremap", "pipe", "set_limit", "setuid", "memory_over_limit", "inotify", "splice"),
    *("become_dumpable", "outlive_parent", "grow_stack", "shmget", "priority_futex"),
}
"""Attempts that any plain process can make, so a probe that refuses them here is blind."""


IN_BWRAP = Who(prefix=("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev"))
IN_BWRAP_WITHOUT_PROC = Who(prefix=(*IN_BWRAP.prefix, "--tmpfs", "/proc"))
EVERYONE = {
    "as_is": AS_IS,
    "nobody": AS_NOBODY,
    "bwrap": IN_BWRAP,
    "bwrap_without_proc": IN_BWRAP_WITHOUT_PROC,
}


@pytest.fixture(scope="module")
def box() -> Iterator[Path]:
    with copied_worker() as folder:
        yield folder


@pytest.fixture(scope="module")
def secret() -> Iterator[Path]:
    with readable_secret() as path:
        yield path


def _require(who: Who) -> None:
    if who.prefix and shutil.which(who.prefix[0]) is None:
        pytest.skip(f"{who.prefix[0]} is not installed")
    if who.uid is None:
        return
    if os.getuid() != 0:
        pytest.skip("only root can become another uid")
    ask = "import sys; sys.exit(sys.version_info < (3, 11))"
    if not os.path.exists(who.python) or subprocess.call([who.python, "-c", ask]):
        pytest.skip(f"{who.python} is missing or older than 3.11")


@pytest.fixture(params=list(EVERYONE.values()), ids=list(EVERYONE))
def who(request: pytest.FixtureRequest) -> Who:
    chosen: Who = request.param
    _require(chosen)
    return chosen


def test_every_attempt_is_refused(who: Who, box: Path, secret: Path) -> None:
    arguments = (str(secret), os.getpid())
    facts = run(f"lock(); print(json.dumps(probe.run(*{arguments!r})))", box, who)
    allowed = [fact for fact in facts if fact["outcome"] != "refused"]
    assert len(facts) >= 50
    assert allowed == []


def test_probes_see_an_open_world(box: Path, secret: Path) -> None:
    arguments = (str(secret), os.getpid())
    facts = run(f"print(json.dumps(probe.run(*{arguments!r})))", box)
    outcomes = {fact["name"]: fact["outcome"] for fact in facts}
    assert {name for name in MUST_BE_SEEN_OPEN if outcomes[name] != "allowed"} == set()


def test_layers_are_reported_in_order(who: Who, box: Path) -> None:
    layers = run("print(json.dumps(lock().layers))", box, who)
    assert layers == [
        *("descriptors 0,1,2", "rlimits", "no capabilities", "dies with its parent"),
        *("undumpable", "no_new_privs", f"landlock abi {landlock.version()}"),
        f"seccomp {_callable_count()} syscalls",
    ]


def _callable_count() -> int:
    conditional = 9  # clone, fcntl, futex, ioctl, madvise, mmap, prctl, prlimit64, tgkill
    return len(set(syscalls.ALLOWED) & set(syscalls.table())) + conditional


def test_capabilities_are_gone(who: Who, box: Path) -> None:
    code = """
lockdown._drop_capabilities()  # alone: the filter refuses capget
sets = lockdown._capabilities()
bounding = [n for n in range(41) if lockdown.syscalls.prctl(23, n)]
print(json.dumps([any(sets), bounding, os.getuid()]))
"""
    some_set, bounding, uid = run(code, box, who)
    assert not some_set
    if uid == 0:
        assert bounding == []


def test_inherited_descriptors_are_closed_but_the_kept(box: Path) -> None:
    kept, other = os.pipe()
    code = f"""
lock(keep_fds=[{other}])
def is_open(fd):
    try: os.fstat(fd)
    except OSError: return False
    return True
print(json.dumps([fd for fd in range(256) if is_open(fd)]))
"""
    try:
        found = run(code, box, pass_fds=(kept, other))
    finally:
        os.close(kept)
        os.close(other)
    assert found == [0, 1, 2, other]


def test_a_second_thread_is_an_error(box: Path) -> None:
    code = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
try: lock()
except RuntimeError as error: print(json.dumps(str(error)))
"""
    for who in (AS_IS, IN_BWRAP_WITHOUT_PROC):
        if not who.prefix or shutil.which(who.prefix[0]):
            assert "threads run already" in run(code, box, who)


def test_what_is_needed_still_works(who: Who, box: Path) -> None:
    code = """
lock()
import threading, random, time, secrets
seen = []
threads = [threading.Thread(target=lambda: seen.append(time.time())) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
grown = []
for number in range(2_000_000): grown.append(number)  # realloc of mapped memory, without mremap
with open(os.devnull, "w") as null: null.write("x")
with open(probe.__file__) as file: text = file.read()
print(json.dumps([len(seen), len(grown), len(secrets.token_bytes(8)), len(text) > 100]))
"""
    assert run(code, box, who) == [16, 2_000_000, 8, True]


def test_memory_is_limited_and_raises(box: Path) -> None:
    code = """
lock(data_bytes=256 << 20)
try: bytearray(300 << 20)
except MemoryError: print(json.dumps(len(bytearray(100 << 20))))
"""
    assert run(code, box) == 100 << 20


@pytest.mark.parametrize(
    ("before", "ending"),
    [
        ("", signal.SIGXCPU),
        ("import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)", signal.SIGKILL),
    ],
)
def test_processor_time_ends_an_endless_loop(
    before: str, ending: signal.Signals, box: Path
) -> None:
    with start(f"{before}\nlock(cpu_s=1)\nwhile True: pass", box) as process:
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -ending


def test_worker_dies_with_its_parent(box: Path) -> None:
    worker = command("lock(); print('ready', flush=True); import time; time.sleep(900)", box, AS_IS)
    parent = f"""
import subprocess
worker = subprocess.Popen({worker!r}, stdout=subprocess.PIPE)
worker.stdout.readline()
os._exit(0)
"""
    with start(parent, box) as process:
        _, err = process.communicate(
            timeout=PATIENCE_S
        )  # returns when nobody holds stderr any more
    assert (process.returncode, err) == (0, "")


def test_an_abort_reaches_only_itself(box: Path) -> None:
    with start("lock(); os.abort()", box) as process:
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGABRT


@pytest.mark.parametrize(
    ("code", "repair"),
    [(errno.ENOSYS, "5.13"), (errno.EOPNOTSUPP, "lsm="), (errno.EPERM, "Docker")],
)
def test_missing_landlock_names_its_repair(
    code: int, repair: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, *_: object) -> int:
        raise OSError(code, os.strerror(code), name)

    monkeypatch.setattr(syscalls, "call", refuse)
    with pytest.raises(OSError, match=repair) as caught:
        landlock.restrict(["/usr"])
    assert caught.value.errno == code


def test_missing_paths_are_skipped(box: Path) -> None:
    code = "print(json.dumps(lockdown.landlock.restrict(['/nonexistent/here', '/usr']) > 0))"
    assert run(code, box) is True


def test_jax_and_flax_run_behind_the_wall(box: Path) -> None:
    pytest.importorskip("flax")
    code = """
lock()
import threading
import jax, numpy as np
from flax import nnx
conv = nnx.Conv(3, 4, (3, 3), rngs=nnx.Rngs(0))
norm = nnx.BatchNorm(4, rngs=nnx.Rngs(0))
def forward(size):
    y = norm(conv(jax.numpy.ones((size, size, 3))), use_running_average=False)
    return float(np.abs(np.asarray(y.mean((0, 1)))).max())
small, large = forward(5), forward(64)  # the large one takes YNNPACK, which reads cpuinfo
jitted = float(nnx.jit(lambda conv, y: conv(y).sum())(conv, jax.numpy.zeros((64, 64, 3))))
product = jax.numpy.ones((900, 900)) @ jax.numpy.ones((900, 900))  # on all cores
others = [threading.Thread(target=forward, args=(size,)) for size in range(6, 10)]
for thread in others: thread.start()
for thread in others: thread.join()
print(json.dumps([small < 10, large < 10, jitted, float(product[0, 0])]))
"""
    assert run(code, box) == [True, True, 0.0, 900.0]
