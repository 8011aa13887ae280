"""Tell the kinds of senders apart: which headers they send, how they sign, what a body means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from grader.service.submissions import Incoming
from grader.service.tables import Source
from grader.service.webhooks import deliveries, pushes, signatures


@dataclass(frozen=True)
class Kind:
    """One kind of sender.

    Attributes:
        id_header: holds the delivery's id, the same on each repeat.
        verify: raises SignatureRefused unless one of the live secrets signed.
        read: from body, source and time of arrival to the submission.
        event_header: names the event; events: those that bring a submission; any where empty.
        signs_id: whether the id is signed too. Where it is not, whoever has seen one delivery can
            send it under as many ids as they like, so what keeps it single is its body.
    """

    id_header: str
    verify: Callable[[Sequence[str], Mapping[str, str], bytes, datetime], None]
    read: Callable[[bytes, Source, datetime], Incoming]
    event_header: str = ""
    events: tuple[str, ...] = ()
    signs_id: bool = True


def _standard(live: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    message_id, timestamp, given = (headers.get(name, "") for name in names)
    signatures.verify(live, message_id, timestamp, given, body, now_s=now.timestamp())


def _by_header(name: str) -> Callable[[Sequence[str], Mapping[str, str], bytes, datetime], None]:
    def verify(live: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        signatures.verify_body(live, headers.get(name, ""), body)

    return verify


def _forge(prefix: str, signature: str) -> Kind:
    return Kind(
        id_header=f"{prefix}-delivery",
        verify=_by_header(signature),
        read=pushes.read,
        event_header=f"{prefix}-event",
        events=("push",),
        signs_id=False,
    )


KINDS: Mapping[str, Kind] = {
    "standard": Kind("webhook-id", _standard, deliveries.read),
    "github": _forge("x-github", "x-hub-signature-256"),
    "gitea": _forge("x-gitea", "x-gitea-signature"),
    "forgejo": _forge("x-forgejo", "x-forgejo-signature"),
}
