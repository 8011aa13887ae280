"""A process takes the descriptors that it may have, and keeps some of them from the streams."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from grader import descriptors
from grader.service.capacity import STREAMS_EACH, Capacity
from service.ports import free_port
from service.processes import Process, answers

_NAME = resource.RLIMIT_NOFILE


@pytest.fixture
def usual() -> Iterator[int]:
    """Have the usual allowance, which processes that are started inherit; give the most."""
    soft, hard = resource.getrlimit(_NAME)
    resource.setrlimit(_NAME, (1024, hard))
    yield hard
    resource.setrlimit(_NAME, (soft, hard))


def test_all_that_may_be_had_are_had(usual: int) -> None:
    assert descriptors.allowance() == 1024
    descriptors.allow_most()
    assert descriptors.allowance() == usual > 1024


def test_the_web_side_has_them(usual: int, tmp_path: Path) -> None:
    port = free_port()
    environment = {"GRADER_DATA": str(tmp_path / "data"), "GRADER_PORT": str(port)}
    with Process("all", tmp_path / "log", **environment) as process:
        answers(f"http://127.0.0.1:{port}")
        assert resource.prlimit(process.pid, _NAME) == (usual, usual)


def test_streams_have_their_share_and_give_it_back() -> None:
    streams = Capacity(2, each=2)
    with streams.room("a") as first, streams.room("b") as second:
        assert first and second
        for _ in range(2):
            with streams.room("c") as third:
                assert not third
    with pytest.raises(OSError, match="gone"), streams.room("a"):
        raise OSError("the browser has gone")
    with streams.room("a") as one, streams.room("a") as two, streams.room("b") as three:
        assert (one, two, three) == (True, True, False)


def test_one_user_has_few_streams_and_takes_no_others_room() -> None:
    streams = Capacity(1000, each=STREAMS_EACH)
    with ExitStack() as held:
        opened = [held.enter_context(streams.room("mallory")) for _ in range(1000)]
        assert sum(opened) == STREAMS_EACH
        assert held.enter_context(streams.room("alice"))
    with streams.room("mallory") as again:
        assert again


def test_what_is_small_takes_little_room() -> None:
    memory = Capacity(100, each=3)
    with ExitStack() as held:
        assert all(held.enter_context(memory.room(user, 5)) for user in range(19))
        assert not held.enter_context(memory.room("large", 6))
        assert held.enter_context(memory.room("small", 5))
        assert not held.enter_context(memory.room("late", 1))
    with memory.room("large", 100) as has_room:
        assert has_room
