"""Against the real server (edx-submissions): every submission gets one result, whatever breaks."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import built
import pytest
from conftest import CACHE, FIXTURES
from processes import PATIENCE_S, until
from xqueue_parts import CREDENTIALS, OpenEdx, body

from grader.apart import NotGraded
from grader.platforms import find
from grader.xqueue import pace
from grader.xqueue.client import Client, LoginRefused, ServerTrouble, Unanswered
from grader.xqueue.credentials import Credentials
from grader.xqueue.protocol import Submission
from grader.xqueue.puller import MOST_ATTEMPTS, Puller
from grader.xqueue.spool import Spool

HERE = Path(__file__).parent
SERVER = HERE / "openedx_server.py"


@pytest.fixture(scope="session")
def openedx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenEdx]:
    folder = tmp_path_factory.mktemp("openedx")
    command = [sys.executable, str(SERVER), str(folder)]
    with (folder / "errors").open("w") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    assert port, (folder / "errors").read_text()[-2000:]
    try:
        yield OpenEdx(f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.communicate()


@pytest.fixture
def queue(request: pytest.FixtureRequest) -> str:
    """A queue of the test's own."""
    return request.node.name


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a hundredth of a second; that they grow is tested by itself."""
    monkeypatch.setattr(pace, "after_failures", lambda count, **bounds: 0.01)
    monkeypatch.setattr(pace, "between_polls", lambda poll_s: 0.01)


def serve(
    openedx: OpenEdx, queue: str, state: Path, grade: Callable[[Submission], str], slots: int = 1
) -> None:
    """Serve a queue until it is empty."""
    client, spool = openedx.client(queue), Spool(state)
    try:
        Puller(client, spool, grade, slots=slots, poll_s=0.1, until_empty=True).run()
    finally:
        client.close()
        spool.close()


def left(state: Path) -> list[Path]:
    return list(state.glob("*.json"))


def test_the_command_grades_what_is_typed_and_what_is_uploaded(
    openedx: OpenEdx, queue: str, tmp_path: Path
) -> None:
    right = (FIXTURES / "accepted" / "plain" / "submission.py").read_text()
    wrong = (FIXTURES / "rejected" / "pool_height_only" / "submission.py").read_text()
    openedx.submit("typed", right, queue=queue, grader="resnet_classifier")
    files = {"my work.py": wrong, "../notes.py": "# nothing"}
    openedx.submit("uploaded", "", queue=queue, files=files)
    command = [sys.executable, "-m", "grader.cli", "xqueue", "--url", openedx.url]
    command += ["--queue", queue, "--state", str(tmp_path), "--until-empty", "-j2", "--poll-s=0.1"]
    variables = {
        "GRADER_CACHE": str(CACHE),
        "GRADER_XQUEUE_USERNAME": CREDENTIALS.username,
        "GRADER_XQUEUE_PASSWORD": CREDENTIALS.password,
    }
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    typed, uploaded = openedx.state("typed"), openedx.state("uploaded")
    assert (typed["status"], typed["points"]) == ("retired", 100)
    assert (uploaded["status"], uploaded["points"]) == ("retired", 29)
    for found in (typed, uploaded):
        assert find("openedx").validate(found["reply"].encode(), {}) == []
    assert "Pools over the height only" in uploaded["reply"]
    assert left(tmp_path) == []


def test_the_image_serves_a_queue(openedx: OpenEdx, queue: str, tmp_path: Path) -> None:
    for name in ("accepted/plain", "rejected/pool_max", "hostile/exit_in_call"):
        source = (FIXTURES / name / "submission.py").read_text()
        openedx.submit(f"in image {name}", source, queue=queue)
    variables = tmp_path / "xqueue.env"
    variables.write_text(
        f"GRADER_XQUEUE_USERNAME={CREDENTIALS.username}\n"
        f"GRADER_XQUEUE_PASSWORD={CREDENTIALS.password}\n"
    )
    options = ["--rm", "--network=host", "--no-healthcheck", f"--env-file={variables}"]
    command = ["grader", "xqueue", "--url", openedx.url, "--queue", queue, "--until-empty"]
    built.docker("run", *options, built.image("service"), *command, "--state", "/tmp/xqueue")
    points = {
        name: openedx.state(f"in image {name}")["points"]
        for name in ("accepted/plain", "rejected/pool_max", "hostile/exit_in_call")
    }
    assert points["accepted/plain"] == 100
    assert 0 < points["rejected/pool_max"] < 100
    assert points["hostile/exit_in_call"] < 100


def test_many_are_graded_at_once_and_each_once(
    openedx: OpenEdx, queue: str, tmp_path: Path, no_waiting: None
) -> None:
    graded: list[str] = []
    for number in range(12):
        openedx.submit(f"{queue}{number}", f"{number}", queue=queue)

    def grade(submission: Submission) -> str:
        graded.append(submission.response)
        return body(int(submission.response) / 100)

    serve(openedx, queue, tmp_path, grade, slots=4)
    assert sorted(graded, key=int) == [str(number) for number in range(12)]
    points = [openedx.state(f"{queue}{number}")["points"] for number in range(12)]
    assert points == list(range(12))


@pytest.mark.parametrize(
    ("points", "score", "stored"), [(1, 0.29, 0), (1, 0.75, 1), (20, 0.29, 6), (100, 0.29, 29)]
)
def test_the_server_stores_whole_points_of_the_input_field_s(
    points: int,
    score: float,
    stored: int,
    openedx: OpenEdx,
    queue: str,
    tmp_path: Path,
    no_waiting: None,
) -> None:
    openedx.submit(queue, queue=queue, points=points)
    serve(openedx, queue, tmp_path, lambda submission: body(score))
    assert openedx.state(queue)["points"] == stored


def test_what_was_pulled_is_graded_after_a_kill_9(
    openedx: OpenEdx, queue: str, tmp_path: Path
) -> None:
    openedx.submit("killed", "first", queue=queue)
    command = [sys.executable, str(HERE / "drive.py"), openedx.url, queue, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "grading first\n":
            pass
        process.kill()
    assert openedx.state("killed")["status"] == "pulled"
    serve(openedx, queue, tmp_path, lambda submission: body(1.0))
    assert openedx.state("killed")["points"] == 100
    assert left(tmp_path) == []


def test_sigterm_ends_what_is_underway_and_pulls_no_more(
    openedx: OpenEdx, queue: str, tmp_path: Path
) -> None:
    openedx.submit("before", "before", queue=queue)
    openedx.submit("after", "after", queue=queue)
    command = [sys.executable, str(HERE / "drive.py"), openedx.url, queue, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "grading before\n":
            pass
        process.send_signal(signal.SIGTERM)
        until(lambda: not catches(process.pid, signal.SIGTERM))  # a second one ends it at once
        said, _ = process.communicate("\n", timeout=PATIENCE_S)
    assert (process.returncode, said) == (0, "")
    assert openedx.state("before")["points"] == 75
    assert openedx.state("after")["status"] == "pending"
    assert left(tmp_path) == []


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1)


def test_a_lease_that_runs_out_while_grading_gives_one_grading_and_one_result(
    openedx: OpenEdx, queue: str, tmp_path: Path, no_waiting: None
) -> None:
    openedx.submit("slow", "slow", queue=queue)
    graded: list[str] = []
    handed_out_again = threading.Event()
    spool = Spool(tmp_path)

    class Watched(Client):
        def pull(self) -> Submission | None:
            pulled = super().pull()
            if pulled is not None and graded:
                handed_out_again.set()
            return pulled

    def grade(submission: Submission) -> str:
        graded.append(submission.id)
        openedx.let_leases_run_out()
        assert handed_out_again.wait(PATIENCE_S)
        return body(1.0)

    client = Watched(openedx.url, queue, CREDENTIALS)
    Puller(client, spool, grade, slots=2, poll_s=0.1, until_empty=True).run()
    client.close()
    spool.close()
    assert len(graded) == 1
    assert openedx.state("slow")["points"] == 100


def test_our_failures_are_given_back_without_a_grade_and_hold_up_nobody(
    openedx: OpenEdx, queue: str, tmp_path: Path, no_waiting: None
) -> None:
    openedx.submit("unlucky", "unlucky", queue=queue)
    openedx.submit("behind", "behind", queue=queue)
    tries: list[str] = []

    def grade(submission: Submission) -> str:
        tries.append(submission.response)
        if submission.response == "unlucky" and tries.count("unlucky") <= MOST_ATTEMPTS:
            raise NotGraded("the wall fell")
        if submission.response == "unlucky":
            state = openedx.state("unlucky")  # given back once, and handed out again
            assert (state["failures"], state["points"]) == (1, None)
        return body(1.0)

    serve(openedx, queue, tmp_path, grade)
    assert openedx.state("behind")["points"] == 100
    assert openedx.state("unlucky")["points"] == 100
    assert tries.count("unlucky") == MOST_ATTEMPTS + 1


def test_a_bug_of_ours_neither_ends_the_loop_nor_is_a_grade(
    openedx: OpenEdx, queue: str, tmp_path: Path, no_waiting: None
) -> None:
    openedx.submit("bug", "bug", queue=queue)

    def grade(submission: Submission) -> str:
        raise ZeroDivisionError("bug")

    serve(openedx, queue, tmp_path, grade)
    found = openedx.state("bug")  # the server gives up after five
    assert (found["status"], found["points"], found["failures"]) == ("failed", None, 5)


def test_a_result_that_the_server_takes_and_does_not_keep_is_noticed(
    openedx: OpenEdx,
    queue: str,
    tmp_path: Path,
    no_waiting: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    openedx.submit("lost", "lost", queue=queue)
    unstorable = json.dumps({"correct": True, "score": "1", "msg": "<div/>"})
    serve(openedx, queue, tmp_path, lambda submission: unstorable)
    assert (openedx.state("lost")["status"], openedx.state("lost")["failures"]) == ("failed", 5)
    warned = [one for one in caplog.messages if "though its result was taken" in one]
    assert len(warned) == 4


def test_a_second_put_of_a_result_that_was_taken_is_survived(
    openedx: OpenEdx, queue: str, tmp_path: Path, no_waiting: None
) -> None:
    openedx.submit("twice", "twice", queue=queue)
    openedx.submit("next", "next", queue=queue)
    spool = Spool(tmp_path)

    class Forgetful(Client):
        """Loses the server's answer to a put."""

        lost = 0

        def put(self, header: str, result: str) -> None:
            super().put(header, result)
            if self.lost == 0:
                self.lost += 1
                raise Unanswered("the answer was lost")

    client = Forgetful(openedx.url, queue, CREDENTIALS)
    Puller(client, spool, lambda submission: body(1.0), poll_s=0.1, until_empty=True).run()
    with pytest.raises(ServerTrouble):
        client.put(*_stored(tmp_path))
    client.close()
    spool.close()
    assert [openedx.state(name)["points"] for name in ("twice", "next")] == [100, 100]
    assert openedx.state("twice")["status"] == "retired"


def _stored(state: Path) -> tuple[str, str]:
    """Return header and reply of the one job that was parked."""
    (path,) = left(state)
    job = json.loads(path.read_bytes())
    assert job["parked"]
    return job["submission"]["header"], job["reply"]


def test_a_session_that_ends_is_opened_again(openedx: OpenEdx, queue: str) -> None:
    client = openedx.client(queue)
    assert client.pull() is None
    client._http.cookies.clear()
    assert client.pull() is None
    client.close()


def test_wrong_credentials_are_refused_with_the_user_s_name(openedx: OpenEdx) -> None:
    client = Client(openedx.url, "q", Credentials(username="grader", password="wrong"))
    with pytest.raises(LoginRefused, match="'grader'"):
        client.pull()
    client.close()


def test_the_command_exits_2_on_wrong_credentials(openedx: OpenEdx, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('username = "grader"\npassword = "wrong"\n')
    command = [sys.executable, "-m", "grader.cli", "xqueue", "--url", openedx.url, "--queue=q"]
    command += ["--state", str(tmp_path / "state"), "--credentials", str(secrets)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--credentials" in done.stderr
    assert "wrong" not in done.stderr
