"""The benchmarks count every process and find the peak of what all of them take together."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import footprint
import pytest

from grader.batch.processes import Share

MIB = 1 << 20
ONE, TWO = footprint._Key(1, b"1"), footprint._Key(2, b"2")
FORKS = """
import os, sys, time
os.chdir(sys.argv[1])
shared = bytearray(b"1") * (100 << 20)
for _ in range(2):
    if not os.fork():
        own = bytearray(b"2") * (50 << 20)
        open(f"{os.getpid()}.holding", "x").close()
        while not os.path.exists(f"{os.getpid()}.seen"):
            time.sleep(0.01)
        os._exit(0)
    os.wait()
"""


def test_what_forks_share_counts_once_and_what_has_ended_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    look = footprint._Memory.look
    holding: list[Path] = []  # by the look before: what is told now was asked since

    def tell(memory: footprint._Memory, sizes: Mapping[footprint._Key, footprint._Size]) -> None:
        look(memory, sizes)
        for path in holding:
            path.with_suffix(".seen").touch()
        holding[:] = tmp_path.glob("*.holding")

    monkeypatch.setattr(footprint._Memory, "look", tell)
    found = footprint.run([sys.executable, "-c", FORKS, str(tmp_path)], os.environ)
    assert found.code == 0 and found.processes == 3
    assert 150 * MIB - footprint.PRECISION_BYTES < found.peak_bytes < 190 * MIB
    assert 100 * MIB < found.peak_of_first < 130 * MIB
    assert 0.0 < found.cpu_s <= found.wall_s


class Kernel:
    """Tells what processes share; counts how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shares: Mapping[int, Share] = {}
        self.asked = 0
        monkeypatch.setattr(footprint, "share_of", self.share_of)

    def share_of(self, pid: int) -> Share:
        self.asked += 1
        return self.shares[pid]


def sizes(**mebibytes: tuple[int, int]) -> dict[footprint._Key, footprint._Size]:
    keys = {"one": ONE, "two": TWO}
    return {
        keys[name]: footprint._Size(touched * MIB, resident * MIB)
        for name, (touched, resident) in mebibytes.items()
    }


@pytest.mark.parametrize("grown", [(150, 100), (100, 150)], ids=["by faults", "by large pages"])
def test_it_is_looked_at_closely_where_there_may_be_a_new_peak(
    monkeypatch: pytest.MonkeyPatch, grown: tuple[int, int]
) -> None:
    kernel, memory = Kernel(monkeypatch), footprint._Memory()
    kernel.shares = {1: Share(80 * MIB, 90 * MIB)}
    memory.look(sizes(one=(100, 100)))
    assert memory.peak_bytes == 90 * MIB and kernel.asked == 1
    memory.look(sizes(one=(110, 110)))
    assert kernel.asked == 1, "it can be higher by 10 MiB, which is not looked for"
    kernel.shares = {1: Share(110 * MIB, 120 * MIB)}
    memory.look(sizes(one=grown))
    assert memory.peak_bytes == 120 * MIB and kernel.asked == 2


def test_what_one_had_for_itself_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, memory = Kernel(monkeypatch), footprint._Memory()
    kernel.shares = {1: Share(80 * MIB, 100 * MIB), 2: Share(50 * MIB, 70 * MIB)}
    memory.look(sizes(one=(100, 100), two=(60, 160)))
    assert memory.peak_bytes == 170 * MIB
    asked = kernel.asked
    memory.look(sizes(one=(100, 100)))
    memory.look(sizes(one=(160, 160)))
    assert kernel.asked == asked, "of 170 MiB the other's 50 are free, and 40 of them are taken"
    kernel.shares = {1: Share(190 * MIB, 210 * MIB)}
    memory.look(sizes(one=(230, 230)))
    assert memory.peak_bytes == 210 * MIB
