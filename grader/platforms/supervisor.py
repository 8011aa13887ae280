"""Leave the right result on a platform, whatever happens: the entry point of its containers.

    supervisor -- writes the result of an error of ours, first of all
        `- child -- judges, and hands one line with the result back through a pipe
    supervisor -- writes that result in its place, or leaves the first one

The child may crash, fail to import, run out of memory or be killed; the supervisor knows nothing
but the standard library and needs none of what may break. It ends the child before the platform
would end both, and tries a child that was lost once more while there is time. A signal that asks it
to end is noticed where it waits, never between a child's start and the place that ends the child.
"""

import argparse
import base64
import errno
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.platforms import NAMES, find
from grader.platforms.order import Order, order_for, read_metadata
from grader.platforms.platform import NOT_JUDGED, SORRY, Delivery, Platform
from grader.platforms.settings import FEEDBACK, read
from grader.report.placing import is_written_through, place

_MOST_BYTES = 64 << 20
_AGAIN_BEFORE = 0.4
"""Share of the budget after which a child that was lost is not tried again."""
_POLL_S = 0.05
SANDBOXES = ("auto", "docker+runsc", "docker", "bubblewrap", "confined")
"""The command line's names of walls, whose own list needs more than the standard library."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one submission; return the exit code that the platform wants to see."""
    started = time.monotonic()
    given = _parser().parse_args(arguments)
    platform = find(given.platform)
    order = order_for(
        platform,
        given.root,
        submission=given.submission,
        result=given.output,
        settings=given.settings,
        metadata=given.metadata,
        exercise=given.exercise,
        feedback=given.feedback,
        sandbox=given.sandbox,
    )
    return supervise(
        platform, order, started=started, budget_s=given.budget_s, asked=_asked_to_end()
    )


