"""Say what the command and its jobs tell each other: MessagePack both ways.

    Start                               Ready
    Read(entry)                         Readable, or Done with the row of what cannot be read
    Prepare                             Prepared, or Failed
    Grade                               Done: of what was read last
    Copy(report)                        Done: of what was read last, as that report judged it

Any question may be answered by Failed: the job could not do it.
"""

import msgspec

from grader.batch.entry import Entry, Row
from grader.model.report import Feedback
from grader.sandbox.lending import Loan
from grader.sandbox.setup import Step


class Start(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What a job needs to know before anything else.

    Attributes:
        exercise: name, or path of a folder.
        sandbox, workers: as for grader.sandbox.choice.choose.
        loans: templates of the command's, by kind; their descriptors are inherited.
        source, output: what is graded, and where reports go; bytes of a path.
    """

    exercise: str
    sandbox: str
    workers: str
    seed: str
    cases: int
    source: bytes
    output: bytes
    feedback: Feedback
    loans: dict[str, Loan] = {}


class Read(msgspec.Struct, frozen=True, tag=True):
    """Read a submission."""

    entry: Entry


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Make whatever all submissions need: expected values, compiled programs, misconceptions."""


class Grade(msgspec.Struct, frozen=True, tag=True):
    """Judge what was read."""


class Copy(msgspec.Struct, frozen=True, tag=True):
    """Take the result of an identical source."""

    report: str


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The job waits for the next question."""


class Prepared(msgspec.Struct, frozen=True, tag=True):
    """What all submissions need is there.

    Attributes:
        rehearsal: what a warm template compiles ahead; see grader.rehearsal.
    """

    rehearsal: list[Step]


class Readable(msgspec.Struct, frozen=True, tag=True):
    """The submission was read; sha256 names its source."""

    sha256: str


class Done(msgspec.Struct, frozen=True, tag=True):
    """The reports are on disk."""

    row: Row


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The job could not do it: our fault."""

    problem: str


Question = Start | Read | Prepare | Grade | Copy
Answer = Ready | Prepared | Readable | Done | Failed
