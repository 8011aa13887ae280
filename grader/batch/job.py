"""Grade submissions in a process of its own: `python -P -m grader.batch.job`.

A job has a judge and an oracle, and starts one worker at a time. It takes questions from standard
input, see messages.py, and ends with it: when the command dies, however, so do its jobs, and with a
job its workers. A crash of a job costs the submission that it held one more try.
"""

import os
import threading
from pathlib import Path
from queue import Queue

import msgspec

import reference
from grader.batch.entry import Entry, Judged, Row
from grader.batch.messages import (
    Answer,
    Copy,
    Done,
    Failed,
    Grade,
    Prepare,
    Question,
    Read,
    Readable,
    Ready,
    Start,
)
from grader.batch.naming import report_name
from grader.batch.reading import Reader
from grader.batch.reports import read_report, write_reports
from grader.diagnosis import Diagnostician
from grader.environment import cache_folder
from grader.errors import GraderError, SubmissionError, UsageError
from grader.examiner import ReferenceExaminer
from grader.judge import Judge
from grader.model import Report, Submission
from grader.oracle import Oracle
from grader.rehearsal import steps
from grader.result import refuse
from grader.runtime import compile_cache
from grader.sandbox.choice import choose
from grader.sandbox.kernel import become_undumpable
from grader.sandbox.setup import Setup
from grader.suites import recall_or_generate
from grader.text import printable


class Job:
    """Answers questions about one submission after the other."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._exercise = reference.load(start.exercise)
        self._output = Path(os.fsdecode(start.output))
        self._reader = Reader(Path(os.fsdecode(start.source)), self._exercise)
        self._oracle = Oracle(self._exercise, cache_folder())
        self._examiner = ReferenceExaminer(self._exercise, self._oracle, start.seed, start.cases)
        self._judge: Judge | None = None
        self._entry: Entry | None = None
        self._submission: Submission | None = None

    def answer(self, question: Question) -> Answer:
        """Do what is asked; what goes wrong comes back as Failed."""
        try:
            if isinstance(question, Read):
                return self._read(question.entry)
            if isinstance(question, Prepare):
                return self._prepare()
            if isinstance(question, Copy):
                return self._copy(question.report)
            assert isinstance(question, Grade)
            return self._grade()
        except (GraderError, OSError) as error:
            return Failed(str(error))
        except Exception as error:  # a bug of ours: the command counts the tries
            return Failed(f"{type(error).__name__}: {error}")

    def _read(self, entry: Entry) -> Answer:
        self._entry, self._submission = entry, None
        meter = self._examiner.meter()
        try:
            self._submission = self._reader.read(entry)
        except SubmissionError as error:
            name = printable(entry.pieces[0].name)
            report = refuse(self._exercise, name, error, meter.usage(), self._start.seed)
            return self._done(report)
        return Readable(self._submission.sha256)

    def _prepare(self) -> Answer:
        """Fill what all jobs share on disk, so that none of them does it twice."""
        suite = recall_or_generate(
            self._exercise, self._oracle, self._start.seed, self._start.cases
        )
        compiled = compile_cache(cache_folder())
        if not compiled.is_dir() or not any(compiled.iterdir()):
            self._oracle.warm_up(suite.cases)
            for step in steps(self._exercise, self._oracle, suite.cases):
                self._oracle.rehearse(step)
        questions = self._examiner.pose()
        Diagnostician(self._exercise, self._oracle).prepare(questions.asked)
        self._wall()
        return Ready()

    def _wall(self) -> Judge:
        """Return the judge; the wall is chosen when it is first needed."""
        if self._judge is None:
            folder, start = cache_folder(), self._start
            secrets = (folder / "expected.sqlite", self._exercise.folder)
            suite = recall_or_generate(self._exercise, self._oracle, start.seed, start.cases)
            rehearsal = tuple(steps(self._exercise, self._oracle, suite.cases))
            setup = Setup(compile_cache(folder), secrets, rehearsal)
            wall = choose(start.sandbox, setup, workers=start.workers)
            self._judge = Judge(self._exercise, wall, self._examiner)
        return self._judge

    def _grade(self) -> Answer:
        assert self._submission is not None
        return self._done(self._wall().grade(self._submission))

    def _copy(self, report: str) -> Answer:
        """Take another's report; its name is all that may differ for the same source."""
        assert self._submission is not None
        try:
            found = read_report(self._output, report)
        except (OSError, UsageError):  # somebody moved it: judge it again
            return self._grade()
        named = msgspec.structs.replace(found.submission, name=self._submission.name)
        return self._done(msgspec.structs.replace(found, submission=named))

    def _done(self, report: Report) -> Done:
        """Write the reports; then, and only then, it is done."""
        assert self._entry is not None
        name = report_name(self._entry.id)
        write_reports(self._output, name, report, self._submission, self._start.feedback)
        return Done(row_of(self._entry, report, name))


def row_of(entry: Entry, report: Report, name: str) -> Row:
    """Return a report in short."""
    found = report.diagnosis
    problems = (finding.evidence.get("problem", "") for finding in report.findings)
    return Row(
        id=entry.id,
        stamp=entry.stamp,
        students=entry.students,
        late=entry.late,
        verdict=report.verdict,
        score=report.score,
        max_score=report.max_score,
        findings={one.id: Judged(one.status, one.points) for one in report.findings},
        diagnosis=found.title,
        diagnosis_id="" if found.kind == "none" else found.id or found.kind,
        sha256=report.submission.sha256,
        wall_s=report.usage.wall_s,
        cpu_s=round(report.usage.worker_cpu_s + report.usage.judge_cpu_s, 3),
        peak_memory_bytes=report.usage.peak_memory_bytes,
        report=name,
        problem=next(filter(None, problems), "") if report.verdict == "internal_error" else "",
    )


def _questions(stream: int, waiting: "Queue[bytes]") -> None:
    """Read questions until the command is gone; then this process has no reason to live."""
    with open(stream, "rb", closefd=False) as lines:
        for line in lines:
            waiting.put(line)
    os._exit(0)


def main() -> None:
    """Answer questions until end of file."""
    become_undumpable()  # before there are answers in this process
    answers = os.dup(1)
    os.dup2(2, 1)  # nothing that prints may break a line
    waiting: Queue[bytes] = Queue()
    threading.Thread(target=_questions, args=(0, waiting), daemon=True).start()
    job: Job | None = None
    while True:
        question = msgspec.json.decode(waiting.get(), type=Question)
        if isinstance(question, Start):
            job = Job(question)
            answer: Answer = Ready()
        else:
            assert job is not None
            answer = job.answer(question)
        data = memoryview(msgspec.json.encode(answer) + b"\n")
        while data:
            data = data[os.write(answers, data) :]


if __name__ == "__main__":
    main()
