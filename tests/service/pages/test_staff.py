"""Staff grade again, see the difference, publish it; send grades again; change the rules."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from sqlalchemy import select, update

from grader.service import grading, results
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.lti import grades
from grader.service.lti.ags import store
from grader.service.lti.ags.words import explained
from grader.service.lti.policy import Policy
from grader.service.lti.tables import LtiGrade, LtiLink
from grader.service.pages import rules_form
from grader.service.pages.forms import Form
from grader.service.submissions import Incoming, accept
from grader.service.tables import Grading, Notice, Result, Source, Submission, now
from service.fakes import FakeGrader, report
from service.pages.conftest import Person, Place

Sent = Callable[..., Submission]
DUE = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def eve(place: Place) -> Person:
    return place.launched("eve", "staff")


@pytest.fixture
def see(client: TestClient[Any], place: Place, eve: Person) -> Callable[..., str]:
    """Look at a page below the placement, by default as staff; return its text."""

    def get(path: str, person: Person = eve, *, bar: bool = False) -> str:
        answer = client.get(f"/links/{place.link_id}{path}", headers=person.headers)
        return text_of(answer, after="<body" if bar else "<main")

    return get


@pytest.fixture
def press(client: TestClient[Any], place: Place, eve: Person) -> Callable[..., str]:
    """Post a form below the placement, as staff; return the text of the page that it leads to."""

    def post(path: str, status: int = 200, **fields: str) -> str:
        answer = client.post(
            f"/links/{place.link_id}{path}",
            data={"csrf": eve.csrf, **fields},
            headers=eve.headers,
            follow_redirects=False,
        )
        if answer.status_code == 303:
            answer = client.get(answer.headers["location"], headers=eve.headers)
        return text_of(answer, status)

    return post


def text_of(answer: httpx.Response, status: int = 200, *, after: str = "<main") -> str:
    assert answer.status_code == status, answer.text.split("<main")[-1]
    text = re.sub(r"<[^>]+>", " ", answer.text.split(after)[-1])
    return " ".join(unescape(text).split()).replace(" .", ".").replace(" ,", ",")


@pytest.fixture(autouse=True)
def column(service: Service, place: Place) -> None:
    with service.database.transaction() as session:
        session.get_one(LtiLink, place.link_id).line_item = "https://lms.example/ags/7"


def judge(place: Place, submission: Submission, points: int, *, digest: str = "old") -> None:
    service = replace(place.service, listeners=(grades.plan,))
    verdict = "accepted" if points == 100 else "wrong_answer"
    with service.database.transaction() as session:
        row = session.get_one(Submission, submission.id)
        found = report(score=points, verdict=verdict, digest=digest)
        results.record(service, session, row, found, round=1, worker="w")


def grade(place: Place, submission: Submission) -> str:
    """Let a worker grade it under the present exercise, for what its text says."""
    service = replace(place.service, listeners=(grades.plan,))
    return grading.grade(service, FakeGrader(), submission.id, worker="w")


def wanted(place: Place) -> dict[str, float]:
    """Return the grades that are on their way, or there."""
    with place.service.database.reading() as session:
        rows = session.scalars(select(LtiGrade).where(LtiGrade.row != ""))
        return {one.user: store.read(one).wanted.given for one in rows}


def test_all_are_graded_again_and_nothing_counts_before_it_was_seen(
    see: Callable[..., str], press: Callable[..., str], place: Place, sent: Sent
) -> None:
    falls, same = sent(b"score=60"), sent(b"score=100", user="bob")
    judge(place, falls, 80)
    judge(place, same, 100)
    assert "Grade 2 attempts again" in see("/regrading")
    assert "Grading again 0 of 2" in press("/regrading")
    assert "Some are still being graded" in press("/regrading/publish")
    assert grade(place, falls) == "recorded"
    alice = place.launched("alice")
    assert "score 80 of 100" in see("", alice)
    assert "version old" in see(f"/submissions/{falls.id}", alice)
    fresh = sent(b"score=30", user="carol")
    grade(place, fresh)
    assert wanted(place) == {"alice": 80, "bob": 100, "carol": 30}, "what is new counts at once"
    assert "1 of 2 graded again" in see("/regrading/progress")
    grade(place, same)

    page = see("/regrading")
    assert "1 grade would change 2 attempts were graded again" in page
    assert re.search(
        r"alice 80 of 100 60 of 100 -20 % Attempt 1: 80 \(Wrong answer\) → becomes 60 \(Accepted",
        page,
    )
    assert "not published" in see(f"/submissions/{falls.id}/held")
    assert "The new results count now" in press("/regrading/publish")
    assert wanted(place) == {"alice": 60, "bob": 100, "carol": 30}
    assert "score 60 of 100" in see("", alice)
    assert "version old" not in see(f"/submissions/{falls.id}", alice)
    assert "nothing to grade again" in see("/regrading")


def test_one_is_graded_again_and_what_comes_of_it_discarded(
    see: Callable[..., str], press: Callable[..., str], place: Place, sent: Sent
) -> None:
    mine, other = sent(b"score=60"), sent(b"score=10", user="bob")
    judge(place, mine, 80)
    judge(place, other, 80)
    assert "Grading again 0 of 1" in press("/regrading", submission=mine.id)
    grade(place, mine)
    assert grade(place, other) == "nothing"
    assert "1 grade would change" in see("/regrading")
    assert "Nothing has changed" in press("/regrading/discard")
    assert wanted(place) == {"alice": 80, "bob": 80}
    assert "Grade 2 attempts again" in see("/regrading")
    assert "Nothing is to be graded again" in press("/regrading", submission="0" * 32)


def test_the_grades_of_an_exercise_that_was_replaced_stay_until_somebody_has_seen_it(
    client: TestClient[Any],
    see: Callable[..., str],
    press: Callable[..., str],
    place: Place,
    sent: Sent,
    service: Service,
) -> None:
    alice, other = place.launched("alice"), "basic_block"
    mine, broken = sent(b"score=60"), sent(b"fail", user="bob")
    judge(place, mine, 80)
    fail(place, broken)
    replaced(service, place, other)
    assert "1 grade in the course is of another exercise" in see("/regrading")
    assert "it stays until its student has a result for this one" in see("/passback")
    assert "Nobody has handed in yet" in see("/class") and "bob" not in see("/trouble")
    assert "Your grade" not in see("", alice)
    for page in (see("", alice), see("/student?user=alice")):
        assert "Before the exercise was replaced" in page and "Attempt 1" in page
    for person in (alice, place.launched("eve", "staff")):
        page = see(f"/submissions/{mine.id}", person)
        assert "does not count here any more" in page and "Attempt 1" in page
        assert "again" not in page.split("Attempt 1")[1].split("Download file")[0]
        assert "sent to the course" not in page and "on its way" not in page
    for path in ("/file", "/report", "/progress", "/events"):
        path = f"/links/{place.link_id}/submissions/{mine.id}{path}"
        assert client.get(path, headers=alice.headers).status_code == 200, path
        stranger = place.launched("mallory").headers
        assert client.get(path, headers=stranger).status_code == 404, path
    assert "nothing to grade again" in see("/regrading")
    judge(place, sent(b"score=20", exercise=other), 20, digest="new")
    assert wanted(place) == {"alice": 20}, "what is handed in counts at once"
    assert "stays until" not in see("/regrading")

    replaced(service, place, mine.exercise)
    page = see("/regrading")
    assert "Grade again 1, 1 results to look at" in see("/class", bar=True)
    assert "1 grade would change The exercise of this placement was replaced" in page
    assert "alice 20 of 100 80 of 100 +60 % Attempt 1 counts. What the course has" in page
    assert "Publish and send 1 grade" in page and "Discard" not in page
    assert "Grade 1 attempt again" in page, "an older version has judged it"
    assert wanted(place) == {"alice": 20}
    late = press("/rules", **{**RULES, "due": "2020-01-01T00:00"})
    assert "alice 20 of 100 40 of 100" in late and "for lateness in place of" not in late
    press("/regrading/publish")
    assert wanted(place) == {"alice": 80}
    assert "was replaced" not in see("/regrading")


def replaced(service: Service, place: Place, exercise: str) -> None:
    with service.database.transaction() as session:
        session.get_one(LtiLink, place.link_id).exercise = exercise


def test_those_that_nobody_has_begun_can_be_left(
    press: Callable[..., str], place: Place, sent: Sent
) -> None:
    for user in ("alice", "bob"):
        judge(place, sent(user=user), 80)
    assert "Stop: leave the other 2 as they are" in press("/regrading")
    assert "Nothing came of the last time" in press("/regrading/stop")
    assert "Nothing has changed" in press("/regrading/discard")


def fail(place: Place, *submissions: Submission) -> None:
    """Let us have failed at gradings until they were given up."""
    ids = [one.id for one in submissions]
    with place.service.database.transaction() as session:
        failed = update(Grading).where(Grading.submission_id.in_(ids))
        session.execute(failed.values(state="parked", problem="the wall fell"))


def test_another_try_at_what_a_regrade_failed_at_is_seen_before_it_counts(
    see: Callable[..., str], press: Callable[..., str], place: Place, sent: Sent
) -> None:
    mine, other = sent(b"score=20"), sent(b"score=100", user="bob")
    fresh = sent(b"score=30", user="carol")
    judge(place, mine, 80)
    judge(place, other, 100)
    press("/regrading")
    fail(place, mine, fresh)
    grade(place, other)
    assert "At 1 we failed: its result stays as it is" in see("/regrading")
    press("/regrading/publish")
    page = see("/trouble")
    assert (
        "An internal error of ours: 2" in page and page.count("The result from before counts.") == 1
    )
    assert "1 of them was to be graded once more and has a result from before" in page
    assert "2 are tried again." in press("/trouble/retry")
    assert (grade(place, mine), grade(place, fresh)) == ("recorded", "recorded")
    assert wanted(place) == {"alice": 80, "bob": 100, "carol": 30}, "carol had none to lose"
    assert "alice 80 of 100 20 of 100 -60 %" in see("/regrading")
    press("/regrading/publish")
    assert wanted(place) == {"alice": 20, "bob": 100, "carol": 30}


def test_what_a_discarded_regrade_failed_at_is_done_as_it_was(
    see: Callable[..., str], press: Callable[..., str], place: Place, sent: Sent
) -> None:
    mine, fresh = sent(b"score=20"), sent(user="carol")
    judge(place, mine, 80)
    press("/regrading")
    fail(place, mine, fresh)
    assert "Nothing came of the last time" in see("/regrading")
    assert "Nothing has changed" in press("/regrading/discard")
    page = see("/trouble")
    assert "carol" in page and "alice" not in page and "from before" not in page
    press("/trouble/retry", 404, submission=mine.id)
    assert "Grade 1 attempt again" in see("/regrading")


def park(place: Place, user: str, problem: str) -> None:
    with place.service.database.transaction() as session:
        grade = store.locked(session, LtiGrade.user == user)
        assert grade is not None
        row = replace(store.read(grade), step="parked", due_s=None, problem=problem)
        store.write(session, grade, row, "send: refused", problem)


def test_grades_that_were_not_taken_say_why_and_are_sent_again(
    see: Callable[..., str], press: Callable[..., str], place: Place, sent: Sent
) -> None:
    assert "No grade has been sent yet" in see("/passback")
    for user in ("41", "50", "9"):
        judge(place, sent(user=user), 80)
    for user in ("41", "50"):
        park(place, user, "HTTP 404 <h1>Line item</h1> not found")
    page = see("/passback")
    assert "3 in all 2 not taken 1 on their way 0 sent" in page
    assert "The course refused it (HTTP 404 Line item not found)." in page
    assert page.index("41 :") < page.index("50 :") < page.index(" 9 :")
    assert "41 :" not in see("/passback?show=waiting") and " 9 :" in see("/passback?show=waiting")
    why = see("/passback/why?user=41")
    assert "The grade of 41 80 of 100: ! Not taken" in why and "decided 80 of 100" in why
    assert "1 grade is sent again." in press("/passback/resend", user="41")
    assert "1 not taken" in see("/passback")
    assert "1 grade is sent again." in press("/passback/resend")
    assert "0 not taken" in see("/passback")
    assert "0 grades are sent again." in press("/passback/resend", user="nobody\0")


def test_an_id_with_what_nobody_sees_in_it_comes_back_from_a_form_as_it_was(
    client: TestClient[Any],
    press: Callable[..., str],
    place: Place,
    eve: Person,
    sent: Sent,
) -> None:
    user = '7\u00a0"\u200b'
    judge(place, sent(user=user), 80)
    park(place, user, "HTTP 404")
    page = client.get(f"/links/{place.link_id}/passback", headers=eve.headers).text
    found = unescape(page.split('name="user" value="')[1].split('"')[0])
    assert "1 grade is sent again." in press("/passback/resend", user=found)


def test_no_grade_of_another_column_is_shown_or_sent(
    see: Callable[..., str], press: Callable[..., str], place: Place, sent: Sent, service: Service
) -> None:
    elsewhere = place.placed("2", course="topology")
    with service.database.transaction() as session:
        session.get_one(LtiLink, elsewhere).line_item = "https://lms.example/ags/8"
    judge(place, sent(user="tom", link_id=elsewhere), 80)
    park(place, "tom", "HTTP 404")
    assert "tom" not in see("/passback") + see("/class") + see("/trouble")
    assert "0 grades are sent again." in press("/passback/resend", user="tom")
    assert "0 grades are sent again." in press("/passback/resend")


@pytest.mark.parametrize(
    ("step", "problem", "sentence"),
    [
        ("send", "HTTP 503", "The last try came to nothing (HTTP 503). It is tried again"),
        ("parked", "HTTP 404", "The course refused it (HTTP 404)."),
        (
            "parked",
            "the platform gives us no token: HTTP 401",
            "does not let the grader in (HTTP 401)",
        ),
        ("parked", "the grade is probably locked in the gradebook: HTTP 500", "Unlock it there"),
        ("parked", "the LMS has a later timestamp than ours: x; y", "holds a later grade"),
        ("parked", "the LMS shows another grade: it shows 3 of 4", "(it shows 3 of 4)"),
        (
            "parked",
            "no usable answer for 4 days, lastly: x",
            "No usable answer for 4 days, lastly: x.",
        ),
        ("done", "", ""),
    ],
)
def test_each_reason_is_a_sentence(step: str, problem: str, sentence: str) -> None:
    said = explained(step, problem)
    assert sentence in said and (said == "" or said.endswith("."))


RULES = {"keep": "best", "due": "2026-11-24T00:00", "grace": "30", "off": "10", "most": "50"}


def test_rules_say_what_they_change_before_they_are_stored(
    see: Callable[..., str], press: Callable[..., str], place: Place, sent: Sent, service: Service
) -> None:
    for user, hours in (("alice", 1), ("bob", -1)):
        late = sent(user=user)
        with service.database.transaction() as session:
            mine = update(Submission).where(Submission.id == late.id)
            session.execute(mine.values(submitted_at=DUE + timedelta(hours=hours)))
        judge(place, late, 80)
    assert "The best attempt counts. Nothing is due" in see("/rules")
    page = press("/rules", **RULES)
    assert "1 grade would change" in page and "Store, and send 1 grade" in page
    assert "Then The best attempt counts. Due 24 Nov 2026, 00:00 UTC. Nothing is taken off" in page
    assert "alice 80 of 100 72 of 100 -8 % 10 % off for lateness in place of 0 %." in page
    assert wanted(place) == {"alice": 80, "bob": 80}
    assert "These rules hold now. 1 grade changes and is sent" in press("/rules/store", **RULES)
    assert wanted(place) == {"alice": 72, "bob": 80}
    assert "at most 50 %" in see("/rules")
    assert "That is what holds already" in press("/rules", **RULES)
    assert "Change it" in press("/rules", **RULES, edit="1")
    assert "No grade would change" in press("/rules", **{**RULES, "keep": "last"})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("keep", "worst"),
        ("keep", ""),
        ("due", "tomorrow"),
        ("due", "0001-01-01T00:00"),
        ("due", ""),
        ("grace", "-1"),
        ("grace", "nan"),
        ("off", "1e9"),
        ("off", "ten"),
        ("most", "101"),
        ("most", "\u0664"),
        ("due_utc", "\0"),
    ],
)
def test_what_is_no_rule_is_refused_field_by_field(field: str, text: str) -> None:
    read = rules_form.read(Form({**RULES, field: text}))
    assert read.policy is None and set(read.problems) == {field.removesuffix("_utc")}


def test_a_moment_in_another_zone_is_that_moment() -> None:
    read = rules_form.read(Form({**RULES, "due_utc": "2026-11-24T02:00:00+02:00", "off": "2,5"}))
    assert read.policy == Policy(
        due_s=DUE.timestamp(), grace_minutes=30, percent_off_per_day=2.5, most_percent_off=50
    )


@pytest.mark.parametrize(
    ("wrong", "utc", "shown"),
    [
        ("keep", "2026-11-24T00:00:00.000Z", "2026-11-24T00:00"),
        ("grace", "2026-11-24T00:00:00.000Z", "2026-11-24T00:00"),
        ("off", "2026-11-24T00:00:00.000Z", "2026-11-24T00:00"),
        ("due", "1999-11-24T00:00:00.000Z", "1999-11-24T00:00"),
        ("due", "0001-01-01T00:00:00+02:00", "2026-11-24T02:00"),  # no moment in UTC
    ],
)
def test_a_due_time_is_shown_again_in_utc_whatever_is_wrong(
    wrong: str, utc: str, shown: str
) -> None:
    local = {**RULES, wrong: "abc", "due": "2026-11-24T02:00", "due_utc": utc}
    read = rules_form.read(Form(local))
    assert set(read.problems) == {wrong} and read.texts["due"] == shown


def test_a_refused_form_is_shown_again(press: Callable[..., str], see: Callable[..., str]) -> None:
    for path in ("/rules", "/rules/store"):
        page = press(path, 422, **{**RULES, "off": "200"})
        assert "Nothing was changed" in page and "Give a number from 0 to 100." in page
    assert "Nothing is due" in see("/rules")


def by_webhook(place: Place, incoming: Callable[..., Incoming], **changes: str) -> Submission:
    """Let a sender whose courses are the platform's have sent something."""
    with place.service.database.transaction() as session:
        if session.get(Source, "campus") is None:
            campus = Source(name="campus", kind="standard", created_at=now())
            campus.lti_platform_id = place.platform_id
            session.add(campus)
        return accept(session, incoming(user="bob", **changes), NoDispatch())


