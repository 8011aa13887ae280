"""Run a batch from the folder to the class page."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from grader.batch.class_page import write_class_page
from grader.batch.comparing import compare_all
from grader.batch.entry import Row, Student
from grader.batch.gathering import Gathered
from grader.batch.messages import Start
from grader.batch.naming import report_name
from grader.batch.pool import Pool
from grader.batch.record import Manifest, Record, writing_to
from grader.batch.reports import make_folders, remove_reports
from grader.batch.roster import Roster
from grader.batch.table import write_table
from grader.batch.templates import OpenWall
from grader.errors import InternalError
from grader.model import Exercise
from grader.model.report import Feedback

_MOST_FAILURES_IN_A_ROW = 10
"""Then it is not the submissions: a full disk, a wall that fell."""

Seen = Callable[[Row], None]


class Order(NamedTuple):
    """What is asked for.

    Attributes:
        source: folder or archive.
        exercise_name: by which a job finds the exercise again: name or path.
        jobs: submissions graded at the same time.
        open_wall: see Pool.
    """

    source: Path
    output: Path
    exercise: Exercise
    exercise_name: str
    sandbox: str
    workers: str
    open_wall: OpenWall
    seed: str
    cases: int
    feedback: Feedback
    jobs: int
    resume: bool


class Outcome(NamedTuple):
    """What came of a batch.

    Attributes:
        not_graded: rows of internal errors.
        absent: students of the roster who handed nothing in.
    """

    rows: int
    not_graded: list[Row]
    absent: list[Student]


def open_record(order: Order) -> Record:
    """Open the results of this batch, those of earlier runs among them; see Record."""
    exercise = order.exercise
    manifest = Manifest(
        exercise=exercise.name,
        digest=exercise.digest,
        seed=order.seed,
        cases=order.cases,
        feedback=order.feedback,
    )
    record = Record(order.output, manifest, resume=order.resume)
    with writing_to(order.output):
        make_folders(order.output)
    return record


def grade_all(order: Order, gathered: Gathered, record: Record, seen: Seen) -> None:
    """Grade what has no result yet, recording each as it is done.

    Args:
        seen: is told of every row.

    Raises:
        InternalError: no job can work, or nothing can be graded any more.
    """
    todo = [entry for entry in gathered.entries if not record.holds(entry)]
    start = Start(
        exercise=order.exercise_name,
        sandbox=order.sandbox,
        workers=order.workers,
        seed=order.seed,
        cases=order.cases,
        source=os.fsencode(order.source.absolute()),
        output=os.fsencode(order.output.absolute()),
        feedback=order.feedback,
    )
    total = sum(criterion.points for criterion in order.exercise.rubric)
    failures = 0
    with Pool(
        start,
        todo,
        jobs=order.jobs,
        originals=record.originals,
        max_score=total,
        open_wall=order.open_wall,
    ) as pool:
        for _ in todo:
            result = pool.results.get()
            if isinstance(result, BaseException):
                raise result
            if not result.report:
                with writing_to(order.output):
                    remove_reports(order.output, report_name(result.id))
            record.add(result)
            seen(result)
            failures = 0 if result.is_graded else failures + 1
            if failures == _MOST_FAILURES_IN_A_ROW:
                raise InternalError(
                    f"{failures} submissions in a row could not be graded: {result.problem}"
                )


def finish(order: Order, gathered: Gathered, record: Record, roster: Roster) -> Outcome:
    """Put the results in order and write what is made of all of them.

    Raises:
        UsageError: the output folder takes no more.
    """
    with writing_to(order.output):
        record.rename(gathered.entries)
        record.put_in_order()
        sent = Counter(student for row in record.rows() for student in row.students)
        absent = roster.absent(sent)
        repeated = sorted((one for one, count in sent.items() if count > 1), key=lambda one: one.id)
        write_table(order.output, record.rows(), absent, order.exercise.rubric)
        write_class_page(
            order.output,
            order.exercise,
            record.rows,
            alike=compare_all(order.output, record.rows()),
            absent=absent,
            repeated=repeated,
            ignored=gathered.ignored,
            strangers=roster.strangers(gathered.entries),
        )
        not_graded = [row for row in record.rows() if not row.is_graded]
        return Outcome(len(record), not_graded, absent)
