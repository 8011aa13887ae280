"""Name what a batch is made of: students, what they sent, and what came of it."""

import msgspec

from grader.model.report import Status, Verdict


class Student(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who sent something, as far as it is known; texts are as hostile as any name.

    Attributes:
        id: what the platform calls the student; "" when nothing tells.
    """

    id: str = ""
    name: str = ""
    email: str = ""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """One file or folder of a submission.

    Attributes:
        place: where it lies, below the folder or archive that is graded: bytes, for a file system
            holds names that are no text.
        name: what the student called it.
    """

    place: bytes
    name: str


class Entry(msgspec.Struct, frozen=True):
    """One submission, not read yet.

    Attributes:
        id: its name in the folder that is graded; unique there.
        pieces: of one submission; the platforms export some as several files.
        stamp: changes when a file of it is changed.
        late: handed in late, by the platform's own word.
    """

    id: str
    pieces: list[Piece]
    stamp: str
    students: list[Student]
    late: bool = False


class Judged(msgspec.Struct, frozen=True, array_like=True):
    """One finding, in short."""

    status: Status
    points: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one submission: a line of results.jsonl.

    Attributes:
        id, stamp, students, late: the entry's.
        findings: by the criterion's id.
        diagnosis: title of what explains the answers; "" for nothing.
        diagnosis_id: of the misconception or the pattern, else the kind of the diagnosis.
        sha256: hex, over the source that was judged; "" when nothing could be read.
        cpu_s: CPU seconds of all processes; what an identical file cost for one that was copied.
        report: name of its reports, without folder and suffix; "" when there are none.
        problem: what failed of ours; "" for nothing.
    """

    id: str
    stamp: str
    students: list[Student]
    late: bool
    verdict: Verdict
    score: int
    max_score: int
    findings: dict[str, Judged]
    diagnosis: str = ""
    diagnosis_id: str = ""
    sha256: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0
    report: str = ""
    problem: str = ""

    @property
    def is_graded(self) -> bool:
        """Whether it is a result; a failure of ours is to be tried again."""
        return self.verdict != "internal_error"

    @property
    def who(self) -> str:
        """The students' names, else their ids, else the submission's own name."""
        named = [one.name or one.id for one in self.students]
        return ", ".join(filter(None, named)) or self.id


def not_graded(entry: Entry, max_score: int, problem: str) -> Row:
    """Return the row of an entry for which something of ours failed."""
    return Row(
        id=entry.id,
        stamp=entry.stamp,
        students=entry.students,
        late=entry.late,
        verdict="internal_error",
        score=0,
        max_score=max_score,
        findings={},
        problem=problem[:300],
    )
