"""From a recorded result to the gradebook: policy, outbox rows in both databases, the real loop."""

import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient
from processes import PATIENCE_S
from sqlalchemy import select, update
from sqlalchemy.orm import Session, object_session

from grader.service import regrading, results, upkeep
from grader.service.lti import changes, grades, holding, registry
from grader.service.lti.ags import store
from grader.service.lti.ags.loop import LEASE_S, Claim
from grader.service.lti.ags.row import Event
from grader.service.lti.ags.store import DatabaseStore
from grader.service.lti.policy import Attempt, Policy, decide, percent_off
from grader.service.lti.tables import LtiGrade, LtiGradeStep, LtiLink
from grader.service.pages.standing import standing
from grader.service.tables import Submission, now
from service.conftest import OPERATOR
from service.fakes import report
from service.lti.course import DUE, QUICK, Course
from service.lti.fake_gradebook import Faults


def test_a_result_becomes_a_grade_and_a_worse_attempt_sends_nothing(course: Course) -> None:
    course.judge("u1", 70)
    course.send()
    assert course.column["u1"].given == 70
    posts = len(course.lms.gradebook.requests)
    course.judge("u1", 30)
    course.judge("u1", 70)
    course.send()
    assert len(course.lms.gradebook.requests) == posts
    course.judge("u1", 90)
    course.send()
    assert course.column["u1"].given == 90 and course.column["u1"].writes == 2


def test_what_is_posted_is_final_typed_and_dated_by_the_attempt(course: Course) -> None:
    course.judge("u1", 70)
    course.send()
    [(_, path, posted)] = [r for r in course.lms.gradebook.requests if r[0] == "POST"]
    assert path == "/ags/7/scores"
    assert posted["gradingProgress"] == "FullyGraded"
    assert posted["activityProgress"] == "Completed"
    assert posted["userId"] == "u1" and posted["scoreMaximum"] == 100
    assert posted["submission"]["submittedAt"] == "2026-11-24T00:00:00.000+00:00"


def test_a_failure_of_ours_sends_nothing_and_a_later_result_does(course: Course) -> None:
    submission = course.judge("u1", 0, verdict="internal_error")
    course.send()
    assert course.lms.gradebook.requests == []
    course.record(submission, 80, digest="d2")
    course.send()
    assert course.column["u1"].given == 80


def test_a_regrade_may_lower_a_grade(course: Course) -> None:
    submission = course.judge("u1", 80)
    course.send()
    course.record(submission, 60, digest="d2")
    course.send()
    assert course.column["u1"].given == 60


def session_of(link: LtiLink) -> Session:
    session = object_session(link)
    assert session is not None
    return session


def test_a_held_regrade_is_seen_before_it_is_published(course: Course) -> None:
    first, second = course.judge("u1", 80), course.judge("u2", 50)
    course.send()
    with course.link() as link:
        link.held = True
    course.record(first, 60, digest="d2")
    course.record(second, 50, digest="d2")
    course.judge("u3", 10)
    course.send()
    given = {user: cell.given for user, cell in course.column.items()}
    assert given == {"u1": 80, "u2": 50, "u3": 10}, "what is new counts, what replaces is held"
    with course.link() as link:
        [seen] = changes.of_regrading(session_of(link), link, Policy())
    assert seen.before is not None
    assert (seen.user, seen.before.score.given, seen.after.score.given) == ("u1", 80, 60)
    assert [(one.number, one.before.score, one.after.score) for one in seen.judgements] == [
        (1, 80, 60)
    ]
    assert holding.publish(course.service, course.link_id) == 1
    course.send()
    given = {user: cell.given for user, cell in course.column.items()}
    assert given == {"u1": 60, "u2": 50, "u3": 10}
    with course.link() as link:
        assert not link.held and changes.of_regrading(session_of(link), link, Policy()) == []


def test_a_discarded_regrade_has_not_happened(course: Course) -> None:
    first = course.judge("u1", 80)
    course.send()
    with course.link() as link:
        link.held = True
    course.record(first, 60, digest="d2")
    assert holding.discard(course.service, course.link_id) == 1
    course.send()
    assert course.column["u1"].given == 80 and course.column["u1"].writes == 1
    course.record(first, 70, digest="d2")
    course.send()
    assert course.column["u1"].given == 70, "after it, a regrade counts at once"


