"""The pool gives every entry one row, whatever its jobs do; a failure of ours is tried again."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from processes import PATIENCE_S
from rows import row
from starting import to_grade

from grader.batch import memory, pool
from grader.batch.entry import Entry, Piece, Row
from grader.batch.gathering import gather
from grader.batch.messages import (
    Answer,
    Copy,
    Done,
    Failed,
    Grade,
    Prepare,
    Prepared,
    Question,
    Read,
    Readable,
    Start,
)
from grader.batch.pool import Pool
from grader.batch.reports import make_folders
from grader.errors import InternalError
from grader.model import Sandbox
from grader.peer.asking import PeerEnded
from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.lending import Lent
from grader.sandbox.setup import Setup, Step

START = Start(
    exercise="x",
    sandbox="auto",
    workers="auto",
    seed="s",
    cases=1,
    source=b"",
    output=b"",
    feedback="full",
)


def no_templates(rehearsal: Sequence[Step]) -> Sandbox:
    return Bubblewrap(Setup(None))


class Jobs:
    """Jobs that read an entry's name as what to do: "same", "broken", "fails 1", "crashes 9"..."""

    def __init__(self, *, prepares: bool = True) -> None:
        self.prepares = prepares
        self.asked: Counter[str] = Counter()
        self.started = self.ended = 0
        self.send_away: Callable[[int], None] = lambda pid: None
        self.lock = threading.Lock()

    def start(self, start: Start, lent: Mapping[str, Lent]) -> "Fake":
        assert msgspec.structs.replace(start, workers="auto") == START
        assert not lent
        with self.lock:
            self.started += 1
        return Fake(self, start.workers)

    def count(self, what: str) -> int:
        with self.lock:
            self.asked[what] += 1
            return self.asked[what]


class Fake:
    """One of them."""

    has_templates = False

    def __init__(self, jobs: Jobs, workers: str) -> None:
        self.workers = workers
        self.jobs, self.pid = jobs, -jobs.count("start")
        self.entry: Entry | None = None

    def ask(self, question: Question) -> Answer:
        self.jobs.count(type(question).__name__)
        if isinstance(question, Prepare):
            return Prepared([]) if self.jobs.prepares else Failed("no wall")
        if isinstance(question, Read):
            self.entry = question.entry
            if self.entry.id.startswith("broken"):
                return Done(row(self.entry.id, verdict="invalid_submission", sha256=""))
            return Readable(self.entry.id.partition(" copy")[0])
        assert self.entry is not None
        times = self.jobs.count(self.entry.id)
        if self.entry.id.startswith("greedy") and times == 1:
            self.jobs.send_away(self.pid)
            if "late" in self.entry.id:  # it saw no end of a worker that was stopped
                return Done(row(self.entry.id, verdict="time_limit"))
            raise PeerEnded("signal 9")
        if self.entry.id.startswith("greedy"):
            assert self.workers == "fresh"
            assert self.jobs.started - self.jobs.ended == 1, "it is not alone"
        what, _, bad = self.entry.id.partition(" copy")[0].partition(" ")
        if bad.isdigit() and times <= int(bad):
            if what == "crashes":
                raise PeerEnded("signal 9")
            return Failed("disk full")
        copied = question.report if isinstance(question, Copy) else ""
        assert isinstance(question, Copy | Grade)
        verdict = "internal_error" if what == "ours" else "wrong_answer"
        return Done(row(self.entry.id, diagnosis=copied, verdict=verdict))

    def roots(self) -> list[int]:
        return [self.pid]

    def kill(self) -> None:
        pass

    def end(self) -> None:
        pass

    def close(self) -> None:
        time.sleep(0.02)  # a process takes its time
        with self.jobs.lock:
            self.jobs.ended += 1


