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
import errno
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from grader import standard_streams
from grader.platforms import NAMES, find, log
from grader.platforms.judging_process import JudgingProcess
from grader.platforms.order import Order, order_for, read_metadata
from grader.platforms.platform import NOT_JUDGED, Delivery, Platform
from grader.platforms.settings import FEEDBACK, read
from grader.report.placing import is_written_through, place
from grader.standard_streams import STDOUT, lead_nowhere

_AGAIN_BEFORE = 0.4
"""Share of the budget after which a child that was lost is not tried again."""
SANDBOXES = ("auto", "docker+runsc", "docker", "bubblewrap", "confined")
"""The command line's names of walls, whose own list needs more than the standard library."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one submission; return the exit code that the platform wants to see."""
    started = time.monotonic()
    standard_streams.hold()
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
        log.problem(f"the platform's metadata cannot be used: {type(error).__name__}: {error}")
        metadata = {}
        fallback = platform.not_judged(platform.circumstances())
    try:
        _put_ahead(fallback, order)
        if "settings" in order.given and not os.path.exists(order.settings):
            # No usage error: whoever waits for the result is a student, and gets one.
            raise FileNotFoundError(f"--settings: there is no file {order.settings}")
        settings = read(order.settings, platform)
        told = platform.not_judged(platform.circumstances(settings.options, metadata))
        if told != fallback:  # a platform that kills both of us shows this one
            fallback = told
            _put_ahead(fallback, order)
        end = started + (budget_s or settings.budget_s or platform.budget_s)
        delivery = _judged(order, started, end, asked) or fallback
    except Exception as error:  # the one promise of this module: there is a result
        log.problem(f"{type(error).__name__}: {error}")
        delivery = fallback
    return _finish(platform, order, delivery)


def _put_ahead(fallback: Delivery, order: Order) -> None:
    """Have the result of an error of ours in place while the submission is judged."""
    if order.result and not is_written_through(Path(order.result)):  # a pipe takes no second
        put(fallback, order.result)


def _judged(order: Order, started: float, end: float, asked: int) -> Delivery | None:
    """Return what a child delivers; one that is lost early is tried once more."""
    for _ in range(2):
        with JudgingProcess(order, end, asked) as child:
            delivery, problem = child.wait()
        if delivery is not None:
            return delivery
        log.problem(problem)
        late = time.monotonic() > started + _AGAIN_BEFORE * (end - started)
        if late or select.select([asked], [], [], 0)[0]:
            break
    return None


def _finish(platform: Platform, order: Order, delivery: Delivery) -> int:
    """Put the result where it belongs; return the exit code."""
    try:
        put(delivery, order.result)
    except OSError as error:
        log.problem(f"the result cannot be written: {error}")
        if not order.result:
            lead_nowhere(STDOUT)
        return NOT_JUDGED
    if delivery.exit_code:
        log.line(platform.sorry)
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
