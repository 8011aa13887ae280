"""Read the body of a forge's push: one repository is one student, a push is a submission."""

from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta

from grader.service.submissions import File, Incoming
from grader.service.tables import Source
from grader.service.webhooks.deliveries import BadDelivery, Text, Url, WrongContent, decoded

_FORM = b"payload="


class Repository(msgspec.Struct, frozen=True):
    """Where the push went.

    Attributes:
        archive_url: GitHub's template of its API's address of archives; others have none.
    """

    full_name: Text
    html_url: Url
    default_branch: Text
    archive_url: str = ""


class Push(msgspec.Struct, frozen=True):
    """A push event of GitHub, Gitea and Forgejo, as far as it is read."""

    ref: Annotated[str, Meta(max_length=500)]
    after: Annotated[str, Meta(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$(?!\n)")]
    repository: Repository


class NothingToDo(Exception):
    """The delivery is genuine and brings no submission; the text says why."""


def read(body: bytes, source: Source, arrived: datetime) -> Incoming:
    """Return the submission that a push is.

    Raises:
        NothingToDo: it went to another branch, or deleted one.
        BadDelivery: it cannot be read.
        WrongContent: the source names no exercise for its pushes.
    """
    push = decoded(_json(body), Push)
    if push.ref != f"refs/heads/{push.repository.default_branch}":
        raise NothingToDo("this is not the default branch")
    if set(push.after) == {"0"}:
        raise NothingToDo("the branch was deleted")
    if not source.exercise:
        raise WrongContent("this source names no exercise: grader webhook add --exercise")
    # The commit names the content as surely as its sha256 would.
    file = File(f"{push.after}.zip", push.after, url=_archive(push), is_commit=True)
    return Incoming(
        source=source.name,
        course=source.course or source.name,
        user=push.repository.full_name,
        exercise=source.exercise,
        files=(file,),
        submitted_at=arrived,
    )


def _json(body: bytes) -> bytes:
    """Return the JSON of a body: GitHub puts it into a form unless it is told otherwise."""
    if not body.startswith(_FORM):
        return body
    try:
        return parse_qs(body.decode("ascii"), max_num_fields=10)["payload"][0].encode()
    except (KeyError, ValueError):
        raise BadDelivery("the form has no payload") from None


def _archive(push: Push) -> str:
    """Return where the commit's files lie: GitHub's API takes a token, its pages do not."""
    template = push.repository.archive_url
    if template.startswith("https://") and "{archive_format}{/ref}" in template:
        return template.replace("{archive_format}{/ref}", f"zipball/{push.after}")
    return f"{push.repository.html_url}/archive/{push.after}.zip"
