"""Show that no archive makes the reader inflate, list or remember more than its limits."""

import io
import resource
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from grader.errors import InvalidSubmission
from grader.intake import IntakeLimits, read_submission
from grader.model import Submission

CODE = b"def forward(seed):\n    return seed\n"


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def read(root: Path, data: bytes, limits: IntakeLimits | None = None) -> Submission:
    path = root / "hw.zip"
    path.write_bytes(data)
    limits = limits or IntakeLimits()
    return read_submission(path, file_names=("solution.py",), entry="forward", limits=limits)


def refusal(root: Path, data: bytes, limits: IntakeLimits | None = None) -> str:
    with pytest.raises(InvalidSubmission) as refused:
        read(root, data, limits)
    return refused.value.message


def test_ten_megabytes_of_zeros_are_refused_after_256_kib(tmp_path: Path) -> None:
    said = refusal(tmp_path, zipped(("solution.py", bytes(10 << 20))))
    assert said == "solution.py is larger than 256 KiB; send only the code."


def test_a_bomb_is_not_inflated_further_than_the_limit(tmp_path: Path) -> None:
    data = zipped(("solution.py", bytes(100 << 20)))
    tracemalloc.start()
    try:
        refusal(tmp_path, data)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20  # the archive limit, twice
    finally:
        tracemalloc.stop()


def test_a_bomb_that_declares_a_small_size_is_refused(tmp_path: Path) -> None:
    data = zipped(("solution.py", b"#" * (10 << 20)))
    lying = data.replace(struct.pack("<L", 10 << 20), struct.pack("<L", 100))
    assert "cannot be unpacked" in refusal(tmp_path, lying)


def test_a_bomb_beside_the_wanted_member_is_never_inflated(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    bomb = zipped(("bomb.py", bytes(10 << 20)), ("solution.py", CODE))
    assert read(tmp_path, bomb).source == CODE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 1


def test_nested_archives_are_not_opened(tmp_path: Path) -> None:
    inner = zipped(("solution.py", CODE))
    for _ in range(5):
        inner = zipped(*((f"lib {number}.zip", inner) for number in range(16)))
    assert "no Python file" in refusal(tmp_path, inner)


def overlapping(names: Sequence[str], kernel: bytes) -> bytes:
    """Build a bomb whose members each hold the local headers and the data of all later ones."""
    packed = zlib.compress(kernel, 9)[2:-4]
    plain, body, offset = kernel, packed, 0
    locals_: list[tuple[bytes, bytes, int]] = []
    for name in reversed(names):
        sizes = struct.pack("<LLL", zlib.crc32(plain), len(body), len(plain))
        fields = struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes
        header = b"PK\3\4" + fields + struct.pack("<HH", len(name), 0) + name.encode()
        locals_.append((name.encode(), fields, len(header) + len(body)))
        plain = header + plain
        quoted = b"\0" + struct.pack("<HH", len(header), 0xFFFF ^ len(header)) + header
        file, body = header + body, quoted + body
    central = b""
    for name_bytes, fields, size in reversed(locals_):
        offset = len(file) - size
        rest = struct.pack("<HHHHHLL", len(name_bytes), 0, 0, 0, 0, 0, offset)
        central += b"PK\1\2" + b"\x14\0" + fields + rest + name_bytes
    count, start = len(names), len(file)
    return (
        file
        + central
        + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(central), start, 0)
    )


def test_an_overlapping_bomb_is_bounded(tmp_path: Path) -> None:
    names = ["solution.py", *(f"{number}.txt" for number in range(500))]
    bomb = overlapping(names, bytes(1 << 20))
    started = time.process_time()
    said = refusal(tmp_path, bomb)
    assert "larger than 256 KiB" in said or "Overlapped" in said  # newer zipfile knows them
    assert time.process_time() - started < 2


def test_the_number_of_members_is_limited(tmp_path: Path) -> None:
    data = zipped(("solution.py", CODE), *((f"{number}.txt", b"") for number in range(999)))
    assert read(tmp_path, data).source == CODE
    assert "more than 999 members" in refusal(tmp_path, data, IntakeLimits(entries=999))


def test_a_flood_of_members_is_refused_before_it_is_listed(tmp_path: Path) -> None:
    flood = b"PK\x01\x02".ljust(46, b"\0") * 150_000
    started = time.process_time()
    assert "more than 1000 members" in refusal(tmp_path, flood)
    assert time.process_time() - started < 1
