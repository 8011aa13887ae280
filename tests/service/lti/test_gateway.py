"""What an answer of a platform means, in the words that each has for it."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from grader.service.lti.ags.gateway import Gateway, Target
from grader.service.lti.ags.outbox import begin, decide
from grader.service.lti.ags.row import Event, Row
from grader.service.lti.ags.score import Score, Shown, body
from grader.service.lti.ags.words import explained
from grader.service.lti.platform import Platform
from service.lti.test_outbox_simulation import PLATFORM

NOW = 1_790_000_000.0
SCORE = Score(given=8, maximum=10, submitted_at=NOW)
SENT = begin(decide(None, SCORE, NOW), NOW)
LOOKED_AT = Row(wanted=SCORE, step="read", doubt="by_hand", sent=SCORE)


def carried_out(row: Row, answer: httpx.Response) -> Event:
    class Tokens:
        async def get(self, platform: Platform, scopes: tuple[str, ...]) -> str:
            return "token"

        def forget(self, refused: str) -> None: ...

    async def main() -> Event:
        wire = httpx.MockTransport(lambda request: answer)
        target = Target(platform=PLATFORM, line_item="https://lms.example/ags/7", user="u1")
        async with httpx.AsyncClient(transport=wire) as client:
            return await Gateway(client, Tokens(), clock=lambda: NOW).carry_out(target, row)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "Provided timestamp of 1 before last updated timestamp of 2", "conflict"),
        (400, "Provided submitted_at timestamp of 2026-09-21 in the future", "throttled"),
        (400, 'Incorrect score received{"userId": "u1", "timestamp": "2026"}', "refused"),
        (400, "scoreMaximum is missing", "refused"),
        (403, "403 Forbidden (Rate Limit Exceeded)", "throttled"),
        (403, "signature_error", "unauthorized"),
        (404, "Line item not found", "refused"),
        (409, "Refusing score with an earlier timestamp", "conflict"),
        (503, "Service unavailable", "unknown"),
    ],
)
def test_what_a_platform_says_of_a_score(status: int, text: str, kind: str) -> None:
    event = carried_out(SENT, httpx.Response(status, text=text))
    assert (event.kind, event.status) == (kind, status)
    assert text in event.text


@pytest.mark.parametrize(("row", "kind"), [(SENT, "refused"), (LOOKED_AT, "unreadable")])
def test_a_403_to_a_token_that_is_new_is_no_matter_of_tokens(row: Row, kind: str) -> None:
    answer = httpx.Response(403, text="signature_error")
    assert carried_out(row, answer).kind == "unauthorized"
    assert carried_out(replace(row, renewed=True), answer).kind == kind


def test_whoever_moodle_does_not_grade_is_not_said_to_have_a_later_grade() -> None:
    said = explained("parked", 'HTTP 400 Incorrect score received{"timestamp": "2026"}')
    assert said.startswith("The course does not grade this person")


def test_a_next_page_with_an_address_that_is_none_is_a_failed_read() -> None:
    page = httpx.Response(200, json=[], headers={"link": '<https://[::1>; rel="next"'})
    assert carried_out(LOOKED_AT, page).kind == "read_failed"


def test_a_page_with_everybody_of_a_large_course_is_read() -> None:
    others: list[dict[str, Any]] = [{"userId": f"other{n}", "id": "x" * 200} for n in range(9_000)]
    mine = {"userId": "u1", "resultScore": 8, "resultMaximum": 10}
    event = carried_out(LOOKED_AT, httpx.Response(200, json=[*others, mine]))
    assert event.shown == Shown(8.0, 10.0)


def test_a_grade_that_was_cut_to_hundredths_is_ours_and_one_beside_it_is_not() -> None:
    score = Score(given=71.26, maximum=100, submitted_at=NOW)
    assert Shown(7.12, 10.0).is_grade(score)
    assert not Shown(7.10, 10.0).is_grade(score)
    assert not Shown(0.703, 1.0).is_grade(score)


def test_a_comment_is_sent_also_where_there_is_none() -> None:
    posted = body(SCORE, "u1", stamp_s=1, family="")
    assert posted["comment"] == ""
