"""Carry out one step of a row at the platform, and say what came of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from grader.service.http_times import date_s, retry_after_s
from grader.service.lti import names
from grader.service.lti.ags import words
from grader.service.lti.ags.row import Event, Kind, Row
from grader.service.lti.ags.score import Shown, body, read_results, results_url, scores_url
from grader.service.lti.fetching import Unanswered, exchange, json_of, words_of
from grader.service.lti.platform import Platform
from grader.service.lti.service_token import ServiceTokens

LEAST_TIMEOUT_S = 30.0
"""Moodle stores a score all the same when its client has gone: patience saves a read."""
_MOST_PAGES = 50
_MOST_BYTES = 16 * 1024 * 1024
"""Open edX lists everybody on one page, whoever is asked for: 300 bytes each."""

_KINDS: dict[int, Kind] = {
    401: "unauthorized",
    408: "throttled",
    409: "conflict",
    425: "throttled",
    429: "throttled",
}
"""What a status says about a score; else 2xx is accepted, 5xx unknown, and all others refuse."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whose grade in which column.

    Attributes:
        line_item: its address; user: the platform's id, always a text.
        scopes: what the platform offered when the line item was seen.
    """

    platform: Platform
    line_item: str
    user: str
    scopes: tuple[str, ...] = names.SCOPES


class Gateway:
    """The services of every platform."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        tokens: ServiceTokens,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._tokens = tokens
        self._clock = clock

    async def carry_out(self, target: Target, row: Row) -> Event:
        """Take the row's step: post its score, read the result, or look at the line item."""
        try:
            token = await self._tokens.get(target.platform, target.scopes)
        except Unanswered as problem:
            says_no = problem.status in (400, 401, 403)
            return Event(kind="token_refused" if says_no else "not_sent", text=problem.text)
        takes = {"send": self._send, "read": self._read, "probe": self._probe}
        event = await takes[row.step](target, row, token)
        if event.kind == "unauthorized":
            self._tokens.forget(token)
        return event

    async def _send(self, target: Target, row: Row, token: str) -> Event:
        assert row.sent is not None
        score = body(
            row.sent,
            target.user,
            stamp_s=row.stamp_s,
            family=target.platform.family,
            repeats_attempt=row.repeats_attempt,
        )
        try:
            response = await exchange(
                self._client,
                "POST",
                scores_url(target.line_item),
                json=score,
                headers={**_bearer(token), "Content-Type": names.SCORE_TYPE},
            )
        except Unanswered as problem:
            kind: Kind = "unknown" if problem.reached else "not_sent"
            return Event(kind=kind, text=problem.text, status=problem.status)
        return self._judged(response, row)

    def _judged(self, response: httpx.Response, row: Row) -> Event:
        status, text = response.status_code, words_of(response)
        return Event(
            kind=_kind(status, text, row),
            text=text,
            status=status,
            wait_s=retry_after_s(response.headers.get("retry-after", ""), self._clock()),
            server_s=date_s(response.headers.get("date", "")),
        )

    async def _read(self, target: Target, row: Row, token: str) -> Event:
        url: str | None = results_url(target.line_item, target.user)
        try:
            for _ in range(_MOST_PAGES):
                assert url is not None
                headers = {**_bearer(token), "Accept": names.RESULTS_TYPE}
                response = await exchange(
                    self._client, "GET", url, headers=headers, most_bytes=_MOST_BYTES
                )
                if response.status_code != 200:
                    return self._not_read(response, row)
                shown = read_results(json_of(response), target.user)
                url = _next_page(response, url)
                if shown is not None or url is None:
                    return Event(kind="shown", shown=shown or Shown(None))
        except (Unanswered, ValueError, httpx.InvalidURL) as problem:  # of the next page
            return Event(kind="read_failed", text=f"reading the results: {problem}")
        return Event(kind="read_failed", text=f"more than {_MOST_PAGES} pages of results")

    def _not_read(self, response: httpx.Response, row: Row) -> Event:
        status, text = response.status_code, f"reading the results: {words_of(response)}"
        kind = _kind(status, text, row)
        if kind == "unauthorized":
            return Event(kind=kind, text=text, status=status)
        passing = status >= 500 or kind == "throttled"
        wait_s = retry_after_s(response.headers.get("retry-after", ""), self._clock())
        kind = "read_failed" if passing else "unreadable"
        return Event(kind=kind, text=text, status=status, wait_s=wait_s)

    async def _probe(self, target: Target, row: Row, token: str) -> Event:
        headers = {**_bearer(token), "Accept": names.LINE_ITEM_TYPE}
        try:
            response = await exchange(self._client, "GET", target.line_item, headers=headers)
        except Unanswered as problem:
            return Event(kind="unhealthy", text=problem.text)
        status, text = response.status_code, words_of(response)
        if _kind(status, text, row) == "unauthorized":
            return Event(kind="unauthorized", text=text, status=status)
        return Event(kind="healthy" if status == 200 else "unhealthy", status=status)


def _kind(status: int, text: str, row: Row) -> Kind:
    """Return what an answer to a score means."""
    if 200 <= status < 300:
        return "accepted"
    if status >= 500:
        return "unknown"
    said = text.lower()
    if status == 400 and "timestamp" in said and words.NOT_GRADED_THERE not in said:
        # Canvas refuses an attempt of the future, as its clock has it: later it takes the same.
        return "throttled" if "in the future" in said else "conflict"
    if status == 403 and "rate limit" in said:  # Canvas throttles with 403
        return "throttled"
    if status == 403 and not row.renewed:  # Sakai's 401: keys of its tokens are new at each start
        return "unauthorized"
    return _KINDS.get(status, "refused")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _next_page(response: httpx.Response, url: str) -> str | None:
    """Return the next page's address, on the same host only: the token goes there."""
    link: Any = response.links.get("next", {}).get("url")
    if not link:
        return None
    following = httpx.URL(url).join(link)
    here = httpx.URL(url)
    same = (following.scheme, following.netloc) == (here.scheme, here.netloc)
    return str(following) if same and following != here else None