def _asked_to_end() -> int:
    """Return a descriptor that can be read once somebody asked this process to end."""
    asked, ask = os.pipe()
    os.set_blocking(ask, False)
    signal.set_wakeup_fd(ask, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return asked


def supervise(
    platform: Platform, order: Order, *, started: float, budget_s: float, asked: int
) -> int:
    """Have a submission judged within a budget, with a result in place all the time.

    Args:
        started: on the monotonic clock.
        budget_s: 0 for the settings' or the platform's own.
        asked: a descriptor that can be read once this process is to end.
    """
    metadata = read_metadata(order.metadata)
    try:
        fallback = platform.not_judged(platform.circumstances(metadata=metadata))
    except Exception as error:  # whatever the platform wrote, a result comes first
        _say(f"the platform's metadata cannot be used: {type(error).__name__}: {error}")
        metadata = {}
        fallback = platform.not_judged(platform.circumstances())
    try:
        if order.result and not is_written_through(Path(order.result)):  # a pipe takes no second
            put(fallback, order.result)
        if "settings" in order.given and not os.path.exists(order.settings):
            # No usage error: whoever waits for the result is a student, and gets one.
            raise FileNotFoundError(f"--settings: there is no file {order.settings}")
        settings = read(order.settings, platform)
        fallback = platform.not_judged(platform.circumstances(settings.options, metadata))
        end = started + (budget_s or settings.budget_s or platform.budget_s)
        delivery = _judged(order, started, end, asked) or fallback
    except Exception as error:  # the one promise of this module: there is a result
        _say(f"{type(error).__name__}: {error}")
        delivery = fallback
    return _finish(order, delivery)


def _judged(order: Order, started: float, end: float, asked: int) -> Delivery | None:
    """Return what a child delivers; one that is lost early is tried once more."""
    for _ in range(2):
        with Child(order, end, asked) as child:
            delivery, problem = child.wait()
        if delivery is not None:
            return delivery
        _say(problem)
        late = time.monotonic() > started + _AGAIN_BEFORE * (end - started)
        if late or select.select([asked], [], [], 0)[0]:
            break
    return None


@dataclass
class Child:
    """The process that judges, and the pipe through which it answers."""

    order: Order
    end: float
    asked: int

    def __enter__(self) -> "Child":
        self._reply, theirs = os.pipe()
        # -P: a folder that happens to be the current one may be the student's.
        command = [sys.executable, "-P", "-m", "grader.platforms.child"]
        command += [self.order.to_json(), str(os.getpid()), str(theirs), repr(self.end)]
        try:
            # What it prints goes to the log; standard output is for the result.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                pass_fds=(theirs,),
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        return self

    def __exit__(self, *_: object) -> None:
        """End the child and whatever it started in its session."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._reply)

    def wait(self) -> tuple[Delivery | None, str]:
        """Return what it delivers, else what went wrong."""
        data = b""
        while len(data) < _MOST_BYTES:
            problem = self._interruption([self._reply], self.end)
            if problem:
                return None, problem
            part = os.read(self._reply, 1 << 16)
            if not part:
                break
            data += part
        if data.endswith(b"\n"):  # it may hang when it ends: what it said is said
            return unpack(data), ""
        while self._process.poll() is None:  # no pidfd: an old gVisor has none
            problem = self._interruption([], min(self.end, time.monotonic() + _POLL_S))
            if problem:
                return None, problem
        code = self._process.returncode
        return None, f"the process that judges ended without a result ({_ending(code)})"

    def _interruption(self, awaited: list[int], until: float) -> str:
        """Wait for a descriptor, or for a time; return why to wait no longer, if that is so."""
        left = max(0.0, until - time.monotonic())
        readable = select.select([*awaited, self.asked], [], [], left)[0]
        if readable == [self.asked]:
            return "it was told to end before the submission was judged"
        if not readable and time.monotonic() >= self.end:
            return "the time budget is used up"
        return ""


def pack(delivery: Delivery) -> bytes:
    """Return a delivery as one line."""
    fields = {
        "document": _encoded(delivery.document),
        "beside": {name: _encoded(data) for name, data in delivery.beside.items()},
        "exit_code": delivery.exit_code,
    }
    return json.dumps(fields).encode() + b"\n"


def unpack(line: bytes) -> Delivery:
    """Return a delivery from its line."""
    fields = json.loads(line)
    document = fields["document"]
    return Delivery(
        document=None if document is None else base64.b64decode(document),
        beside={name: base64.b64decode(data) for name, data in fields["beside"].items()},
        exit_code=fields["exit_code"],
    )


def _encoded(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _finish(order: Order, delivery: Delivery) -> int:
    """Put the result where it belongs; return the exit code."""
    try:
        put(delivery, order.result)
    except OSError as error:
        _say(f"the result cannot be written: {error}")
        return NOT_JUDGED
    if delivery.exit_code:
        print(SORRY, file=sys.stderr)
    return delivery.exit_code


def put(delivery: Delivery, result: str) -> None:
    """Write all files of a delivery, the document last; each whole, or not at all.

    Args:
        result: path of the document; "" prints it, and nothing else.
    """
    if not result:
        sys.stdout.buffer.write(delivery.document or b"")
        sys.stdout.flush()
        return
    target = Path(result)
    if target.is_dir():  # "." and "/" have no name to put a temporary file beside
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), result)
    target.parent.mkdir(parents=True, exist_ok=True)
    for name, data in delivery.beside.items():
        place(target.with_name(name), data)
    if delivery.document is not None:
        place(target, delivery.document)


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _say(problem: str) -> None:
    print(f"grader: internal error: {problem}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grader run",
        description="Judge one submission where a platform left it, and leave the result there.",
    )
    parser.add_argument("--platform", required=True, choices=NAMES)
    parser.add_argument("--submission", help="file or folder, in place of the platform's own")
    parser.add_argument("--exercise", help="its name, or the path of its folder")
    parser.add_argument("--settings", help="a grading.toml, in place of the platform's own")
    parser.add_argument("--metadata", help="a file, in place of the platform's own")
    parser.add_argument("--output", help="where the result goes, in place of the platform's own")
    parser.add_argument("--feedback", choices=FEEDBACK, help="how much students see")
    parser.add_argument("--sandbox", default="auto", choices=SANDBOXES, help="the wall")
    parser.add_argument(
        "--root", default="", help="where the platform's folders lie; / if not given"
    )
    parser.add_argument("--budget-s", type=_budget, default=0.0, help="seconds for everything")
    return parser


def _budget(text: str) -> float:
    """Return seconds; inf and nan would never end, or end before the result is read."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"takes seconds, more than 0 and below 1e9, not {text!r}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
