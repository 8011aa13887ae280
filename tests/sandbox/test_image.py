"""What the worker image says of itself is checked against the judge that will use it."""

import shutil
from pathlib import Path

import msgspec
import pytest

from grader.errors import SandboxError
from grader.sandbox import image
from grader.sandbox.setup import WORKER_FOLDER


def described(digest: str) -> bytes:
    fields = ("python", "worker", "compile_cache")
    rest = dict.fromkeys(fields, "/x") | {"packages": {}, "readable": [], "versions": {}}
    return msgspec.json.encode({"digest": digest, **rest})


def test_the_same_worker_is_accepted_and_another_refused() -> None:
    assert image.read_description(described(image.worker_digest())).python == "/x"
    with pytest.raises(SandboxError, match=r"another version.*make images"):
        image.read_description(described("0" * 64))


@pytest.mark.parametrize("text", [b"", b"[]", b'{"digest": 1}', b"\xff"])
def test_what_is_no_description_is_refused(text: bytes) -> None:
    with pytest.raises(SandboxError, match="cannot be read"):
        image.read_description(text)


def test_the_digest_names_every_source_file_and_nothing_else(tmp_path: Path) -> None:
    copy = tmp_path / "worker"
    shutil.copytree(WORKER_FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    same = image.worker_digest(copy)
    assert same == image.worker_digest()
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "boot.pyc").write_bytes(b"compiled")
    assert image.worker_digest(copy) == same
    seen = {same}
    for path in sorted(copy.glob("*.py")):
        text = path.read_text()
        path.write_text(text + "\n")
        seen.add(image.worker_digest(copy))
        path.write_text(text)
        path.rename(path.with_name("renamed.py"))
        seen.add(image.worker_digest(copy))
        (copy / "renamed.py").rename(path)
    assert len(seen) == 1 + 2 * len(list(copy.glob("*.py")))


def test_a_library_outside_of_the_images_folder_is_refused() -> None:
    with pytest.raises(SandboxError, match="not in /opt/nnx-grader"):
        image.describe()