def test_what_counts_goes_on_counting_when_its_version_is_back(course: Course) -> None:
    first = course.judge("u1", 50)
    course.record(first, 80, digest="d2")
    course.send()
    with course.link() as link:
        link.held = True
    course.record(first, 20, digest="d3")
    course.record(first, 80, digest="d2")
    with course.link() as link:
        session = session_of(link)
        assert [one.given for one in grades.attempts(session, link, "u1")] == [80]
        assert holding.progress(session, link).held == 0, "of d3 nothing is to be looked at"
    assert holding.publish(course.service, course.link_id) == 0
    course.record(first, 90, digest="d4")
    course.send()
    assert (course.column["u1"].given, course.column["u1"].writes) == (90, 2)


def test_a_regrade_is_held_although_somebody_publishes_while_it_begins(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.judge("u1", 80)
    original = regrading.regrade_many

    def publish_first(*args: Any) -> int:
        holding.publish(course.service, course.link_id)
        return original(*args)

    monkeypatch.setattr(regrading, "regrade_many", publish_first)
    assert holding.begin(course.service, course.link_id) == 1
    with course.link() as link:
        assert link.held


def test_another_exercise_counts_alone_and_sends_nothing_before_it_was_seen(
    course: Course,
) -> None:
    course.judge("u1", 80)
    course.judge("u2", 60)
    course.send()
    with course.link() as link:
        old, link.exercise = link.exercise, "basic_block"
    fresh = course.judge("u1", 20)
    course.send()
    given = {user: cell.given for user, cell in course.column.items()}
    assert given == {"u1": 20, "u2": 60}, "the old score is not the best of the new exercise"
    with course.link() as link:
        assert changes.of_exercise(session_of(link), link, Policy()) == []
        assert changes.staying(session_of(link), link) == 1
        link.exercise = old
    course.record(fresh, 30, digest="d2")
    course.send()
    assert course.column["u1"].given == 20, "a late result of another exercise decides nothing"
    with course.link() as link:
        session = session_of(link)
        [seen] = changes.of_exercise(session, link, Policy())
        [same] = changes.of_policy(session, link, Policy(), Policy(keep="last"))
        assert changes.of_regrading(session, link, Policy()) == [seen] == [same]
        assert changes.staying(session, link) == 0
    assert seen.before is not None
    assert (seen.user, seen.before.number, seen.before.score.given) == ("u1", 0, 20)
    assert (seen.after.number, seen.after.score.given) == (1, 80)
    assert holding.publish(course.service, course.link_id) == 1
    course.send()
    assert {user: cell.given for user, cell in course.column.items()} == {"u1": 80, "u2": 60}


@pytest.mark.parametrize("other", ["basic_block", ""], ids=["replaced", "by a slip"])
def test_what_was_judged_while_another_exercise_was_there_is_not_lost(
    course: Course, other: str
) -> None:
    course.judge("u1", 50)
    better = course.judge("u1", 0, verdict="internal_error")
    first = course.judge("u2", 0, verdict="internal_error")
    with course.link() as link:
        old, link.exercise = link.exercise, other
    if other:
        course.judge("u3", 10)
    course.record(better, 70, digest="d2")
    course.record(first, 60, digest="d2")
    with course.link() as link:
        link.exercise = old
    course.send()
    given = {user: cell.given for user, cell in course.column.items()}
    assert given == {"u1": 50, **({"u3": 10} if other else {})}
    with course.link() as link:
        seen = changes.of_exercise(session_of(link), link, Policy())
        had = [None if one.before is None else one.before.score.given for one in seen]
        assert (had, [one.after.score.given for one in seen]) == ([50, None], [70, 60])
        assert changes.staying(session_of(link), link) == (1 if other else 0)
    assert holding.publish(course.service, course.link_id) == 2
    course.send()
    given = {user: cell.given for user, cell in course.column.items()}
    assert given == {"u1": 70, "u2": 60, **({"u3": 10} if other else {})}
    with course.link() as link:
        assert changes.of_exercise(session_of(link), link, Policy()) == []


def test_a_policy_is_not_changed_while_a_result_is_being_recorded(course: Course) -> None:
    first = course.judge("u1", 0, at=DUE + timedelta(hours=1), verdict="internal_error")
    late = Policy(due_s=DUE.timestamp(), percent_off_per_day=50)
    changing = threading.Thread(
        target=grades.change_policy, args=(course.service, course.link_id, late)
    )
    with course.service.database.transaction() as session:
        submission = session.get_one(Submission, first)
        found = report(score=100, verdict="accepted", digest="d2")
        results.record(course.service, session, submission, found, round=1, worker="w")
        changing.start()
        changing.join(0.5)  # on a slow machine it may not even have begun: then nothing is shown
        assert changing.is_alive(), "it would miss a result that is not committed"
    changing.join(PATIENCE_S)
    assert store.read(course.row("u1")).wanted.given == 50


def test_nothing_is_published_while_some_are_graded_and_those_left_can_be_stopped(
    course: Course,
) -> None:
    ids = [course.judge(user, 50) for user in ("u1", "u2")]
    assert holding.begin(course.service, course.link_id) == 2
    assert holding.begin(course.service, course.link_id) == 0, "they wait already"
    course.record(ids[0], 70, digest="d2", round=2)
    with pytest.raises(holding.StillGrading):
        holding.publish(course.service, course.link_id)
    with pytest.raises(holding.StillGrading):
        holding.discard(course.service, course.link_id)
    with course.link() as link:
        far = holding.progress(session_of(link), link)
        assert (far.waiting, far.stoppable, far.held, far.total) == (1, 1, 1, 2)
    assert holding.stop(course.service, course.link_id) == 1
    assert holding.publish(course.service, course.link_id) == 1


def test_a_new_policy_and_a_new_column_reach_everybody(course: Course) -> None:
    late = datetime(2026, 11, 25, 12, tzinfo=UTC)
    for user in ("u1", "u2"):
        course.judge(user, 80)
        course.judge(user, 100, at=late)
    course.send()
    assert {cell.given for cell in course.column.values()} == {100}
    policy = Policy(due_s=DUE.timestamp(), percent_off_per_day=30)
    with course.service.database.transaction() as session:
        link = session.get_one(LtiLink, course.link_id)
        link.policy = msgspec.json.encode(policy).decode()
        session.flush()
        assert grades.settle_all(session, link) == 2
    course.send()
    assert {cell.given for cell in course.column.values()} == {80}
    course.lms.gradebook.columns["8"] = {}
    with course.service.database.transaction() as session:
        link = session.get_one(LtiLink, course.link_id)
        link.line_item = f"{course.lms.issuer}/ags/8"
        session.flush()
        assert grades.settle_all(session, link) == 2
    course.send()
    assert {cell.given for cell in course.lms.gradebook.columns["8"].values()} == {80}


def test_a_grade_that_the_new_address_has_already_is_not_replaced_by_an_older_one(
    course: Course,
) -> None:
    before, after = (f"{course.lms.issuer}/{one}/{'a1' * 40}" for one in ("lineitem", "lineitems"))
    for line_item, user, points in (
        (before, "u1", 70),
        (before, "u2", 40),
        (f"{after}/12", "u1", 90),
    ):
        with course.link() as link:
            link.line_item = line_item
        course.judge(user, points)
    with course.link() as link:
        session = object_session(link)
        assert session is not None
        grades.move(session, link, before)
        rows = session.scalars(select(LtiGrade).order_by(LtiGrade.id)).all()
        at = [(one.user, one.line_item, store.read(one).wanted.given) for one in rows]
        assert at == [("u1", before, 70), ("u2", f"{after}/12", 40), ("u1", f"{after}/12", 90)]


def test_without_a_column_nothing_waits(course: Course) -> None:
    with course.link() as link:
        link.line_item = ""
    course.judge("u1", 70)
    with course.service.database.reading() as session:
        assert session.scalars(select(LtiGrade)).all() == []


def test_every_step_is_kept_for_whoever_asks_why(course: Course) -> None:
    del course.lms.gradebook.columns["7"]
    course.judge("u1", 70)
    course.send()
    row = course.row("u1")
    assert (row.step, "Line item not found" in row.problem) == ("parked", True)
    with course.service.database.reading() as session:
        steps = session.scalars(select(LtiGradeStep).order_by(LtiGradeStep.id)).all()
    assert [step.what for step in steps] == ["decided", "send: refused"]
    assert steps[0].words == "70 of 100" and "404" in steps[1].words
    course.lms.gradebook.columns["7"] = {}
    with course.service.database.transaction() as session:
        grade = store.locked(session, LtiGrade.id == row.id)
        assert grade is not None
        store.resend(session, grade)
    course.send()
    assert course.column["u1"].given == 70


def test_what_was_given_up_on_is_listed_counted_and_purged(
    course: Course, client: TestClient[Any]
) -> None:
    del course.lms.gradebook.columns["7"]
    course.judge("u1", 70)
    operator = {"Authorization": f"Bearer {OPERATOR}"}
    assert 'grader_grades_held{step="send"} 1.0' in client.get("/metrics", headers=operator).text
    course.send()
    [parked] = client.get("/parked", headers=operator).json()
    assert (parked["kind"], parked["source"]) == ("grade", "lti:1")
    assert "Line item not found" in parked["problem"]
    assert 'grader_grades_held{step="parked"} 1.0' in client.get("/metrics", headers=operator).text
    upkeep.purge(course.service.database, now() - timedelta(days=1))
    assert course.row("u1").step == "parked"
    upkeep.purge(course.service.database, now() + timedelta(days=1))
    with course.service.database.reading() as session:
        assert session.scalars(select(LtiGrade)).all() == []
        assert session.scalars(select(LtiGradeStep)).all() == []


def test_a_grade_stays_known_while_its_student_has_a_later_attempt(course: Course) -> None:
    course.judge("u1", 90)
    course.judge("u2", 80)
    course.send()
    with course.service.database.transaction() as session:
        long_ago = now() - timedelta(days=200)
        session.execute(update(Submission).values(received_at=long_ago))
        session.execute(update(LtiGrade).values(changed_at=long_ago))
    course.judge("u1", 70)  # no better: the grade is as it was
    assert upkeep.purge(course.service.database, now() - timedelta(days=180)) == 2
    with course.service.database.reading() as session:
        [kept] = session.scalars(select(LtiGrade.user)).all()
        link = session.get_one(LtiLink, course.link_id)
        where = standing(session, link, "u1")
        assert changes.of_exercise(session, link, Policy()) == [], "no exercise was replaced"
    assert (kept, where.sent, where.told and where.told.given) == ("u1", "sent", 90)
    upkeep.purge(course.service.database, now() + timedelta(days=1))
    with course.service.database.reading() as session:
        assert session.scalars(select(LtiGrade)).all() == []


def claim_one(course: Course, at_s: float) -> Claim:
    [claim] = DatabaseStore(course.service.database, QUICK).claim(at_s, Counter(), 10)
    return claim


def test_a_row_is_taken_once_and_a_decision_meanwhile_is_kept(course: Course) -> None:
    course.judge("u1", 70)
    kept = DatabaseStore(course.service.database, QUICK)
    at_s = time.time()
    claim = claim_one(course, at_s)
    assert kept.claim(at_s, Counter(), 10) == []
    course.judge("u1", 90)
    assert kept.claim(at_s, Counter(), 10) == []
    assert kept.finish(claim, Event(kind="accepted"), at_s)
    row = store.read(course.row("u1"))
    assert row.step == "send" and row.wanted.given == 90
    assert claim_one(course, time.time()).row.sent == row.wanted


def test_a_process_that_wakes_after_its_lease_changes_nothing(course: Course) -> None:
    course.judge("u1", 70)
    at_s = time.time()
    frozen = claim_one(course, at_s)
    kept = DatabaseStore(course.service.database, QUICK)
    assert kept.claim(at_s + LEASE_S + 1, Counter(), 10) == []  # it may be stored still: wait
    row = store.read(course.row("u1"))
    assert (row.step, row.doubt) == ("read", "unknown")
    assert not kept.finish(frozen, Event(kind="refused", text="404"), at_s + LEASE_S + 2)
    assert store.read(course.row("u1")) == row
    later = claim_one(course, at_s + LEASE_S + 10)
    assert later.row.step == "read"
    assert not kept.finish(frozen, Event(kind="accepted"), at_s + LEASE_S + 11)


def test_a_living_process_holds_its_rows_however_long_a_step_takes(course: Course) -> None:
    course.judge("u1", 70)
    kept, at_s = DatabaseStore(course.service.database, QUICK), time.time()
    claim = claim_one(course, at_s)
    kept.extend([claim.lease], at_s + LEASE_S - 1)
    assert kept.claim(at_s + LEASE_S + 1, Counter(), 10) == []
    assert kept.finish(claim, Event(kind="accepted"), at_s + LEASE_S + 2)
    kept.extend([claim.lease], at_s + LEASE_S + 3)
    assert course.row("u1").lease_until is None


def test_a_platform_takes_no_more_room_than_its_share(course: Course) -> None:
    for number in range(20):
        course.judge(f"u{number}", 50)
    kept = DatabaseStore(course.service.database, QUICK)
    assert len(kept.claim(time.time(), Counter({"1": 14}), 64)) == 2
    assert len(kept.claim(time.time(), Counter({"1": 16}), 64)) == 0
    assert len(kept.claim(time.time(), Counter({"2": 16}), 64)) == 16


def test_grades_of_a_platform_that_is_shut_out_wait_until_it_is_let_in(course: Course) -> None:
    course.judge("u1", 70)
    kept = DatabaseStore(course.service.database, QUICK)
    with course.service.database.transaction() as session:
        registry.block(session, 1)
    assert kept.claim(time.time(), Counter(), 64) == []
    with course.service.database.transaction() as session:
        registry.approve(session, 1)
    course.send()
    assert course.column["u1"].given == 70


def test_grades_are_right_in_the_database_under_failures_and_freezes(course: Course) -> None:
    rng = random.Random(5)
    course.lms.gradebook.rng = rng
    # Few are 500: five in a row are how a grade looks that a teacher has locked.
    kinds = ("500", "503", "503", "503", "lost_answer", "lost_request")
    course.lms.gradebook.faults = Faults(
        rate=0.3, kinds=kinds, token_rate=0.05, freeze_rate=0.2, freeze_s=0.35
    )
    final = {}
    for _ in range(3):
        for number in range(12):
            points = rng.randint(0, 100)
            course.judge(f"u{number}", points)
            final[f"u{number}"] = max(points, final.get(f"u{number}", 0))
        course.send(faulty_s=60)
    assert {user: cell.given for user, cell in course.column.items()} == final


@pytest.mark.parametrize(
    ("hours_late", "policy", "expected"),
    [
        (-1.0, Policy(due_s=0, percent_off_per_day=10), 0),
        (0.4, Policy(due_s=0, grace_minutes=30, percent_off_per_day=10), 0),
        (0.6, Policy(due_s=0, grace_minutes=30, percent_off_per_day=10), 10),
        (25.0, Policy(due_s=0, percent_off_per_day=10), 20),
        (99.0, Policy(due_s=0, percent_off_per_day=10, most_percent_off=25), 25),
        (9999.0, Policy(due_s=0, percent_off_per_day=10), 100),
        (99.0, Policy(percent_off_per_day=10), 0),
    ],
)
def test_lateness_costs_by_the_day_up_to_a_cap(
    hours_late: float, policy: Policy, expected: float
) -> None:
    assert percent_off(policy, hours_late * 3600) == expected


def test_best_takes_the_earliest_of_equals_and_last_the_latest() -> None:
    points = [(3.0, 50), (1.0, 80), (2.0, 80)]
    tried = [Attempt(given=p, maximum=100, submitted_s=at) for at, p in points]
    best, last = decide(tried, Policy()), decide(tried, Policy(keep="last"))
    assert best is not None and (best.given, best.submitted_at) == (80, 1.0)
    assert last is not None and (last.given, last.submitted_at) == (50, 3.0)
    assert decide([], Policy()) is None