def test_what_failed_at_our_side_is_shown_and_tried_again(
    see: Callable[..., str],
    press: Callable[..., str],
    place: Place,
    sent: Sent,
    service: Service,
    incoming: Callable[..., Incoming],
) -> None:
    assert "None. Every attempt was graded" in see("/trouble")
    failed, other = sent(), by_webhook(place, incoming)
    hidden = by_webhook(place, incoming, course="topology")
    notice = Notice(
        id="msg_1",
        source="campus",
        submission_id=other.id,
        type="result.graded",
        body=b"{}",
        state="parked",
        tries=10,
        next_at=now(),
        problem="it answered 500",
        created_at=now(),
    )
    with service.database.transaction() as session:
        session.add(notice)
        parked = update(Grading).where(Grading.submission_id.in_([failed.id, hidden.id]))
        session.execute(parked.values(state="parked", problem="the wall fell <b>"))
    page = see("/trouble")
    assert "An internal error of ours: 1" in page and "the wall fell <b>" in page
    assert "10 tries; it answered 500" in page
    assert "1 is tried again." in press("/trouble/retry", submission=failed.id)
    assert "1 is tried again." in press("/trouble/resend", notice="msg_1")
    assert "None. Every attempt" in see("/trouble")
    press("/trouble/retry", 404, submission=failed.id)
    press("/trouble/retry", 404, submission=hidden.id)
    press("/trouble/resend", 404, notice="msg_1\0")
    assert "0 are tried again." in press("/trouble/retry")
    with service.database.reading() as session:
        states = dict(session.execute(select(Grading.submission_id, Grading.state)).all())
        assert states == {failed.id: "waiting", other.id: "waiting", hidden.id: "parked"}
        assert session.get_one(Notice, "msg_1").state == "waiting"
        assert session.scalars(select(Result)).all() == []
