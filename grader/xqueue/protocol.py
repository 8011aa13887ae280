"""Read and write the queue's messages: JSON in strings in JSON; no input or output here.

Source: openedx/xqueue (submission_queue/ext_interface.py), edx-submissions 4.0
(submissions/views/xqueue.py) and xqueue-watcher's client, read on 2026-11-24.
"""

import json
from typing import Any

import msgspec

GIVEN_BACK = json.dumps({"problem": "not graded: the grader failed"})
"""A reply without score. edx-submissions counts it as a failed try, hands the submission out again,
five times, and writes no grade. Older servers pass it on, and the page says "Invalid grader reply.
Please contact the course staff.": a 0 and a used attempt, until staff reset it. Source:
CodeResponse.update_score of capa (read in 2026)."""


class NotUnderstood(Exception):
    """The server's words are none that this protocol knows."""


class Reply(msgspec.Struct, frozen=True):
    """What every call answers.

    Attributes:
        accepted: return_code 0.
    """

    accepted: bool
    content: Any


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What a student sent.

    Attributes:
        header: to be echoed; names the submission and the key of this pull.
        id: of the submission: the same in every pull.
        response: what the student typed.
        files: name to URL of what the student uploaded.
        payload: what the author of the problem wrote for the grader.
        problem: why it cannot be graded; "" when it can.
    """

    header: str
    id: str
    response: str = ""
    files: dict[str, str] = {}
    payload: str = ""
    problem: str = ""


def read_reply(data: bytes) -> Reply:
    """Read an answer.

    Raises:
        NotUnderstood: it is none.
    """
    found = _object(data, "answer")
    code = found.get("return_code")
    if code not in (0, 1):
        raise NotUnderstood("the answer holds no return_code that is 0 or 1")
    return Reply(accepted=code == 0, content=found.get("content"))


def is_empty(reply: Reply) -> bool:
    """Tell an empty queue from every other refusal, such as an unknown queue."""
    return not reply.accepted and str(reply.content).endswith("is empty")


def read_submission(content: Any) -> Submission:
    """Read what get_submission answered.

    Returns:
        The submission; what is wrong with all but its header is said in `problem`.

    Raises:
        NotUnderstood: it cannot even be answered: its header is not there.
    """
    found = _object(content, "submission")
    header = found.get("xqueue_header")
    named = _object(header, "xqueue_header")
    if not isinstance(header, str) or {"submission_id", "submission_key"} - named.keys():
        raise NotUnderstood("xqueue_header lacks submission_id or submission_key")
    pulled = Submission(header=header, id=str(named["submission_id"]))
    try:
        return msgspec.structs.replace(pulled, **_parts(found))
    except NotUnderstood as error:
        return msgspec.structs.replace(pulled, problem=str(error))


def exercise_of(submission: Submission) -> str | None:
    """Return the exercise that the problem's author names; None when none is named.

    The payload is {"exercise": NAME}; newer servers pass only {"grader": NAME}.
    """
    try:
        found = _object(submission.payload, "grader_payload")
    except NotUnderstood:
        return None  # free text, meant for somebody else
    name = found.get("exercise") or found.get("grader")
    return name if isinstance(name, str) and name else None


def _parts(found: dict[str, Any]) -> dict[str, Any]:
    """Return what the student sent and the author wrote.

    Raises:
        NotUnderstood: a part is not of the form that it must have.
    """
    body = _object(found.get("xqueue_body"), "xqueue_body")
    listed = found.get("xqueue_files") or "{}"
    files = _object(listed, "xqueue_files")
    response, payload = body.get("student_response", ""), body.get("grader_payload", "")
    if not all(isinstance(url, str) for url in files.values()):
        raise NotUnderstood("xqueue_files must map names to URLs")
    if not isinstance(payload, str) or (not files and not isinstance(response, str)):
        raise NotUnderstood("student_response and grader_payload must be text")
    return {"response": "" if files else response, "files": files, "payload": payload}


def _object(data: Any, name: str) -> dict[str, Any]:
    """Parse a JSON object."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, TypeError, UnicodeError) as error:
        raise NotUnderstood(f"{name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise NotUnderstood(f"{name} is no JSON object")
    return found