def grade(
    jobs: Jobs, *names: str, monkeypatch: pytest.MonkeyPatch, count: int = 3, **originals: str
) -> dict[str, Row]:
    monkeypatch.setattr(pool, "JobProcess", jobs.start)
    entries = [Entry(name, [Piece(b"", "")], "s", []) for name in names]
    rows: dict[str, Row] = {}
    made = Pool(
        START, entries, jobs=count, originals=originals, max_score=100, open_wall=no_templates
    )
    jobs.send_away = made._send_away
    with made as opened:
        for _ in entries:
            result = opened.results.get(timeout=PATIENCE_S)
            if isinstance(result, BaseException):
                raise result
            assert result.id not in rows
            rows[result.id] = result
    assert jobs.started == jobs.ended
    assert sorted(rows) == sorted(names)
    return rows


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_entry_has_a_row(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    names = [f"n{number}" for number in range(40)] + [f"broken{number}" for number in range(9)]
    jobs = Jobs()
    grade(jobs, *names, monkeypatch=monkeypatch, count=count)
    assert jobs.asked["Prepare"] == 1
    assert jobs.started <= count


@pytest.mark.parametrize("count", [1, 4])
def test_identical_sources_are_graded_once(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    jobs = Jobs()
    names = ["same", *(f"same copy {number}" for number in range(20))]
    rows = grade(jobs, *names, monkeypatch=monkeypatch, count=count)
    assert (jobs.asked["Grade"], jobs.asked["Copy"]) == (1, 20)
    assert len({one.diagnosis for one in rows.values()} - {""}) == 1


def test_what_was_graded_before_is_copied_and_nothing_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = Jobs()
    rows = grade(jobs, "same copy", "broken", monkeypatch=monkeypatch, same="older")
    assert rows["same copy"].diagnosis == "older"
    assert jobs.asked["Grade"] == jobs.asked["Prepare"] == 0


@pytest.mark.parametrize("kind", ["fails", "crashes"])
def test_a_failure_of_ours_is_tried_once_more(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    jobs = Jobs()
    rows = grade(jobs, f"{kind} 1", f"{kind} 9", "fine", monkeypatch=monkeypatch)
    assert rows[f"{kind} 1"].verdict == rows["fine"].verdict == "wrong_answer"
    assert rows[f"{kind} 9"].verdict == "internal_error"
    assert rows[f"{kind} 9"].problem in ("disk full", "signal 9")
    assert jobs.asked[f"{kind} 9"] == 2


def test_copies_of_what_could_not_be_graded_are_tried_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = Jobs()
    names = ("ours", "ours copy 1", "ours copy 2")
    rows = grade(jobs, *names, monkeypatch=monkeypatch)
    assert {one.verdict for one in rows.values()} == {"internal_error"}
    assert jobs.asked["Grade"] == 3


def test_a_machine_that_cannot_grade_stops_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InternalError, match="no wall"):
        grade(Jobs(prepares=False), "one", "two", monkeypatch=monkeypatch)


@pytest.mark.parametrize("count", [1, 3])
def test_what_takes_too_much_memory_is_graded_alone_and_not_charged(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    jobs = Jobs()
    greedy = [f"greedy {number}" for number in range(3)] + ["greedy late", "greedy late copy"]
    names = greedy + [f"n{number}" for number in range(20)]
    rows = grade(jobs, *names, monkeypatch=monkeypatch, count=count)
    assert {one.verdict for one in rows.values()} == {"wrong_answer"}
    assert set(list(rows)[-5:]) == set(greedy)


@pytest.mark.parametrize("count", [1, 2])
def test_real_jobs_that_are_sent_away_leave_every_verdict_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int
) -> None:
    source, output = tmp_path / "class", tmp_path / "out"
    source.mkdir()
    for number in range(20):  # so many that both jobs are at work together
        (source / f"s{number}.py").write_text(f"x{number} = (\n")
    make_folders(output)
    monkeypatch.setattr(memory, "_LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(pool, "budget_of", lambda jobs: 1)  # whoever it is has to go
    start = to_grade(source, output, "auto")
    entries = gather(source).entries
    sent: list[int] = []
    made = Pool(start, entries, jobs=count, originals={}, max_score=100, open_wall=no_templates)

    def send_away(pid: int) -> None:
        sent.append(pid)
        made._send_away(pid)

    monkeypatch.setattr(made._watch, "_send_away", send_away)
    with made:
        rows = [made.results.get(timeout=PATIENCE_S) for _ in entries]
    assert sent
    assert {one.verdict for one in rows if isinstance(one, Row)} == {"invalid_submission"}
    assert sorted(one.id for one in rows if isinstance(one, Row)) == [one.id for one in entries]
