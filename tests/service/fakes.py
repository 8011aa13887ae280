"""Judge without a wall: fast, and able to fail in every way that a judging process can."""

import hashlib
import time
from collections.abc import Callable

import reference
from grader.model import (
    Diagnosis,
    ExerciseName,
    Finding,
    Report,
    SubmissionName,
    SuiteName,
    Usage,
)
from grader.report.document import to_json
from grader.service.judging.work import GraderDied, Reply, Work


def report(
    source: bytes = b"x = 1\n", *, verdict: str = "accepted", score: int = 100, digest: str = ""
) -> Report:
    """Return a small report of the default exercise."""
    exercise = reference.load(reference.DEFAULT)
    finding = Finding(
        id="values",
        title="Every case within tolerance",
        status="passed" if score == 100 else "failed",
        points=score,
        max_points=100,
        message="seen",
        evidence={"problem": "the wall fell"} if verdict == "internal_error" else {},
    )
    return Report(
        exercise=ExerciseName(name=exercise.name, digest=digest or exercise.digest),
        submission=SubmissionName(name="hw.py", sha256=hashlib.sha256(source).hexdigest()),
        verdict=verdict,  # type: ignore[arg-type]
        score=score,
        max_score=100,
        findings=[finding],
        counterexample=None,
        diagnosis=Diagnosis(kind="none"),
        stages=[],
        cases=[],
        suite=SuiteName(seed="00000000000000aa", digest="d", cases=1, distinct_shapes=1),
        confined_by=["test"],
        environment={},
        usage=Usage(wall_s=0, worker_cpu_s=0, judge_cpu_s=0, peak_memory_bytes=0),
    )


class FakeGrader:
    """Does what the submission's text says: score=N, die, fail, lie, internal_error, sleep=S."""

    def __init__(self, *, digest: str = "", before: Callable[[Work], None] | None = None) -> None:
        self.seen: list[Work] = []
        self._digest, self._before = digest, before

    def grade(self, work: Work) -> Reply:
        self.seen.append(work)
        if self._before is not None:
            self._before(work)
        source = work.files[0][1]
        words = dict(word.partition("=")[::2] for word in source.decode().split())
        if "sleep" in words:
            time.sleep(float(words["sleep"]))
        if "die" in words:
            raise GraderDied("the judging process ended with -9")
        if "fail" in words:
            return Reply(error="SandboxError: no wall")
        if "lie" in words:
            return Reply(report=b"{}")
        verdict = "internal_error" if "internal_error" in words else "accepted"
        made = report(
            source, verdict=verdict, score=int(words.get("score", 100)), digest=self._digest
        )
        return Reply(report=to_json(made))

    def close(self) -> None:
        pass
