"""Take one delivery in: verify it over its raw bytes, then accept it in one transaction."""

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader.service import submissions
from grader.service.core import Service
from grader.service.database import insert
from grader.service.submissions import Incoming
from grader.service.tables import Delivery, SigningSecret, Source, Submission, now
from grader.service.webhooks.deliveries import BadDelivery, WrongContent
from grader.service.webhooks.kinds import KINDS, Kind
from grader.service.webhooks.pushes import NothingToDo
from grader.service.webhooks.signatures import SignatureRefused

BODY_BYTES = 1 << 20
RETRY_AFTER_S = 30

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}", re.ASCII)
# A dot would make "id.timestamp.body" ambiguous.
_ID = re.compile(r"[!-\-/-~]{1,200}", re.ASCII)
_RACES = 5


class Refused(Exception):
    """A delivery is not taken.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Receipt(NamedTuple):
    """What became of a delivery: a submission, or why there is none."""

    submission: Submission | None
    ignored: str = ""


def is_name(name: str) -> bool:
    """Return whether a source may be called so."""
    return _NAME.fullmatch(name) is not None


def deliver(service: Service, name: str, headers: Mapping[str, str], body: bytes) -> Receipt:
    """Take one delivery in; the same one again gives the same submission.

    Args:
        name: of the source.
        headers: by lower-case name.

    Raises:
        Refused: it is not taken.
    """
    source, live = _known(service, name)
    kind = KINDS[source.kind]
    webhook_id = headers.get(kind.id_header, "")
    if webhook_id and not _ID.fullmatch(webhook_id):
        raise Refused(400, f"{kind.id_header} has a dot in it, or is no id")
    try:
        kind.verify(live, headers, body, now())
    except SignatureRefused as error:
        raise Refused(401, str(error)) from None
    if not webhook_id:
        raise Refused(400, f"{kind.id_header} is missing")
    if kind.events and headers.get(kind.event_header, "") not in kind.events:
        return Receipt(None, "this event brings no submission")
    receipt = _accept(service, source, kind, webhook_id, body)
    service.dispatch.wake()
    return receipt


def _accept(service: Service, source: Source, kind: Kind, webhook_id: str, body: bytes) -> Receipt:
    """Insert what a genuine delivery brings, unless it is known."""

    def work(session: Session) -> Receipt:
        known = session.get(Delivery, (source.name, key))
        if known is not None:
            return _repeated(session, known, body_sha256)
        incoming = _read(service, source, kind, body)
        _refuse_when_full(service, session)
        submission = submissions.accept(session, incoming, service.dispatch)
        delivery = Delivery(source=source.name, webhook_id=key, body_sha256=body_sha256)
        delivery.submission_id, delivery.received_at = submission.id, submission.received_at
        insert(session, delivery)
        return Receipt(submission)

    body_sha256 = hashlib.sha256(body).hexdigest()
    key = webhook_id if kind.signs_id else f"sha256:{body_sha256}"
    for _ in range(_RACES):
        try:
            return service.database.do(work)
        except NothingToDo as why:
            return Receipt(None, str(why))
        except IntegrityError:  # the same delivery came in at the same moment, and was first
            continue
    raise Refused(503, "the same delivery arrives too often at once")


def _known(service: Service, name: str) -> tuple[Source, list[str]]:
    """Return a source and its live secrets."""
    if not is_name(name):
        raise Refused(404, "there is no such source")
    rows = select(Source, SigningSecret.text).outerjoin(
        SigningSecret, (SigningSecret.source == Source.name) & _is_alive()
    )
    with service.database.reading() as session:
        found = session.execute(rows.where(Source.name == name)).all()
    if not found:
        raise Refused(404, "there is no such source")
    return found[0][0], [text for _, text in found if text is not None]


def _is_alive() -> ColumnElement[bool]:
    return or_(SigningSecret.expires_at.is_(None), SigningSecret.expires_at > now())


def live_secrets(session: Session, source: str) -> list[str]:
    """Return the secrets of a source that have not expired, the newest first."""
    rows = select(SigningSecret.text).where(SigningSecret.source == source, _is_alive())
    return list(session.scalars(rows.order_by(SigningSecret.id.desc())))


def _repeated(session: Session, known: Delivery, body_sha256: str) -> Receipt:
    if known.body_sha256 != body_sha256:
        raise Refused(409, "this id came before with another body")
    return Receipt(session.get(Submission, known.submission_id))


def _read(service: Service, source: Source, kind: Kind, body: bytes) -> Incoming:
    try:
        incoming = kind.read(body, source, now())
    except BadDelivery as error:
        raise Refused(400, str(error)) from None
    except WrongContent as error:
        raise Refused(422, str(error)) from None
    if incoming.exercise not in service.exercises:
        known = ", ".join(sorted(service.exercises))
        raise Refused(422, f"no such exercise; there are: {known}")
    return incoming


def _refuse_when_full(service: Service, session: Session) -> None:
    depth = service.settings.queue_depth
    if submissions.waiting(session, at_most=depth) >= depth:
        raise Refused(503, f"{depth} submissions are waiting already; send this again later")
