"""Take in what a student uploads or pastes: names and sizes are looked at, the content is not."""

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.orm import Session

from grader.intake.limits import IntakeLimits, size
from grader.model import Exercise
from grader.service import submissions
from grader.service.core import Service
from grader.service.database import take_turns
from grader.service.lti import grades
from grader.service.pages.attempts import Attempt, attempts
from grader.service.pages.forms import Form, Upload
from grader.service.pages.visit import Visit
from grader.service.submissions import NAME_BYTES, File, Incoming
from grader.service.tables import now
from grader.text import printable

LIMITS = IntakeLimits()
MOST_BYTES = LIMITS.archive_bytes + 512 * 1024
"""Of a form with a file: the largest file, and whatever was pasted beside it."""
MOST_WAITING = 3
"""Of one student's at one placement: more would only make their class wait."""
MOST_A_DAY = 200
"""Of the same: each is kept, of as many bytes as an archive may have."""

_SUFFIXES = (".py", ".ipynb", ".zip")
_NAME = re.compile(r"(?!\.)[^\x00-\x1f\x7f/\\]{1,100}")


class NotTaken(Exception):
    """It was not taken; the text tells the student why, and what to do."""

    def __init__(self, words: str, status: int = 422) -> None:
        super().__init__(words)
        self.status = status


def read(form: Form, exercise: Exercise) -> File:
    """Return the one file in a form.

    Raises:
        NotTaken: there is none, or it is not one that could be graded.
    """
    upload, code = form.files.get("file"), form.text("code")
    if upload is not None and code.strip():
        raise NotTaken("You chose a file and pasted code: keep one of them.")
    if upload is None:
        if not code.strip():
            raise NotTaken("Choose a file, or paste your code.")
        # A browser sends each line end of a text field as CR LF.
        content = code.replace("\r\n", "\n").encode("utf-8", "replace")
        upload = Upload(exercise.file_names[0], content)
    name = _name(upload.name)
    _fits(name, upload.content)
    return File(name, hashlib.sha256(upload.content).hexdigest(), upload.content)


def hand_in(service: Service, session: Session, visit: Visit, file: File) -> str:
    """Insert a submission that counts, and return its id; the latest one's if it is the same file.

    Raises:
        NotTaken: too much waits already.
    """
    link, settings = visit.placement, service.settings
    take_turns(session, f"hand in {link.id} {visit.user}")
    earlier = attempts(session, link, visit.user)
    if earlier and _is_same(earlier[-1], file, service.exercises.get(link.exercise)):
        return earlier[-1].id
    _refuse_too_many(earlier)
    if submissions.waiting(session, at_most=settings.queue_depth) >= settings.queue_depth:
        raise NotTaken("Too many wait to be graded just now: try again in a minute.", 503)
    incoming = Incoming(
        source=visit.source,
        course=visit.course,
        user=visit.user,
        exercise=link.exercise,
        files=(file,),
        submitted_at=now(),
        attempt=len(earlier) + 1,
    )
    submission = submissions.accept(session, incoming, service.dispatch)
    session.flush()
    grades.count_for(session, submission, link)
    return submission.id


def _refuse_too_many(earlier: Sequence[Attempt]) -> None:
    if sum(not one.is_final for one in earlier) >= MOST_WAITING:
        raise NotTaken(
            f"{MOST_WAITING} of your attempts wait to be graded: wait for one of them.", 429
        )
    yesterday = now() - timedelta(days=1)
    if sum(one.submitted_at > yesterday for one in earlier) >= MOST_A_DAY:
        raise NotTaken(f"You handed in {MOST_A_DAY} times within a day: go on tomorrow.", 429)


def _is_same(latest: Attempt, file: File, exercise: Exercise | None) -> bool:
    """Whether this is the latest attempt once more: a double click, or a reload.

    After a failure of ours, or since the exercise was changed, another try may come out otherwise.
    """
    if latest.digest != submissions.digest((file,)):
        return False
    if not latest.is_final:
        return True
    return latest.is_graded and exercise is not None and latest.exercise_digest == exercise.digest


def _name(given: str) -> str:
    """Return a file's own name; some browsers say the whole path."""
    name = re.split(r"[/\\]", given)[-1].strip()
    if not _NAME.fullmatch(name) or not name.isprintable() or len(name.encode()) > NAME_BYTES:
        raise NotTaken("The file's name cannot be used: call it submission.py, for example.")
    if not name.lower().endswith(_SUFFIXES):
        raise NotTaken(f"{printable(name)} is not a .py, .ipynb or .zip file.")
    return name


def _fits(name: str, content: bytes) -> None:
    if not content:
        raise NotTaken(f"{name} is empty.")
    most = LIMITS.archive_bytes if name.lower().endswith(".zip") else LIMITS.of(name)
    if len(content) > most:
        raise NotTaken(f"{name} is larger than {size(most)}.", 413)
