"""Say why a launch is refused: one reason each, and what the person in front of it can do."""

from typing import Literal

from grader.errors import GraderError

Reason = Literal[
    "platform_error",
    "platform_unknown",
    "platform_not_approved",
    "state_missing",
    "state_unknown",
    "state_expired",
    "state_used",
    "other_browser",
    "malformed",
    "algorithm",
    "key_unknown",
    "keys_unreachable",
    "signature",
    "issuer",
    "audience",
    "authorized_party",
    "expired",
    "issued_in_future",
    "nonce_used",
    "nonce_unknown",
    "version",
    "message_type",
    "deployment",
    "subject",
    "resource_link",
    "message",
]

AGAIN = "Open this again from your course."
FRAME = " If your course shows this page inside another, have it open in a new window instead."
_TELL_STAFF = " If that does not help, tell the person who runs your course what stands below."

_ADVICE: dict[Reason, str] = {
    "other_browser": AGAIN + FRAME,
    "platform_unknown": "This course's platform is not registered here.",
    "platform_not_approved": "This course's platform is registered here, but not let in.",
    "deployment": "This course may not use this tool yet.",
    "subject": "Your course did not say who you are: sign in there and open this again.",
    "keys_unreachable": "Your course's platform could not be asked. Try again in a minute.",
}

_FRIENDLY = ("state_used", "state_expired", "state_unknown", "nonce_used", "expired")
"""Going back, reloading, or a tab of yesterday: nobody did anything wrong."""


class LaunchRefused(GraderError):
    """A message of a platform, or of somebody who plays one, was not accepted.

    Attributes:
        reason: which check said no.
        detail: one sentence for staff and the log; shows no secret.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail

    @property
    def advice(self) -> str:
        """What the person in front of the page can do."""
        if self.reason in _FRIENDLY:
            return AGAIN
        return _ADVICE.get(self.reason, AGAIN + _TELL_STAFF)

    @property
    def status(self) -> int:
        """HTTP status of the page that says so."""
        return {"keys_unreachable": 503, "platform_unknown": 404}.get(self.reason, 401)
