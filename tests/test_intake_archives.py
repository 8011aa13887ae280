"""Show that a zip archive gives up one ordinary member, and no bomb or trick gets further."""

import io
import json
import stat
import struct
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import InvalidSubmission
from grader.intake import IntakeLimits, read_submission
from grader.model import Submission

CODE = b"def forward(seed):\n    return seed\n"


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = 8) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # of duplicate names
        for member, data in members:
            archive.writestr(member, data)
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


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("name", ["solution.py", "hw3/solution.py", "a/b/c/solution.py"])
def test_the_wanted_member_is_read(tmp_path: Path, name: str, method: int) -> None:
    data = zipped((name, CODE), ("numpy.py", b"\0"), ("readme.md", b""), method=method)
    submission = read(tmp_path, data)
    assert (submission.name, submission.source) == (f"hw.zip:{name}", CODE)
    assert [path.name for path in tmp_path.iterdir()] == ["hw.zip"]


def test_a_member_four_folders_down_is_not_looked_for(tmp_path: Path) -> None:
    deep = zipped(("a/b/c/d/solution.py", CODE))
    assert refusal(tmp_path, deep) == "There is no file in it; send solution.py."


def test_a_leading_dot_folder_is_no_folder(tmp_path: Path) -> None:
    assert read(tmp_path, zipped(("./hw//solution.py", CODE))).name == "hw.zip:hw/solution.py"


def test_noise_of_the_zipping_program_is_ignored(tmp_path: Path) -> None:
    noise = [("__MACOSX/hw/._mine.py", b"\0"), (".DS_Store", b"\0"), ("hw/.git/x.py", CODE)]
    assert read(tmp_path, zipped(("hw/", b""), ("hw/mine.py", CODE), *noise)).source == CODE


def test_a_notebook_in_an_archive_may_be_larger_than_its_code(tmp_path: Path) -> None:
    cells = b'{"cells": [{"cell_type": "code", "source": "x = 1", "outputs": "%s"}]}'
    assert read(tmp_path, zipped(("a.ipynb", cells % (b"p" * (1 << 20))))).source == b"x = 1\n"


def test_duplicates_of_the_wanted_name_are_refused(tmp_path: Path) -> None:
    twice = zipped(("solution.py", CODE), ("./solution.py", CODE))
    assert "Several files are called solution.py" in refusal(tmp_path, twice)
    other = zipped(("solution.py", CODE), ("a.txt", b""), ("a.txt", b""))
    assert read(tmp_path, other).source == CODE


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (stat.S_IFLNK | 0o777, "is a link"),
        (stat.S_IFCHR | 0o666, "is not a regular file"),
        (stat.S_IFIFO | 0o666, "is not a regular file"),
    ],
)
def test_a_wanted_member_that_is_no_file_is_refused(tmp_path: Path, mode: int, reason: str) -> None:
    assert reason in refusal(tmp_path, zipped((special("solution.py", mode), b"/etc/passwd")))
    beside = zipped((special("jax.py", mode), b"/etc/passwd"), ("mine.py", CODE))
    assert read(tmp_path, beside).name == "hw.zip:mine.py"
    regular = zipped((special("solution.py", stat.S_IFREG | 0o644), CODE))
    assert read(tmp_path, regular).source == CODE


@pytest.mark.parametrize(
    "name",
    ["/etc/x.py", "../x.py", "a/../../x.py", "..\\x.py", "\\x.py", "C:x.py", "c:\\x.py", "x\0.py"],
)
def test_a_name_that_leads_out_is_refused_anywhere(tmp_path: Path, name: str) -> None:
    placeholder = "#" * len(name)  # zipfile would tidy the name
    data = zipped(("solution.py", CODE), (placeholder, b""))
    said = refusal(tmp_path, data.replace(placeholder.encode(), name.encode()))
    assert "which leads out of it; zip only the folder with the code." in said
    assert said.isprintable()


@pytest.mark.parametrize("name", ["a\x1b[31m.py", "a\u202e.py", "hw\\a.py", "\u200b.py"])
def test_an_unusual_name_is_refused_only_as_the_wanted_member(tmp_path: Path, name: str) -> None:
    assert "has an unusual name" in refusal(tmp_path, zipped((name, CODE)))
    assert read(tmp_path, zipped((name, CODE), ("solution.py", CODE))).source == CODE


@pytest.mark.parametrize(
    "part", ["می\u200cروم", "क्\u200dष", "❤\ufe0f", "été\u00a02", "課題\u3000二"]
)
def test_names_are_written_as_their_languages_are(tmp_path: Path, part: str) -> None:
    assert read(tmp_path, zipped((f"{part}/solution.py", CODE))).source == CODE
    assert read(tmp_path, zipped((f"{part}.py", CODE))).source == CODE


