"""Call the queue's server: log in, pull, put; say of every failure whether it may pass."""

import time
from typing import Any

import httpx

from grader.text import printable
from grader.xqueue import protocol
from grader.xqueue.credentials import Credentials
from grader.xqueue.protocol import NotUnderstood, Reply, Submission

TIMEOUT_S = 30.0
_MOST_BYTES = 16 << 20
"""Of an answer: a submission typed by hand, escaped twice, stays far below."""

_MOST_S = 120.0
"""From the first to the last byte of an answer."""

_LOGIN_WANTED = (301, 302, 401, 403)
_LATER = (408, 409, 425, 429, 502, 503, 504)


class ServerTrouble(Exception):
    """The server does not answer as it should; it may do so later."""


class Unanswered(ServerTrouble):
    """A result was sent, and it is not known whether the server took it."""


class Refused(Exception):
    """The server will not take this result, however often it is put."""


class LoginRefused(Exception):
    """The server does not know these credentials."""


class Client:
    """A session with one queue of one server.

    Args:
        url: scheme and host, without /xqueue/.
    """

    def __init__(
        self,
        url: str,
        queue: str,
        credentials: Credentials,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._queue, self._credentials = queue, credentials
        self._logged_in = False
        self._http = httpx.Client(
            base_url=url,
            auth=credentials.basic,
            timeout=TIMEOUT_S,
            follow_redirects=False,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def pull(self) -> Submission | None:
        """Return the next submission, or None when the queue is empty.

        Raises:
            ServerTrouble: the server did not answer, or with something else.
            LoginRefused: the credentials are wrong.
        """
        reply = self._call("GET", "get_submission", params={"queue_name": self._queue})
        if protocol.is_empty(reply):
            return None
        if not reply.accepted:
            raise ServerTrouble(f"get_submission: {_shown(reply.content)}")
        try:
            return protocol.read_submission(reply.content)
        except NotUnderstood as error:
            raise ServerTrouble(f"get_submission: {error}") from error

    def put(self, header: str, body: str) -> None:
        """Put a result.

        Raises:
            ServerTrouble: the server did not take it, but may later; Unanswered: or it did.
            Refused: it never will: the key is an older pull's, or no such submission is known.
            LoginRefused: the credentials are wrong.
        """
        form = {"xqueue_header": header, "xqueue_body": body}
        reply = self._call("POST", "put_result", data=form)
        if not reply.accepted:
            raise Refused(_shown(reply.content))

    def _call(self, method: str, action: str, **content: Any) -> Reply:
        """Call, logging in first where that is needed."""
        fresh = not self._logged_in
        if fresh:
            self._log_in()
        status, data = self._send(method, action, **content)
        if _wants_login(status, data):
            self._logged_in = False
            if fresh:
                raise ServerTrouble(f"{action}: {status} right after the login")
            return self._call(method, action, **content)
        return _reply(action, status, data)

    def _log_in(self) -> None:
        """Log in. The first answer brings the cookie that the second must repeat (Django)."""
        self._http.cookies.clear()
        self._send("GET", "login")  # older servers answer "login_required" and set no cookie
        form = {"username": self._credentials.username, "password": self._credentials.password}
        status, data = self._send("POST", "login", data=form)
        try:
            accepted = protocol.read_reply(data).accepted
        except NotUnderstood as error:
            raise ServerTrouble(f"login: status {status}, {error}") from error
        if status >= 500:
            raise ServerTrouble(f"login: status {status}")
        if status != 200 or not accepted:
            raise LoginRefused(f"the server does not know user {self._credentials.username!r}")
        self._logged_in = True

    def _send(self, method: str, action: str, **content: Any) -> tuple[int, bytes]:
        """Return status and body of one request; never more of it than any answer can have."""
        # Django wants the first of every POST by https; what is packed has no bound, see below.
        headers = {"Referer": str(self._http.base_url), "Accept-Encoding": "identity"}
        if token := self._token():
            headers["X-CSRFToken"] = token
        started, data = time.monotonic(), bytearray()
        try:
            path = f"/xqueue/{action}/"
            with self._http.stream(method, path, headers=headers, **content) as answer:
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise Unanswered(f"{action}: the answer is packed: 2 KB may be a gigabyte")
                for piece in answer.iter_bytes():
                    data += piece
                    if len(data) > _MOST_BYTES or time.monotonic() - started > _MOST_S:
                        raise Unanswered(f"{action}: the answer does not end")
                return answer.status_code, bytes(data)
        except httpx.ConnectError as error:
            raise ServerTrouble(f"{action}: cannot connect: {_shown(error)}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unanswered(f"{action}: {type(error).__name__}: {_shown(error)}") from error

    def _token(self) -> str | None:
        """Return the newest CSRF token: sites name the cookie csrftoken, or put words before."""
        names = (cookie for cookie in self._http.cookies.jar if cookie.name.endswith("csrftoken"))
        return next((cookie.value for cookie in names), None)


def _wants_login(status: int, data: bytes) -> bool:
    """A refusal in the protocol's own words is none that a login would help."""
    try:
        reply = protocol.read_reply(data)
    except NotUnderstood:
        return status in _LOGIN_WANTED
    return not reply.accepted and reply.content == "login_required"


def _reply(action: str, status: int, data: bytes) -> Reply:
    if status in _LATER:
        raise ServerTrouble(f"{action}: status {status}")
    if status >= 500:
        raise Unanswered(f"{action}: status {status}")
    try:
        return protocol.read_reply(data)
    except NotUnderstood as error:
        raise ServerTrouble(f"{action}: status {status}, {error}") from error


def _shown(content: object) -> str:
    return printable(str(content), 300)
