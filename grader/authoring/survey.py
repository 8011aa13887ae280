"""Put many programs through many suites, several workers at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from grader.authoring.programs import Program
from grader.model import Deadlines, Exercise, Sandbox, Worker
from grader.questions import Questions
from grader.run import Run

_PROGRAMS_PER_WORKER = 12
"""Variants of the reference that share a process; what each compiles stays in its memory."""
_SUITES_PER_WORKER = 20
"""Of one program."""
_MOST_CPU_S = 150
"""A worker behind the wall that has used so much is left for a new one: it is ended at 300, and a
suite costs up to 8 CPU seconds, or 20 on a slow machine. Trusted processes have no such end."""

R = TypeVar("R")
Ask = Callable[[Run, Program, Questions], R]
"""What is asked of one program and one suite; the program is loaded, or has failed to."""


class Errand(NamedTuple):
    """Programs and suites for one worker: each program meets each suite."""

    programs: tuple[Program, ...]
    suites: tuple[Questions, ...]


def errands(programs: Sequence[Program], suites: Sequence[Questions]) -> list[Errand]:
    """Divide the work: variants of the reference share workers, fixtures have their own.

    The first suites come first for every program, so that an early stop has seen everything.
    """
    found = []
    for start in range(0, len(suites), _SUITES_PER_WORKER):
        some = tuple(suites[start : start + _SUITES_PER_WORKER])
        ours: dict[str, list[Program]] = {}
        for program in programs:
            if program.is_ours:
                ours.setdefault(program.settings, []).append(program)
            else:
                found.append(Errand((program,), some))
        for members in ours.values():
            found += [
                Errand(tuple(members[at : at + _PROGRAMS_PER_WORKER]), some)
                for at in range(0, len(members), _PROGRAMS_PER_WORKER)
            ]
    return found


class _Stop:
    """Ends errands early: those between two programs, and those that wait for a worker.

    Attributes:
        is_set: whether they are to end.
    """

    def __init__(self) -> None:
        self._lock, self._workers = Lock(), set[Worker]()
        self.is_set = False

    def set(self) -> None:
        """Have every errand end soon."""
        with self._lock:
            self.is_set = True
            for worker in self._workers:
                worker.give_up()

    @contextmanager
    def reaching(self, worker: Worker) -> Iterator[None]:
        """Let the stop reach a worker while the context lasts, or at once where it came before."""
        with self._lock:
            self._workers.add(worker)
            if self.is_set:
                worker.give_up()
        try:
            yield
        finally:
            with self._lock:
                self._workers.discard(worker)


class Survey(Generic[R]):
    """Ask about many programs.

    Args:
        sandboxes: settings to the processes that variants of the reference run in.
        wall: what fixtures run behind; None when there are none.
        jobs: workers at once.
    """

    def __init__(
        self,
        exercise: Exercise,
        sandboxes: Mapping[str, Sandbox],
        wall: Sandbox | None,
        *,
        jobs: int,
    ) -> None:
        self._exercise, self._sandboxes, self._wall = exercise, sandboxes, wall
        self._jobs = jobs

    def run(self, errands: Sequence[Errand], ask: Ask[R]) -> Iterator[R]:
        """Yield what ask returns for every program and suite, in the order of completion.

        An exception, Ctrl-C's too, ends the errands that are under way.
        """
        stop = _Stop()
        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                futures = [pool.submit(self._do, errand, ask, stop) for errand in errands]
                for future in as_completed(futures):
                    yield from future.result()
            finally:
                # Leaving the pool waits for what runs, and that may be minutes of programs.
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _do(self, errand: Errand, ask: Ask[R], stop: _Stop) -> list[R]:
        """Run one errand; a program that ends its worker costs the others nothing.

        A right fixture is loaded once, so that what it compiles serves every suite. Any other may
        count its calls or remember answers, and starts afresh for each suite. No program pays with
        its worker's life for what the suites before took.
        """
        waiting = [(program, suite) for program in errand.programs for suite in errand.suites]
        waiting.reverse()
        results = []
        while waiting and not stop.is_set:
            opened = self._sandbox_of(errand).open(_deadlines(errand))
            with opened as worker, stop.reaching(worker):
                loaded, is_alive = None, True
                while waiting and is_alive and not stop.is_set:
                    program, suite = waiting.pop()
                    run = Run(self._exercise, worker, lambda done, total: None)
                    if program is not loaded or program.kind != "accepted":
                        run.load(program.source)
                    loaded = program
                    results.append(ask(run, program, suite))
                    is_alive = run.is_alive and (program.is_ours or worker.cpu_s < _MOST_CPU_S)
        return results

    def _sandbox_of(self, errand: Errand) -> Sandbox:
        program = errand.programs[0]
        if program.is_ours:
            return self._sandboxes[program.settings]
        assert self._wall is not None
        return self._wall


def _deadlines(errand: Errand) -> Deadlines:
    """Return the largest deadlines of the suites, and a total that allows for all that is asked."""
    deadlines = [suite.deadlines for suite in errand.suites]
    return Deadlines(
        first_s=max(one.first_s for one in deadlines),
        repeat_s=max(one.repeat_s for one in deadlines),
        total_s=sum(one.total_s for one in deadlines) * len(errand.programs),
    )
