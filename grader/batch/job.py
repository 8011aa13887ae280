"""Grade submissions in a process of its own: `python -P -m grader.batch.job`.

A job has a judge and an oracle, and starts one worker at a time. It takes questions, see
messages.py, until the command is gone or ends it. A crash of a job costs the submission that it
held one more try.
"""

import os
from pathlib import Path

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
    Prepared,
    Question,
    Read,
    Readable,
    Ready,
    Start,
)
from grader.batch.naming import report_name
from grader.batch.reading import Reader
from grader.batch.reports import read_report, write_reports
from grader.bench import ReferenceBench
from grader.environment import cache_folder
from grader.errors import GraderError, UsageError
from grader.model import Report, Submission
from grader.peer.answering import serve


class Job:
    """Answers questions about one submission after the other."""

    def __init__(self, start: Start) -> None:
        self._start = start
        exercise = reference.load(start.exercise)
        self._output = Path(os.fsdecode(start.output))
        self._reader = Reader(Path(os.fsdecode(start.source)), exercise)
        self._bench = ReferenceBench(
            exercise,
            cache_folder(),
            sandbox=start.sandbox,
            workers=start.workers,
            loans=start.loans,
            seed=start.seed,
            cases=start.cases,
        )
        self.close = self._bench.close
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
        read = self._bench.read_by(lambda: self._reader.read(entry), entry.pieces[0].name)
        if isinstance(read, Report):
            return self._done(read)
        self._submission = read
        return Readable(read.sha256)

    def _prepare(self) -> Answer:
        self._bench.prepare()
        return Prepared([] if self._start.workers == "fresh" else self._bench.rehearsal())

    def _grade(self) -> Answer:
        assert self._submission is not None
        return self._done(self._bench.grade(self._submission))

    def _copy(self, report: str) -> Answer:
        """Take another's report; its name is all that may differ for the same source."""
        assert self._submission is not None
        try:
            found = read_report(self._output, report)
        except (OSError, UsageError):  # somebody moved it: judge it again
            return self._grade()
        if found.submission.sha256 != self._submission.sha256:  # its owner has sent another file
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


class Answering:
    """The job that the first question starts, and those after it."""

    def __init__(self) -> None:
        self._job: Job | None = None

    def answer(self, question: bytes) -> bytes:
        """Answer one."""
        asked: Question = msgspec.msgpack.decode(question, type=Question)
        if isinstance(asked, Start):
            self._job = Job(asked)
            return msgspec.msgpack.encode(Ready())
        assert self._job is not None
        return msgspec.msgpack.encode(self._job.answer(asked))

    def close(self) -> None:
        """End what stands ready."""
        if self._job is not None:
            self._job.close()


if __name__ == "__main__":
    answering = Answering()
    serve(answering.answer, answering.close)
