"""Run coroutines in a time that costs nothing: every sleep ends at once, in the right order."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx

_T = TypeVar("_T")
EPOCH_S = 1_790_000_000.0


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, move the clock."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        self.loop.passed_s += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock moves only by waiting."""

    def __init__(self) -> None:
        self.passed_s = 0.0  # small: beside 1e9 the loop's own resolution is lost
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.passed_s


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def now_s() -> float:
    """Return the virtual Unix time."""
    return EPOCH_S + asyncio.get_running_loop().time()


class Wire(httpx.AsyncBaseTransport):
    """Reach a fake platform; a client that loses patience leaves the request running there."""

    def __init__(self, respond: Any) -> None:
        self._respond = respond
        self._running: set[asyncio.Task[httpx.Response]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        task = asyncio.create_task(self._respond(request))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        patience_s = request.extensions["timeout"]["read"]
        done, _ = await asyncio.wait({task}, timeout=patience_s)
        if not done:
            raise httpx.ReadTimeout("the platform does not answer", request=request)
        return task.result()
