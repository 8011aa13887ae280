"""A job that ends leaves neither worker nor container, whether it is told to or abandoned."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from conftest import CACHE, ROOT, sandbox_called
from processes import until
from starting import to_grade

from grader.batch.gathering import gather
from grader.batch.messages import Grade, Question, Read
from grader.batch.reports import make_folders
from grader.peer.answering import LENGTH_BYTES
from grader.sandbox.daemon import connected
from grader.sandbox.leftovers import LABEL, sweep

LOOP = "def resnet_classifier_forward(seed, image, num_classes):\n    while True: pass\n"
PATIENCE_S = 120.0


def containers_of(pid: int) -> list[str]:
    """States of the containers that a job made."""
    with connected() as client:
        found = client.api.containers(all=True, filters={"label": LABEL})
    return [one["State"] for one in found if one["Labels"][LABEL].split(":")[2] == str(pid)]


@pytest.fixture
def job(images: None, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A job that grades an endless loop in a container while the next container waits."""
    sandbox_called("docker")
    source, output = tmp_path / "class", tmp_path / "out"
    source.mkdir()
    (source / "loop.py").write_text(LOOP)
    make_folders(output)
    start = to_grade(source, output, "docker")
    questions: list[Question] = [start, Read(gather(source).entries[0]), Grade()]
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "grader.batch.job"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "GRADER_CACHE": str(CACHE), "PYTHONPATH": str(ROOT)},
    ) as process:
        try:
            assert process.stdin is not None
            for one in map(msgspec.msgpack.encode, questions):
                process.stdin.write(len(one).to_bytes(LENGTH_BYTES, "big") + one)
            process.stdin.flush()
            end = time.monotonic() + PATIENCE_S
            while containers_of(process.pid).count("running") < 2:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("how", ["told to end", "abandoned"])
def test_a_job_removes_its_containers(job: subprocess.Popen[bytes], how: str) -> None:
    if how == "told to end":
        job.terminate()
    else:  # as when the command is killed
        assert job.stdin is not None
        job.stdin.close()
    assert job.wait(PATIENCE_S) == 0
    if how == "abandoned":  # it has 4 s, which a busy daemon may not keep to
        until(lambda: swept(job.pid) == [])
    assert containers_of(job.pid) == []


def swept(pid: int) -> list[str]:
    """Return what is left of a judge's containers; one whose removal is under way is."""
    with connected() as client:
        sweep(client)
    return containers_of(pid)
