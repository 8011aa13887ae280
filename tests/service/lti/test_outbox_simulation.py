"""Every final grade is right while the platform fails and freezes; a naive sender's are not."""

import asyncio
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field, replace

import httpx
import pytest

from grader.service.lti.ags.gateway import LEAST_TIMEOUT_S, Gateway, Target
from grader.service.lti.ags.loop import LEASE_S, Claim, Outbox
from grader.service.lti.ags.outbox import after, begin, decide, interrupted, send_again
from grader.service.lti.ags.row import Event, Row, Timing
from grader.service.lti.ags.score import OVERWRITING, Score, body
from grader.service.lti.platform import Platform
from service.lti.fake_gradebook import Cell, Dialect, Faults, Gradebook
from service.lti.virtual_time import EPOCH_S, Wire, now_s, run

PLATFORM = Platform(
    id="1",
    issuer="https://lms.example",
    client_id="tool",
    login_url="https://lms.example/auth",
    token_url="https://lms.example/token",
    token_audience="https://lms.example/token",
    keys_url="https://lms.example/keys",
)
HARD = Faults(rate=0.3, token_rate=0.03, freeze_rate=0.15, freeze_s=60.0)
"""Three in ten requests fail; scores freeze for up to a minute between check and write."""


@dataclass
class Tokens:
    """A new token whenever the last one was refused."""

    gradebook: Gradebook
    given: int = 0

    async def get(self, platform: Platform, scopes: tuple[str, ...]) -> str:
        if not self.gradebook.tokens:
            self.given += 1
            self.gradebook.tokens.add(f"token{self.given}")
        return next(iter(self.gradebook.tokens))

    def forget(self, refused: str) -> None:
        self.gradebook.tokens.discard(refused)


@dataclass
class Memory:
    """Rows in memory, with the leases of the real store."""

    timing: Timing
    rng: random.Random
    rows: dict[int, Row] = field(default_factory=dict)
    targets: dict[int, Target] = field(default_factory=dict)
    leases: dict[int, tuple[str, float]] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def claim(self, now_s: float, room: Counter[str], limit: int) -> list[Claim]:
        claims = []
        for id, row in self.rows.items():
            lease = self.leases.get(id)
            if lease is not None and lease[1] <= now_s:
                row = self.rows[id] = interrupted(row, now_s, self.timing)
                del self.leases[id]
            due = row.due_s is not None and row.due_s <= now_s
            if due and id not in self.leases and len(claims) < limit:
                self.rows[id] = begin(row, now_s)
                self.leases[id] = (str(next(self.numbers)), now_s + LEASE_S)
                claims.append(
                    Claim(
                        id=id,
                        lease=self.leases[id][0],
                        row=self.rows[id],
                        target=self.targets[id],
                    )
                )
        return claims

    def extend(self, leases: list[str], now_s: float) -> None:
        for id, (lease, _) in self.leases.items():
            if lease in leases:
                self.leases[id] = (lease, now_s + LEASE_S)

    def finish(self, claim: Claim, event: Event, now_s: float) -> bool:
        if self.leases.get(claim.id, ("", 0))[0] != claim.lease:
            return False
        row = after(self.rows[claim.id], event, now_s, self.timing, self.rng.random())
        self.rows[claim.id] = row
        del self.leases[claim.id]
        return True

    @property
    def settled(self) -> bool:
        return all(row.step in ("done", "parked") for row in self.rows.values())


async def inline(work, *arguments):
    return work(*arguments)


def http(gradebook: Gradebook) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=Wire(gradebook.respond), timeout=LEAST_TIMEOUT_S)


