"""Record what came of a submission, once, whoever computed it."""

from sqlalchemy import Select, delete, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from grader.model import Report
from grader.report.document import to_json
from grader.service.core import Service
from grader.service.database import insert_once
from grader.service.tables import DONE, Grading, Result, Submission, now


def record(
    service: Service,
    session: Session,
    submission: Submission,
    report: Report,
    *,
    round: int,
    worker: str,
    copied_from: str | None = None,
) -> bool:
    """Insert a result and end the grading's round; return False where it is known already.

    One of another version may have come since: then the exercise is again what it was before, and
    its result is the newest once more; where it still counts, as the others are held, those go.

    Args:
        round: of the grading that was begun: a later one, a regrade, is not ended by this.
        copied_from: the submission with the same files whose result this is.
    """
    values = {
        "submission_id": submission.id,
        "exercise_digest": report.exercise.digest,
        "verdict": report.verdict,
        "score": report.score,
        "max_score": report.max_score,
        "misconception": (report.diagnosis.id or "") if report.diagnosis.kind != "none" else "",
        "report": to_json(report),
        "copied_from": copied_from,
        "worker": worker,
        "recorded_at": now(),
    }
    fresh = insert_once(session, Result, **values)
    if not fresh and _made_way(session, submission.id, report.exercise.digest):
        fresh = insert_once(session, Result, **values)
    if fresh:
        result = latest(session, submission.id)
        assert result is not None
        for listener in service.listeners:
            listener(service, session, submission, result)
    ended = update(Grading).where(
        Grading.submission_id == submission.id, Grading.round == round, Grading.state != DONE
    )
    session.execute(ended.values(state=DONE, problem="", worker=worker))
    return fresh


def _made_way(session: Session, submission_id: str, exercise_digest: str) -> bool:
    """Make way for a result that is known; return False where it is the newest, or counts."""
    mine = Result.submission_id == submission_id
    if session.scalar(newest_of(exercise_digest).where(mine)):
        return False
    counts = latest(session, submission_id)
    if counts is not None and counts.exercise_digest == exercise_digest:
        # Taken anew it would be held, and an older one count; published, what is held would.
        session.execute(delete(Result).where(mine, Result.held))
        return False
    session.execute(delete(Result).where(mine, Result.exercise_digest == exercise_digest))
    return True


def newest_of(exercise_digest: str) -> Select[str]:
    """Return the ids of those whose newest result is of this version, held ones included."""
    later = aliased(Result)
    newer = exists().where(later.submission_id == Result.submission_id, later.id > Result.id)
    return select(Result.submission_id).where(Result.exercise_digest == exercise_digest, ~newer)


def latest(session: Session, submission_id: str, *, held: bool = False) -> Result | None:
    """Return the newest result of a submission that counts, or that is held."""
    rows = select(Result).where(Result.submission_id == submission_id, Result.held.is_(held))
    return session.scalars(rows.order_by(Result.id.desc()).limit(1)).one_or_none()


def count(session: Session, submission_id: str) -> int:
    """Return how many results a submission has: under so many versions it was judged."""
    rows = select(func.count(Result.id)).where(Result.submission_id == submission_id)
    return session.scalar(rows) or 0


def of_same_files(session: Session, submission: Submission, exercise_digest: str) -> Result | None:
    """Return the result of the same files of the same user, under this version of the exercise."""
    same = (
        Submission.source == submission.source,
        Submission.user == submission.user,
        Submission.exercise == submission.exercise,
        Submission.digest == submission.digest,
    )
    rows = select(Result).join(Submission, Submission.id == Result.submission_id)
    rows = rows.where(*same, Result.exercise_digest == exercise_digest)
    return session.scalars(rows.order_by(Result.id).limit(1)).one_or_none()
