"""Put together what staff see of a class: a line a student, and what all have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.batch.entry import Row, Student
from grader.batch.tally import Tally
from grader.model import Exercise
from grader.report.html.words import Said
from grader.service.lti import grades, policy, roll
from grader.service.lti.ags.score import Score
from grader.service.lti.policy import Policy
from grader.service.lti.roll import Judged, Tried
from grader.service.lti.tables import LtiGrade, LtiLink
from grader.service.pages.summaries import Summaries, Summary
from grader.service.tables import DONE, PARKED, WAITING

Sent = Literal["none", "nowhere", "waiting", "sent", "parked"]
UNEXPLAINED = "-"
"""Stands for a wrong answer that no known mistake explains."""

_NOTHING = Summary({}, "", "")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One student.

    Attributes:
        attempts: how many; number: of the one that counts, from 1; 0 for none.
        submission: id of the one that counts, else of the last.
        score: with what lateness takes off: `percent_off` of what `judged` says.
        judged: what is shown as the result; None while nothing is.
        mistake, title: what explains the answers; "" for nothing.
        waiting, failed: attempts without a result: to be graded, and those at which we failed.
        sent: how far the grade is; problem: why the course did not take it.
    """

    user: str
    attempts: int
    last_at: datetime
    submission: str
    number: int
    score: Score | None
    percent_off: float
    judged: Judged | None
    mistake: str
    title: str
    waiting: int
    failed: int
    sent: Sent
    problem: str

    @property
    def said(self) -> Said | None:
        """The verdict in words; None while there is none."""
        return None if self.judged is None else self.judged.said

    @property
    def share(self) -> float:
        """The score as a share of the maximum; -1 without one."""
        return -1.0 if self.score is None else self.score.given / self.score.maximum


@dataclass(frozen=True, kw_only=True)
class Class:
    """Everybody who handed in at a placement.

    Attributes:
        tally: of the attempts that count.
    """

    lines: Sequence[Line]
    tally: Tally

    @property
    def unjudged(self) -> int:
        """Students without any result yet."""
        return sum(one.judged is None for one in self.lines)

    @property
    def late(self) -> int:
        """Students whose score lateness has lowered."""
        return sum(one.percent_off > 0 for one in self.lines)


def look(session: Session, summaries: Summaries, link: LtiLink, exercise: Exercise | None) -> Class:
    """Return the class of a placement, in as many queries for two students as for thousands."""
    rules, sent = grades.policy_of(link), _sent(session, link)
    drafts = [_Draft.of(user, tried, rules) for user, tried in roll.of(session, link).items()]
    judged = [one.judged for one in drafts if one.judged is not None]
    known = summaries.of(session, {one.id: one.recorded_at for one in judged})
    tally = Tally(() if exercise is None else exercise.rubric)
    lines = []
    for draft in drafts:
        short = _NOTHING if draft.judged is None else known.get(draft.judged.id, _NOTHING)
        where = sent.get(draft.user, ("none" if draft.score is None else "waiting", ""))
        line = draft.line(short, where if link.line_item else ("nowhere", ""))
        lines.append(line)
        if line.judged is not None:
            tally.add(_row(line, short, tally.max_score))
    return Class(lines=lines, tally=tally)


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """A student, and the attempt that counts; else the last one that says anything."""

    user: str
    tried: Sequence[Tried]
    one: Tried
    score: Score | None
    percent_off: float

    @property
    def judged(self) -> Judged | None:
        return self.one.judged

    @classmethod
    def of(cls, user: str, tried: Sequence[Tried], rules: Policy) -> "_Draft":
        found = policy.counting(roll.counted(tried), rules)
        if found is None:
            last = ([one for one in tried if one.judged is not None] or tried)[-1]
            return cls(user=user, tried=tried, one=last, score=None, percent_off=0.0)
        attempt, score = found
        off = policy.percent_off(rules, attempt.submitted_s)
        one = next(one for one in tried if one.id == attempt.id)
        return cls(user=user, tried=tried, one=one, score=score, percent_off=off)

    def line(self, short: Summary, where: tuple[Sent, str]) -> Line:
        unjudged = [other for other in self.tried if other.judged is None]
        wrong = self.judged is not None and self.judged.verdict == "wrong_answer"
        return Line(
            user=self.user,
            attempts=len(self.tried),
            last_at=self.tried[-1].submitted_at,
            submission=self.one.id,
            number=0 if self.score is None else self.one.number,
            score=self.score,
            percent_off=self.percent_off,
            judged=self.judged,
            mistake=short.mistake or (UNEXPLAINED if wrong else ""),
            title=short.title or short.mistake.replace("_", " "),
            waiting=sum(other.state in (WAITING, DONE) for other in unjudged),
            failed=sum(other.state == PARKED for other in unjudged),
            sent=where[0],
            problem=where[1],
        )


def _row(line: Line, short: Summary, max_score: int) -> Row:
    """Return a student as the tally of a batch takes it."""
    assert line.judged is not None
    return Row(
        id=line.submission,
        stamp="",
        students=[Student(line.user)],
        late=line.percent_off > 0,
        verdict=line.judged.verdict,  # type: ignore[arg-type]
        score=round(max(0.0, line.share) * max_score),
        max_score=max_score,
        findings=short.findings,
        diagnosis=short.title,
        diagnosis_id=short.mistake,
    )


def _sent(session: Session, link: LtiLink) -> dict[str, tuple[Sent, str]]:
    """Return by user how far grades are."""
    rows = select(LtiGrade.user, LtiGrade.step, LtiGrade.problem).where(
        LtiGrade.platform_id == link.platform_id,
        LtiGrade.line_item == link.line_item,
        LtiGrade.row != "",
    )
    states: dict[str, Sent] = {"done": "sent", "parked": "parked"}
    return {
        row.user: (states.get(row.step, "waiting"), row.problem) for row in session.execute(rows)
    }


_Key = Callable[[Line], Any]
_WORST_FIRST = ("parked", "waiting", "none", "nowhere", "sent")
SORTS: dict[str, _Key] = {
    "student": lambda line: _natural(line.user),
    "attempts": lambda line: line.attempts,
    "score": lambda line: line.share,
    "result": lambda line: line.said.headline if line.said is not None else "",
    "mistake": lambda line: (not line.title, line.title),
    "last": lambda line: line.last_at,
    "grade": lambda line: _WORST_FIRST.index(line.sent),
}


def chosen(lines: Sequence[Line], *, mistake: str, find: str) -> list[Line]:
    """Return those whose score rests on a mistake, and whose id holds a text; "" for all."""
    wanted = find.strip().casefold()
    return [
        line for line in lines if mistake in ("", line.mistake) and wanted in line.user.casefold()
    ]


def ordered(lines: Sequence[Line], sort: str, *, descending: bool) -> list[Line]:
    """Return the lines in an order; of equals the student's id decides."""
    by_name = sorted(lines, key=SORTS["student"])
    return sorted(by_name, key=SORTS.get(sort, SORTS["student"]), reverse=descending)


def _natural(user: str) -> tuple[int, str]:
    """Order ids that are numbers as numbers: 9 before 10."""
    return (int(user[:18]), user) if user.isdecimal() and user.isascii() else (1 << 62, user)
