"""Keep sending: take the rows that are due, carry out their steps, store what came of them."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from grader.service.lti.ags.gateway import Gateway, Target
from grader.service.lti.ags.row import Event, Row

_log = structlog.get_logger()

AT_ONCE = 64
PER_PLATFORM = 16
"""A platform that freezes holds its requests for half a minute: others must not wait behind it."""
LOOK_S = 1.0
"""How often the database is asked for rows that are due."""

STEP_S = 150.0
"""How long a step may take."""
LEASE_S = 30.0
"""How long a row is nobody else's; a living process extends it three times in that time."""

OffLoop = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A row whose step this process alone takes, until its lease ends.

    Attributes:
        lease: names this claim: what an older one brings back later is not stored.
        row: as `begin` left it.
    """

    id: int
    lease: str
    row: Row
    target: Target


class Store(Protocol):
    """Where rows are kept."""

    def claim(self, now_s: float, room: Counter[str], limit: int) -> list[Claim]:
        """Take rows that are due; `room` counts by platform what is under way already."""

    def extend(self, leases: list[str], now_s: float) -> None:
        """Hold rows for longer, whose steps are under way."""

    def finish(self, claim: Claim, event: Event, now_s: float) -> bool:
        """Store what came of a step; False when the claim was lost meanwhile."""


class Outbox:
    """The loop of one process."""

    def __init__(
        self,
        store: Store,
        gateway: Gateway,
        *,
        clock: Callable[[], float] = time.time,
        off_loop: OffLoop = asyncio.to_thread,
        look_s: float = LOOK_S,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._clock = clock
        self._off_loop = off_loop
        self._look_s = look_s
        self._running: dict[asyncio.Task[None], Claim] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop, then wait for what is under way."""
        beating = asyncio.create_task(self._beat())
        try:
            await self._send(stop)
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        """Say that this process lives, as long as it does."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            leases = [claim.lease for claim in self._running.values()]
            if not leases:
                continue
            try:
                await self._off_loop(self._store.extend, leases, self._clock())
            except Exception as error:  # the rows go to others, who ask before they send
                _log.warning("outbox_lease_failed", error=type(error).__name__)

    async def _send(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                taken = await self._take()
            except Exception as error:  # a database that is away comes back
                _log.warning("outbox_look_failed", error=type(error).__name__)
                taken = 0
            if not taken:
                await _either(stop, self._look_s)
        if self._running:
            await asyncio.wait(self._running)

    async def _take(self) -> int:
        """Begin what is due and return how much that was."""
        room = Counter(claim.target.platform.id for claim in self._running.values())
        limit = AT_ONCE - len(self._running)
        if limit <= 0:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            return 1
        claims: list[Claim] = await self._off_loop(self._store.claim, self._clock(), room, limit)
        for claim in claims:
            task = asyncio.create_task(self._carry_out(claim))
            self._running[task] = claim
            task.add_done_callback(self._running.pop)
        return len(claims)

    async def _carry_out(self, claim: Claim) -> None:
        try:
            async with asyncio.timeout(STEP_S):
                event = await self._gateway.carry_out(claim.target, claim.row)
        except TimeoutError:
            event = Event(kind="unknown", text=f"no end within {STEP_S:.0f} s")
        except Exception as error:  # ours; whether the score was stored is not known
            _log.exception("outbox_step_failed", row=claim.id)
            event = Event(kind="unknown", text=f"an error of ours: {type(error).__name__}")
        stored = await self._off_loop(self._store.finish, claim, event, self._clock())
        words = event.text if event.kind not in ("accepted", "shown") else ""
        _log.info("outbox_step", row=claim.id, step=claim.row.step, came=event.kind, words=words)
        if not stored:
            _log.warning("outbox_claim_lost", row=claim.id)


async def _either(stop: asyncio.Event, pause_s: float) -> None:
    """Wait for the pause to end, or for the order to stop."""
    try:
        async with asyncio.timeout(pause_s):
            await stop.wait()
    except TimeoutError:
        return
