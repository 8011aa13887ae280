"""The nine rules, one by one, and what holds after any sequence of events."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.service.lti.ags.outbox import (
    after,
    begin,
    decide,
    interrupted,
    send_again,
)
from grader.service.lti.ags.row import Event, Kind, Row, Timing
from grader.service.lti.ags.rules import MOST_LOCKED, MOST_TOKEN_REFUSALS
from grader.service.lti.ags.score import Score, Shown

NOW = 1_790_000_000.0
TIMING = Timing()
OURS, ANOTHER = Shown(80.0, 100.0), Shown(10.0, 100.0)


def score(given: float = 80.0) -> Score:
    return Score(given=given, maximum=100.0, submitted_at=NOW)


def sent(**changes: object) -> Row:
    return replace(begin(decide(None, score(), NOW), NOW), **changes)


def came(row: Row, kind: Kind, now_s: float = NOW, **details: object) -> Row:
    return after(row, Event(kind=kind, **details), now_s, TIMING, 1.0)


def next_due(row: Row) -> float:
    assert row.due_s is not None
    return row.due_s


def test_rule_1_a_newer_decision_replaces_the_older_and_an_equal_one_sends_nothing() -> None:
    done = came(sent(), "accepted")
    assert done.step == "done" and done.due_s is None
    assert decide(done, score(80.0), NOW) == done
    newer = decide(done, score(90.0), NOW)
    assert newer.step == "send" and newer.wanted.given == 90.0


def test_rule_1_a_decision_during_a_send_is_sent_after_it() -> None:
    overtaken = decide(sent(), score(90.0), NOW)
    row = came(overtaken, "accepted")
    assert row.step == "send" and begin(row, NOW).sent == score(90.0)


def test_rule_3_every_timestamp_is_a_second_later_even_when_the_clock_stands_still() -> None:
    row = sent()
    again = begin(replace(row, step="send"), NOW - 100)
    assert again.stamp_s == row.stamp_s + 1


def test_rule_5_a_conflict_is_read_back_at_once() -> None:
    row = came(sent(), "conflict", text="409")
    assert (row.step, row.doubt, row.due_s) == ("read", "conflict", NOW)
    assert came(row, "shown", shown=OURS).step == "done"


def test_rule_5_a_conflict_over_another_grade_is_restamped_three_times_then_parked() -> None:
    row = sent()
    for _ in range(3):
        row = came(came(row, "conflict", text="409"), "shown", shown=ANOTHER)
        assert row.step == "send"
        row = begin(row, NOW)
    row = came(came(row, "conflict", text="earlier timestamp"), "shown", shown=ANOTHER)
    assert row.step == "parked"
    assert "earlier timestamp" in row.problem and "10 of 100" in row.problem


def test_rule_5_a_platform_whose_clock_is_ahead_gets_a_timestamp_of_its_own_time() -> None:
    row = came(sent(), "conflict", text="409", server_s=NOW + 300)
    row = begin(came(row, "shown", shown=ANOTHER), NOW + 1)
    assert row.stamp_s == NOW + 301


@pytest.mark.parametrize("status", [None, 500, 502, 504])
def test_rule_6_an_unknown_outcome_is_read_back_later_than_the_longest_server_timeout(
    status: int | None,
) -> None:
    row = came(sent(), "unknown", status=status, text="no answer")
    assert (row.step, row.doubt) == ("read", "unknown")
    assert next_due(row) >= NOW + TIMING.settle_s
    assert came(row, "shown", shown=OURS).step == "done"


def test_rule_6_when_it_differs_it_is_sent_once_more_and_read_once_more() -> None:
    row = came(came(sent(), "unknown", text="no answer"), "shown", shown=ANOTHER)
    assert row.step == "send"
    row = came(begin(row, NOW + 200), "accepted", NOW + 200)
    assert (row.step, row.doubt) == ("read", "verify")
    assert next_due(row) >= NOW + 200 + TIMING.settle_s
    parked = came(row, "shown", shown=ANOTHER)
    assert parked.step == "parked"
    assert parked.problem == "the LMS shows another grade: it shows 10 of 100"
    assert came(row, "shown", shown=OURS).step == "done"


def test_rule_6_retry_after_is_honoured() -> None:
    row = came(sent(), "unknown", status=503, wait_s=4000.0)
    assert next_due(row) >= NOW + 4000
    assert next_due(came(sent(), "throttled", wait_s=900.0)) >= NOW + 900


def test_rule_6_pauses_grow_and_differ_by_jitter() -> None:
    row, pauses = sent(), []
    for _ in range(12):
        row = came(row, "not_sent")
        pauses.append(next_due(row) - NOW)
    assert pauses == sorted(pauses)
    assert pauses[0] == TIMING.base_s and pauses[-1] == TIMING.most_s
    without = after(sent(), Event(kind="not_sent"), NOW, TIMING, 0.0)
    assert next_due(without) == NOW + TIMING.base_s / 2


def test_rule_6_failed_reads_pause_by_their_own_number() -> None:
    row = came(came(sent(), "unknown"), "read_failed")
    assert next_due(row) == NOW + TIMING.base_s
    assert next_due(came(row, "read_failed")) == NOW + 2 * TIMING.base_s
    row = came(came(row, "shown", shown=ANOTHER), "not_sent")
    assert next_due(row) == NOW + 2 * TIMING.base_s, "one send has failed before"


def test_rule_7_one_new_token_at_once_then_pauses_then_parked_with_the_platforms_text() -> None:
    row, text = sent(), "HTTP 401 bad token"
    for _ in range(MOST_TOKEN_REFUSALS - 1):
        row = came(row, "unauthorized", text=text)
        assert (row.step, row.due_s) == ("send", NOW)
        row = came(begin(row, NOW), "unauthorized", text=text)
        assert row.step == "send" and next_due(row) > NOW
    row = came(came(row, "unauthorized", text=text), "unauthorized", text=text)
    assert (row.step, row.problem) == ("parked", text)


def test_rule_7_a_refusal_parks_with_the_platforms_text() -> None:
    row = came(sent(), "refused", text="HTTP 404 Line item not found")
    assert (row.step, row.problem) == ("parked", "HTTP 404 Line item not found")


def test_rule_7_five_500s_beside_a_healthy_line_item_are_a_lock() -> None:
    row = sent()
    for number in range(1, 6):
        row = came(row, "unknown", status=500, text="HTTP 500 locked")
        row = came(row, "shown", shown=ANOTHER)
        assert row.step == "probe"
        row = came(row, "healthy")
        assert row.step == ("parked" if number == 5 else "send")
        row = begin(row, NOW) if number < 5 else row
    assert "probably locked" in row.problem and "HTTP 500 locked" in row.problem
    assert row.due_s == NOW + 3600, "a teacher may unlock it"


def test_rule_7_a_500_of_a_platform_that_is_ill_is_no_lock() -> None:
    row = sent()
    for _ in range(20):
        row = came(came(row, "unknown", status=500), "shown", shown=ANOTHER)
        row = begin(came(row, "unhealthy"), NOW)
    assert row.step == "send"


def test_without_the_right_to_read_an_accepted_score_has_to_do() -> None:
    row = came(came(sent(), "unknown"), "unreadable", text="HTTP 403")
    assert row.step == "send"
    row = came(came(begin(row, NOW), "accepted"), "unreadable", text="HTTP 403")
    assert row.step == "done"


def test_tokens_refused_eight_times_park_the_row_and_once_do_not() -> None:
    row = came(sent(), "token_refused", text="invalid_client")
    assert row.step == "send"
    for _ in range(7):
        row = came(begin(row, NOW), "token_refused", text="invalid_client")
    assert row.step == "parked" and "invalid_client" in row.problem


def test_a_platform_that_fails_for_days_parks_the_row() -> None:
    row, now_s = sent(), NOW
    while row.step != "parked":
        row = came(row, "not_sent", now_s, text="no route to host")
        assert now_s < NOW + 5 * 86_400
        now_s = row.due_s or now_s
    assert now_s > NOW + 4 * 86_400 and "no route to host" in row.problem


def silent_for_days(row: Row) -> Row:
    return came(came(row, "not_sent"), "not_sent", NOW + 5 * 86_400)


def without_a_token(row: Row) -> Row:
    for _ in range(MOST_TOKEN_REFUSALS):
        row = came(row, "token_refused")
    return row


def unauthorized(row: Row) -> Row:
    for _ in range(2 * MOST_TOKEN_REFUSALS):
        row = came(row, "unauthorized", text="HTTP 401")
    return row


def unread_for_days(row: Row) -> Row:
    return came(came(came(row, "conflict"), "read_failed"), "read_failed", NOW + 5 * 86_400)


def locked(row: Row) -> Row:
    for _ in range(MOST_LOCKED):
        row = came(
            came(came(begin(row, NOW), "unknown", status=500), "shown", shown=ANOTHER), "healthy"
        )
    return row


@pytest.mark.parametrize(
    ("fails", "blip"),
    [
        (silent_for_days, ["not_sent"]),
        (without_a_token, ["token_refused"]),
        (unauthorized, ["unauthorized", "unauthorized"]),
        (unread_for_days, ["conflict", "read_failed"]),
        (locked, ["unknown", "shown", "healthy"]),
    ],
)
def test_what_parked_a_grade_does_not_park_the_next_one_at_its_first_blip(
    fails: Callable[[Row], Row], blip: list[Kind]
) -> None:
    parked = fails(sent())
    assert parked.step == "parked"
    later_s = NOW + 9 * 86_400
    row = begin(decide(parked, score(90.0), later_s), later_s)
    assert (row.step, row.sent) == ("send", score(90.0)) and row.stamp_s > parked.stamp_s
    for kind in blip:
        shown = ANOTHER if kind == "shown" else None
        row = came(row, kind, later_s, shown=shown, status=500)
    assert row.step != "parked"


def test_an_answer_ends_what_was_a_failing_platform() -> None:
    failing, later_s = came(sent(), "not_sent"), NOW + 5 * 86_400
    conflict = came(failing, "conflict", later_s)
    assert came(conflict, "read_failed", later_s).step == "read"
    overtaken = decide(failing, score(90.0), NOW)
    assert came(came(overtaken, "refused", later_s), "not_sent", later_s).step == "send"


def test_a_process_that_died_while_sending_leaves_an_unknown_outcome() -> None:
    row = interrupted(sent(), NOW + 180, TIMING)
    assert (row.step, row.doubt) == ("read", "unknown")
    assert next_due(row) >= NOW + 180 + TIMING.settle_s


def test_a_person_can_have_a_parked_grade_sent_again() -> None:
    parked = came(sent(), "refused", text="HTTP 404")
    row = send_again(parked, NOW + 10)
    assert (row.step, row.due_s, row.problem) == ("send", NOW + 10, "")
    assert begin(row, NOW).stamp_s > parked.stamp_s


def test_sending_again_does_not_overtake_a_send_whose_outcome_is_not_known() -> None:
    unknown = came(sent(), "unknown")
    assert send_again(unknown, NOW + 1).step == "read"
    assert next_due(send_again(unknown, NOW + 1)) >= NOW + TIMING.settle_s


def guarded(row: Row, given: float = 90.0) -> Row:
    return decide(row, score(given), NOW, asks_first=True)


def test_rule_9_a_grade_that_was_sent_is_looked_at_before_another_one_replaces_it() -> None:
    assert decide(None, score(), NOW, asks_first=True).step == "send", "nothing of ours is there"
    row = guarded(came(sent(), "accepted"))
    assert (row.step, row.doubt, row.due_s) == ("read", "by_hand", NOW)
    assert came(row, "shown", shown=OURS).step == "send"
    assert came(row, "shown", shown=Shown(None)).step == "send"
    assert came(row, "shown", shown=Shown(9.0, 10.0)).step == "done", "whoever set it"
    parked = came(row, "shown", shown=ANOTHER)
    assert (parked.step, parked.due_s) == ("parked", None)
    assert parked.problem == "the LMS shows another grade: it shows 10 of 100"
    assert guarded(parked, 95.0).step == "read", "nor by the next one"
    assert send_again(parked, NOW).step == "send", "a person has looked"


def test_rule_9_a_newer_decision_meanwhile_is_held_against_the_same_grade() -> None:
    row = guarded(guarded(came(sent(), "accepted")), 95.0)
    assert (row.step, row.doubt, row.wanted) == ("read", "by_hand", score(95.0))
    assert came(row, "shown", shown=ANOTHER).step == "parked"
    assert begin(came(row, "shown", shown=OURS), NOW).sent == score(95.0)


def test_rule_9_a_look_that_fails_is_repeated_and_one_that_may_not_be_is_left_out() -> None:
    row = guarded(came(sent(), "accepted"))
    for kind in ("read_failed", "unknown", "not_sent", "throttled"):
        later = came(row, kind)
        assert (later.step, later.doubt) == ("read", "by_hand")
        assert NOW < next_due(later) < NOW + TIMING.settle_s, "nothing was sent that could come"
    assert came(row, "unreadable", text="HTTP 403").step == "send"


def test_rule_9_what_a_refused_grade_replaced_is_still_known() -> None:
    refused = came(
        begin(came(guarded(came(sent(), "accepted")), "shown", shown=OURS), NOW), "refused"
    )
    assert (refused.step, refused.sent, refused.taken) == ("parked", score(90.0), score(80.0))
    assert came(guarded(refused, 95.0), "shown", shown=OURS).step == "send"


SHOWN = st.sampled_from([OURS, ANOTHER, Shown(90.0, 100.0), Shown(None)])
AFTER_SEND: list[Kind] = [
    *("accepted", "conflict", "refused", "unauthorized"),
    *("throttled", "not_sent", "token_refused", "unknown"),
]
AFTER_READ: list[Kind] = ["shown", "unreadable", "read_failed", "unauthorized", "not_sent"]
KINDS = {"send": AFTER_SEND, "read": AFTER_READ, "probe": ["healthy", "unhealthy", "unauthorized"]}


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[float, Row, Kind, Row]]:
    """A row through any events and decisions: when, the step, what came, what it led to."""
    now_s, row, steps = NOW, decide(None, score(), NOW), []
    for _ in range(draw(st.integers(1, 30))):
        if row.step in ("done", "parked") or draw(st.booleans()):
            decided = score(draw(st.sampled_from([10.0, 80.0, 90.0])))
            row = decide(row, decided, now_s, asks_first=draw(st.booleans()))
        if row.due_s is None:
            continue
        now_s = max(now_s, row.due_s) + draw(st.floats(0, 2))
        taken = begin(row, now_s)
        kind = draw(st.sampled_from(KINDS[taken.step]))
        shown = draw(SHOWN) if kind == "shown" else None
        status = draw(st.sampled_from([None, 500, 503]))
        event = Event(kind=kind, text="words", status=status, shown=shown)
        row = after(taken, event, now_s, TIMING, draw(st.floats(0, 1)))
        steps.append((now_s, taken, kind, row))
    return steps


@given(histories())
def test_timestamps_only_grow_and_nothing_overtakes_an_unknown_send(steps) -> None:
    stamp_s, unknown_at_s = 0, 0.0
    for now_s, taken, kind, row in steps:
        if taken.step == "send":
            assert taken.stamp_s > stamp_s
            assert taken.sent == taken.wanted
            assert now_s >= unknown_at_s + TIMING.settle_s
            stamp_s = taken.stamp_s
        if kind == "unknown":
            unknown_at_s = now_s
            assert row.step in ("read", "parked")


@given(histories())
def test_a_row_rests_only_when_its_grade_was_taken_or_it_says_why_not(steps) -> None:
    for *_, row in steps:
        if row.step == "parked":
            assert row.problem
        elif row.step != "done":
            assert row.due_s is not None


@given(histories(), st.sampled_from([10.0, 80.0, 90.0]))
def test_any_row_ends_done_once_the_platform_works(steps, points: float) -> None:
    row = send_again(decide(steps[-1][-1] if steps else None, score(points), NOW), NOW + 1e6)
    gradebook = Shown(None)
    for _ in range(12):
        if row.step == "done":
            break
        now_s = row.due_s or NOW
        row = begin(row, now_s)
        if row.step == "send":
            assert row.sent is not None
            gradebook = Shown(row.sent.given, row.sent.maximum)
            event = Event(kind="accepted")
        elif row.step == "read":
            event = Event(kind="shown", shown=gradebook)
        else:
            event = Event(kind="healthy")
        row = after(row, event, now_s, TIMING, 0.5)
    assert row.step == "done"
    assert gradebook.is_grade(row.wanted)
