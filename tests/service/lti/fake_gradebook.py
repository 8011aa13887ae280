"""A gradebook behind AGS, in the dialects of Moodle 4.3 and Canvas, that can fail and freeze.

What each dialect does was seen on a real Moodle 4.3 and read in Canvas's source.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import formatdate
from typing import Any, Literal
from urllib.parse import parse_qs

import httpx

Dialect = Literal["moodle", "canvas"]
CANVAS = "https://canvas.instructure.com/lti/submission"


@dataclass
class Cell:
    """One student's grade in one column.

    Attributes:
        stamp: timestamp of the newest score, Unix time.
        by_hand: a teacher set it; locked: nothing may change it; attempts: those that Canvas
            counts.
    """

    given: float | None = None
    maximum: float = 100.0
    stamp: float = 0.0
    by_hand: bool = False
    locked: bool = False
    comments: list[str] = field(default_factory=list)
    attempts: int = 0
    writes: int = 0


@dataclass
class Faults:
    """How a platform fails.

    Attributes:
        rate: share of requests that fail in one of `kinds`.
        token_rate: share of requests that end every token.
        freeze_rate: share of scores that wait between check and write; freeze_s: at most how long.
    """

    rate: float = 0.0
    kinds: tuple[str, ...] = ("500", "502", "503", "lost_request", "lost_answer")
    token_rate: float = 0.0
    freeze_rate: float = 0.0
    freeze_s: float = 60.0


@dataclass
class Gradebook:
    """Columns of one course.

    Attributes:
        columns: line item id to user id to cell.
        gate: asked before every request; an answer is sent instead of the real one.
    """

    dialect: Dialect
    faults: Faults = field(default_factory=Faults)
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    now_s: Callable[[], float] = time.time
    columns: dict[str, dict[str, Cell]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    gate: Callable[[httpx.Request], httpx.Response | None] = lambda request: None

    def cell(self, column: str, user: str) -> Cell:
        return self.columns.setdefault(column, {}).setdefault(user, Cell())

    def shown(self, column: str, user: str) -> float | None:
        """Return the share of the maximum that a person sees."""
        cell = self.cell(column, user)
        return None if cell.given is None else cell.given / cell.maximum

    async def respond(self, request: httpx.Request) -> httpx.Response:
        """Answer a request below /ags/COLUMN."""
        body = json.loads(request.content) if request.content else None
        self.requests.append((request.method, request.url.path, body))
        stopped = self.gate(request)
        if stopped is not None:
            return stopped
        if self.rng.random() < self.faults.token_rate:
            self.tokens.clear()
        fault = self._fault()
        if fault.isdigit():
            return self._answer(int(fault), {"error": f"fault {fault}"})
        if fault == "lost_request":
            await asyncio.sleep(3600)
            return self._answer(504, {"error": "lost"})
        answer = await self._route(request, body)
        if fault == "lost_answer":
            await asyncio.sleep(3600)
        return answer

    def _fault(self) -> str:
        if self.rng.random() >= self.faults.rate:
            return ""
        return self.rng.choice(self.faults.kinds)

    async def _route(self, request: httpx.Request, body: Any) -> httpx.Response:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if bearer not in self.tokens:
            return self._answer(401, {"error": "Invalid token"})
        _, _, column, *rest = request.url.path.split("/")
        if column not in self.columns:
            return self._answer(404, {"error": "Line item not found"})
        if rest == ["scores"] and request.method == "POST":
            return await self._score(column, body)
        if rest == ["results"]:
            return self._results(column, parse_qs(request.url.query.decode()))
        return self._answer(200, {"id": str(request.url), "scoreMaximum": 100})

    async def _score(self, column: str, body: Any) -> httpx.Response:
        if not isinstance(body.get("userId"), str):
            return self._answer(422, {"error": "userId is no string"})
        cell = self.cell(column, body["userId"])
        stamp = datetime.fromisoformat(body["timestamp"]).timestamp()
        refusal = {"moodle": self._moodle_refuses, "canvas": self._canvas_refuses}[self.dialect]
        refused = refusal(cell, stamp)
        if refused is not None:
            return refused
        if self.rng.random() < self.faults.freeze_rate:  # between its check and its write
            await asyncio.sleep(self.rng.uniform(0.0, self.faults.freeze_s))
        write = {"moodle": self._moodle_writes, "canvas": self._canvas_writes}[self.dialect]
        write(cell, body)
        cell.stamp = stamp
        return self._answer(200, {"resultUrl": ""})

    def _moodle_refuses(self, cell: Cell, stamp: float) -> httpx.Response | None:
        if cell.locked:
            return self._answer(500, {"error": "Could not update grade"})
        if int(stamp) <= int(cell.stamp):
            text = "Refusing score with an earlier timestamp for item"
            return self._answer(409, {"status": 409, "reason": text})
        return None

    def _moodle_writes(self, cell: Cell, body: Any) -> None:
        if cell.by_hand:
            return
        final = body["gradingProgress"] == "FullyGraded" and "scoreGiven" in body
        cell.given = body["scoreGiven"] if final else None
        cell.maximum = body.get("scoreMaximum", 100)
        cell.writes += 1

    def _canvas_refuses(self, cell: Cell, stamp: float) -> httpx.Response | None:
        if stamp < cell.stamp:
            text = f"Provided timestamp of {stamp} before last updated timestamp of {cell.stamp}"
            return self._answer(400, {"errors": {"type": "bad_request", "message": text}})
        return None

    def _canvas_writes(self, cell: Cell, body: Any) -> None:
        special = body.get(CANVAS, {})
        if special.get("prioritize_non_tool_grade") and cell.given is not None:
            return  # whoever gave it: "submission_has_score?"
        cell.attempts += special.get("new_submission", True)
        if body["gradingProgress"] == "FullyGraded":
            cell.given, cell.maximum = body["scoreGiven"], body["scoreMaximum"]
            cell.by_hand = False
            cell.writes += 1
        elif not special.get("preserve_score"):
            cell.given = None
        if body.get("comment"):
            cell.comments.append(body["comment"])

    def _results(self, column: str, query: dict[str, list[str]]) -> httpx.Response:
        wanted = query.get("user_id")
        found = []
        for user, cell in self.columns[column].items():
            if wanted is None or user in wanted:
                result: dict[str, Any] = {"id": f"/{user}", "userId": user}
                if cell.given is not None:
                    result |= {"resultScore": cell.given, "resultMaximum": cell.maximum}
                found.append(result)
        return self._answer(200, found)

    def _answer(self, status: int, document: Any) -> httpx.Response:
        headers = {"content-type": "text/html", "date": formatdate(self.now_s(), usegmt=True)}
        return httpx.Response(status, headers=headers, content=json.dumps(document))
