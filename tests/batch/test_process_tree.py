"""The tree of processes that a batch watches has everybody in it, and nobody else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from processes import children_of, until

from grader.batch import processes
from grader.batch.processes import Tree

FAMILY = """
import subprocess, sys
young = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
old = (
    "import os, subprocess, sys; print(os.getpid(), flush=True);"
    f"subprocess.run([sys.executable, '-c', {young!r}])"
)
subprocess.run([sys.executable, "-c", old])
sys.stdin.read()
"""


@contextmanager
def family() -> Iterator[tuple[int, int, int]]:
    """A process, its child and its grandchild."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        child, grandchild = (int(process.stdout.readline()) for _ in range(2))
        yield process.pid, child, grandchild
        process.communicate()


def test_all_below_are_seen_parents_first_and_nobody_else() -> None:
    tree = Tree(os.getpid())
    tree.look()
    with family() as mine, family() as stranger:
        for one in (tree, Tree(os.getpid())):  # who was born since, and who was there before
            seen = one.look()
            assert seen[0] == (os.getpid(), os.getpid())
            below = [pair for pair in seen if pair[0] in mine]
            assert below == [(mine[0], os.getpid()), (mine[1], mine[0]), (mine[2], mine[1])]
        assert [pid for pid, _ in Tree(mine[0]).look()] == list(mine)
        assert not set(stranger) & {pid for pid, _ in Tree(mine[0]).look()}
    assert not set(mine) & {pid for pid, _ in tree.look()}


def test_a_child_of_any_thread_is_seen() -> None:
    with ThreadPoolExecutor(1) as pool:
        child = pool.submit(
            subprocess.Popen, [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
        ).result()
        assert (child.pid, os.getpid()) in Tree(os.getpid()).look()
        child.communicate(b"\n")


def test_whose_parent_ended_stays_in_the_tree() -> None:
    with family() as (first, child, grandchild):
        tree = Tree(first)
        assert len(tree.look()) == 3
        os.kill(child, 9)
        until(lambda: child not in children_of(first))
        assert tree.look() == [(first, first), (grandchild, child)]
        os.kill(grandchild, 9)
        until(lambda: tree.look() == [(first, first)])


def test_one_that_was_listed_before_its_parent_is_seen_at_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with family() as (first, child, grandchild):
        tree = Tree(first)
        everybody = os.listdir("/proc")
        without = [name for name in everybody if name != str(child)]
        monkeypatch.setattr(processes.os, "listdir", lambda path: without)
        assert [pid for pid, _ in tree.look()] == [first]
        monkeypatch.undo()
        assert [pid for pid, _ in tree.look()] == [first, child, grandchild]


def test_nobody_is_asked_twice_though_others_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with family() as mine:
        monkeypatch.setattr(processes.os, "listdir", lambda path: ["version", *map(str, mine)])
        tree = Tree(mine[0])
        assert [pid for pid, _ in tree.look()] == list(mine)
        monkeypatch.setattr(processes, "read", lambda path: pytest.fail(f"{path} was read"))
        assert [pid for pid, _ in tree.look()] == list(mine)


def test_a_tree_without_its_root_is_empty() -> None:
    with family() as (first, _, _):
        pass
    assert Tree(first).look() == []
