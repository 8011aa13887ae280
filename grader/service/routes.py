"""Answer what is no webhook and no page: health, and the state of a submission."""

from typing import Any

from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from grader.service.access import Access
from grader.service.core import Service
from grader.service.tables import Grading, Submission


@get("/healthz", opt={"access": Access.PUBLIC}, sync_to_thread=False)
def healthz() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@get("/submissions/{submission_id:str}", opt={"access": Access.SUBMISSION}, sync_to_thread=True)
def submission_state(
    request: Request[Any, Any, Any], submission_id: FromPath[str]
) -> dict[str, Any]:
    """Say how far a submission is."""
    service: Service = request.app.state.service
    with service.database.reading() as session:
        submission = session.get(Submission, submission_id)
        if submission is None:
            raise NotFoundException
        grading = session.query(Grading).filter_by(submission_id=submission_id).one()
        return {"id": submission.id, "state": grading.state}


HANDLERS = [healthz, submission_state]