@pytest.mark.parametrize("part", ["\uf8ff", "\u00ad", "\u2009", "\ufeff"])
def test_a_folder_is_called_what_its_owner_likes(tmp_path: Path, part: str) -> None:
    assert read(tmp_path, zipped((f"hw{part}/solution.py", CODE))).source == CODE
    assert "has an unusual name" in refusal(tmp_path, zipped((f"hw{part}.py", CODE)))


@pytest.mark.parametrize(
    "part", ["\x1b[31m", "\x85", "\u202e", "\u2066", "\u200f", "\u200b", "a\\b"]
)
def test_a_folder_that_makes_its_path_read_as_another_is_refused(tmp_path: Path, part: str) -> None:
    assert "has an unusual name" in refusal(tmp_path, zipped((f"{part}/solution.py", CODE)))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped(("solution.py", CODE)))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "solution.py is encrypted" in refusal(tmp_path, bytes(data))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_compression_is_refused(tmp_path: Path, method: int) -> None:
    said = refusal(tmp_path, zipped(("solution.py", CODE), method=method))
    assert "compressed in an unusual way" in said


def test_an_archive_over_its_limit_is_refused(tmp_path: Path) -> None:
    assert "hw.zip is larger than 8 MiB" in refusal(tmp_path, bytes((8 << 20) + 1))


@pytest.mark.parametrize("data", [b"", b"Rar!\x1a\x07", CODE])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    assert "not a readable zip archive" in refusal(tmp_path, data)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (41, 0xFF),  # the compressed data: zlib.error
        ("flags", 0x20),  # "patched data": NotImplementedError
        ("offset", 0xFF),  # a local header cut by the end of the file: struct.error
        ("far", 0xFF),  # a local header beyond every file: OverflowError
    ],
)
def test_a_member_that_cannot_be_unpacked_is_refused(
    tmp_path: Path, where: int | str, value: int
) -> None:
    data = bytearray(zipped(("solution.py", CODE)))
    central = data.index(b"PK\x01\x02")
    if where == "offset":
        data[central + 42 : central + 46] = struct.pack("<L", len(data) - 10)
    elif where == "far":
        data = far(data, central)
    else:
        data[central + 8 if where == "flags" else int(where)] = value
    assert "solution.py cannot be unpacked" in refusal(tmp_path, bytes(data))


def far(data: bytearray, central: int) -> bytearray:
    """Have the only member's header lie 2^63 bytes into the file, by a zip64 extra field."""
    end = data.index(b"PK\x05\x06")
    name = data[central + 46 : end]
    extra = struct.pack("<HHQ", 1, 8, 1 << 63)
    entry = data[central : central + 30] + struct.pack("<H", len(extra))
    entry += data[central + 32 : central + 42] + b"\xff" * 4 + name + extra
    size = struct.pack("<L", len(entry))
    return data[:central] + entry + data[end : end + 12] + size + data[end + 16 :]


def test_a_folder_member_called_like_the_file_is_no_file(tmp_path: Path) -> None:
    data = zipped(("solution.py/", b""), ("mine.py", CODE))
    assert read(tmp_path, data).name == "hw.zip:mine.py"


VALID = zipped(("hw/solution.py", CODE), ("b.txt", b"b" * 50))


@settings(max_examples=150, deadline=60_000)  # milliseconds
@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=6))
def test_a_damaged_archive_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(VALID)
    for position, value in changes:
        data[position] = value
    try:
        source = read(tmp_path_factory.getbasetemp(), bytes(data)).source
    except InvalidSubmission as refused:
        said = refused.message
    else:
        said = source.decode().replace("\n", "")
    assert said.isprintable()


def test_the_file_that_defines_the_function_is_read_whatever_lies_beside_it(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": CODE.decode()}]
    notebook = json.dumps({"cells": cells, "nbformat": 4}).encode()
    beside = ("helper.py", b"def show(x):\n    print(x)\n")
    assert read(tmp_path, zipped(beside, ("hw.ipynb", notebook))).source == CODE + b"\n"
    plots = json.dumps({"cells": [{"cell_type": "code", "source": "1"}], "nbformat": 4}).encode()
    assert read(tmp_path, zipped(("my.py", CODE), ("plots.ipynb", plots))).source == CODE
    assert read(tmp_path, zipped(("my.py", CODE), ("hw.ipynb", notebook))).source == CODE