@dataclass
class Course:
    """Students whose grades are decided and sent for some hours."""

    gradebook: Gradebook
    students: int
    rng: random.Random
    kills: int = 0
    memory: Memory = field(init=False)
    final: dict[str, Score] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.memory = Memory(Timing(), self.rng)
        self.gradebook.columns["7"] = {}

    def offer(self, student: int, score: Score) -> None:
        user = f"u{student}"
        family = self.gradebook.dialect
        target = Target(
            platform=replace(PLATFORM, family=family),
            line_item="https://lms.example/ags/7?type=lti",
            user=user,
        )
        self.memory.targets[student] = target
        asks_first = family in OVERWRITING
        row = decide(self.memory.rows.get(student), score, now_s(), asks_first=asks_first)
        self.memory.rows[student] = row
        self.final[user] = score

    async def decide_all(self, offer) -> None:
        """Every student's grade is decided one to five times, often within a second."""
        plan = []
        for student in range(self.students):
            at = self.rng.uniform(0, 600)
            for _ in range(self.rng.randint(1, 5)):
                plan.append((at, student, self.rng.randint(0, 100)))
                at += self.rng.choice([0.3, 2.0, 20.0, 200.0])
        for at, student, points in sorted(plan):
            await asyncio.sleep(max(0.0, EPOCH_S + at - now_s()))
            offer(student, Score(given=points, maximum=100, submitted_at=now_s()))

    async def send_all(self) -> None:
        """Run the real loop; now and then its process is killed in mid-flight."""
        deciding = asyncio.create_task(self.decide_all(self.offer))
        for _ in range(self.kills):
            sending = asyncio.create_task(self._outbox().run(asyncio.Event()))
            await asyncio.sleep(self.rng.uniform(5, 120))
            sending.cancel()
            for task in asyncio.all_tasks():
                if "_carry_out" in repr(task.get_coro()):
                    task.cancel()
        stop = asyncio.Event()
        sending = asyncio.create_task(self._outbox().run(stop))
        await deciding
        while not self.memory.settled:
            await asyncio.sleep(30)
        stop.set()
        await sending

    def _outbox(self) -> Outbox:
        gateway = Gateway(http(self.gradebook), Tokens(self.gradebook), clock=now_s)
        return Outbox(self.memory, gateway, clock=now_s, off_loop=inline)

    async def send_naively(self) -> None:
        """A task for each score; the same body again after a failure; 409 is taken for final."""
        tasks = []

        async def send(client: httpx.AsyncClient, user: str, score: Score) -> None:
            written = body(score, user, stamp_s=int(now_s()), family="")
            for pause_s in (1, 5, 30, 60, 120):
                headers = {"authorization": "Bearer t"}
                url = "https://lms.example/ags/7/scores"
                try:
                    answer = await client.post(url, json=written, headers=headers)
                    if answer.status_code < 500:
                        return
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(pause_s)

        async with http(self.gradebook) as client:

            def offer(student: int, score: Score) -> None:
                user = f"u{student}"
                tasks.append(asyncio.create_task(send(client, user, score)))
                self.final[user] = score

            self.gradebook.faults = replace(self.gradebook.faults, token_rate=0.0)
            self.gradebook.tokens.add("t")
            await self.decide_all(offer)
            await asyncio.wait(tasks)

    def wrong(self) -> list[str]:
        """Return the students whose gradebook shows another grade than the decided one."""
        return [
            user
            for user, score in self.final.items()
            if self.gradebook.shown("7", user) != pytest.approx(score.given / score.maximum)
        ]


def course(dialect: Dialect, seed: int, students: int = 24, kills: int = 0) -> Course:
    rng = random.Random(seed)
    return Course(Gradebook(dialect, faults=HARD, rng=rng, now_s=now_s), students, rng, kills)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dialect", ["moodle", "canvas"])
def test_every_final_grade_is_right_under_failures_freezes_and_kills(
    dialect: Dialect, seed: int
) -> None:
    simulated = course(dialect, seed, kills=5)
    run(simulated.send_all())
    assert simulated.wrong() == []
    parked = [row.problem for row in simulated.memory.rows.values() if row.step == "parked"]
    assert parked == []


@pytest.mark.parametrize("dialect", ["moodle", "canvas"])
def test_a_naive_sender_gets_grades_wrong_under_the_same_faults(dialect: Dialect) -> None:
    wrong = 0
    for seed in range(6):
        simulated = course(dialect, seed)
        run(simulated.send_naively())
        wrong += len(simulated.wrong())
    assert wrong >= 12  # of 144


@pytest.mark.parametrize("dialect", ["moodle", "canvas"])
def test_nothing_is_sent_while_another_request_of_the_row_is_under_way(dialect: Dialect) -> None:
    simulated = course(dialect, 3)
    under_way: Counter[str] = Counter()
    answer = simulated.gradebook.respond

    async def watched(request: httpx.Request) -> httpx.Response:
        user = "" if not request.content else request.read().decode().split('"')[3]
        under_way[user] += 1
        assert user == "" or under_way[user] == 1
        try:
            return await answer(request)
        finally:
            under_way[user] -= 1

    simulated.gradebook.respond = watched
    simulated.gradebook.faults = replace(HARD, freeze_s=20.0, kinds=("500", "503"))
    run(simulated.send_all())
    assert simulated.wrong() == []


def test_a_locked_grade_is_parked_after_five_and_arrives_once_it_is_unlocked() -> None:
    simulated = course("moodle", 1, students=1)
    simulated.gradebook.faults = Faults()
    simulated.gradebook.columns["7"]["u0"] = Cell(locked=True)
    run(simulated.send_all())
    row = simulated.memory.rows[0]
    assert row.step == "parked" and "locked" in row.problem
    assert "Could not update grade" in row.problem
    posts = [1 for method, *_ in simulated.gradebook.requests if method == "POST"]
    assert len(posts) == 5

    async def unlock() -> None:
        await asyncio.sleep(1e6)
        simulated.gradebook.cell("7", "u0").locked = False
        simulated.memory.rows[0] = send_again(row, now_s())
        await simulated.send_all()

    simulated.students = 0
    run(unlock())
    assert simulated.memory.rows[0].step == "done"
    assert simulated.wrong() == []


def test_a_teachers_grade_stays_and_the_row_says_so() -> None:
    simulated = course("moodle", 1, students=1)
    simulated.gradebook.columns["7"]["u0"] = Cell(given=55, by_hand=True)
    simulated.gradebook.faults = Faults(rate=1.0, kinds=("503",))
    score = Score(given=80, maximum=100, submitted_at=EPOCH_S)

    async def teacher() -> None:
        simulated.offer(0, score)
        sending = asyncio.create_task(simulated.send_all())
        await asyncio.sleep(60)
        simulated.gradebook.faults = Faults()
        await sending

    simulated.students = 0
    run(teacher())
    row = simulated.memory.rows[0]
    assert row.step == "parked"
    assert row.problem == "the LMS shows another grade: it shows 55 of 100"
    assert simulated.gradebook.cell("7", "u0").given == 55
