"""Write the addresses of what may be read by whoever holds the token in them."""

from grader.service.settings import Settings
from grader.service.tables import Submission


def status_url(settings: Settings, submission: Submission) -> str:
    """Return where the state of a submission is told."""
    return f"{settings.base_url}/submissions/{submission.id}?token={submission.token}"


def report_url(settings: Settings, submission: Submission) -> str:
    """Return where the report of a submission is shown."""
    return f"{settings.base_url}/submissions/{submission.id}/report?token={submission.token}"
