"""What a batch keeps when a submission cannot be graded."""

from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import pytest
from batch.rows import row

import reference
from grader.batch import run
from grader.batch.entry import Row
from grader.batch.gathering import gather
from grader.batch.messages import Start
from grader.batch.naming import report_name
from grader.batch.run import Order, grade_all, open_record


class DeadJobs:
    """A pool whose jobs die with every submission."""

    def __init__(self, start: Start, entries: list[Any], **_: Any) -> None:
        self.results: SimpleQueue[Row] = SimpleQueue()
        for entry in entries:
            lost = {"verdict": "internal_error", "report": "", "stamp": entry.stamp}
            self.results.put(row(entry.id, **lost))

    def __enter__(self) -> "DeadJobs":
        return self

    def __exit__(self, *_: type[BaseException] | TracebackType | BaseException | None) -> None:
        pass


def test_what_a_try_before_was_told_is_gone_with_the_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = tmp_path / "class", tmp_path / "out"
    source.mkdir()
    for name in ("Changed.py", "other.py"):
        (source / name).write_text("x = 1\n")
    order = Order(
        source=source,
        output=output,
        exercise=reference.load(reference.DEFAULT),
        exercise_name=reference.DEFAULT,
        sandbox="auto",
        workers="auto",
        open_wall=lambda: pytest.fail("no wall is needed"),
        seed="5",
        cases=24,
        feedback="full",
        jobs=1,
        resume=True,
    )
    gathered = gather(source)
    with open_record(order) as record:
        record.add(row("other.py", stamp=gathered.entries[1].stamp))
        for name in (report_name("Changed.py"), "other.py"):
            for kept in ("staff/{}.html", "staff/{}.json", "staff/{}.py", "students/{}.html"):
                (output / kept.format(name)).write_text("of the try before")
        monkeypatch.setattr(run, "Pool", DeadJobs)
        grade_all(order, gathered, record, lambda result: None)
        verdicts = {one.id: one.verdict for one in record.rows()}
    assert verdicts == {"Changed.py": "internal_error", "other.py": "wrong_answer"}
    assert {path.stem for path in output.glob("st*/*")} == {"other.py"}
