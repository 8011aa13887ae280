"""What is kept survives; what is fetched comes from allowed hosts and is bounded."""

import gzip
from pathlib import Path

import httpx
import msgspec
import pytest

from grader.apart import NotGraded
from grader.errors import UsageError
from grader.platforms import find
from grader.xqueue import pace, protocol
from grader.xqueue.grading import Grading
from grader.xqueue.protocol import Submission
from grader.xqueue.spool import Job, Spool
from grader.xqueue.uploads import MOST_FILES, Uploads

JOB = Job(submission=Submission(header="{}", id="../../etc/x"), pulled_at_s=1.0)


def uploads(data: bytes = b"x = 1", status: int = 200, most_bytes: int = 100) -> Uploads:
    def answer(request: httpx.Request) -> httpx.Response:
        assert "cookie" not in request.headers
        assert "authorization" not in request.headers
        headers = {"Location": "http://169.254.169.254/"}
        return httpx.Response(status, content=data, headers=headers)

    hosts = ["uploads.example.org", "uploads.example.org:8080"]
    transport = httpx.MockTransport(answer)
    return Uploads("https://lms.example.org", hosts, most_bytes, transport=transport)


def test_a_job_reads_back_and_is_forgotten(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new" / "folder")
    spool.keep(JOB)
    assert spool.jobs() == [JOB]
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "new" / "folder"}
    assert [path.stat().st_mode & 0o077 for path in tmp_path.rglob("*.json")] == [0]
    spool.forget(JOB)
    assert spool.jobs() == []
    spool.close()


def test_a_file_that_is_no_job_is_set_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.keep(JOB)
    (tmp_path / "half.json").write_text('{"submission": {"head')
    (tmp_path / "old.partial").write_text("half written")
    assert spool.jobs() == [JOB]
    assert (tmp_path / "half.bad").exists()
    spool.close()


def test_a_folder_serves_one_process(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(UsageError, match="--state"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


@pytest.mark.parametrize(
    "url",
    [
        "https://uploads.example.org/a.py?X-Amz-Signature=abc",
        "https://uploads.example.org:8080/a.py",
        "https://uploads.example.org:443/a.py",
        "https://UPLOADS.example.org/a.py",
        "/media/queue/1234",
    ],
)
def test_files_of_allowed_hosts_are_fetched(url: str, tmp_path: Path) -> None:
    uploads().fetch({"a.py": url}, tmp_path)
    assert (tmp_path / "a.py").read_bytes() == b"x = 1"


def with_host(host: str, server: str = "https://lms.example.org") -> Uploads:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=b"x = 1"))
    return Uploads(server, [host], 100, transport=transport)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("https://uploads.example.org", "https://uploads.example.org/a.py"),
        ("HTTPS://Uploads.example.org/", "https://uploads.example.org/a.py"),
        ("uploads.example.org/", "https://uploads.example.org/a.py"),
        ("uploads.example.org:443", "https://uploads.example.org/a.py"),
        ("https://uploads.example.org:8443", "https://uploads.example.org:8443/a.py"),
        ("dateien.münchen.example", "https://dateien.münchen.example/a.py"),
        ("dateien.münchen.example", "https://dateien.xn--mnchen-3ya.example/a.py"),
        ("[::1]:8080", "https://[::1]:8080/a.py"),
    ],
)
def test_a_host_is_the_same_however_it_is_written(host: str, url: str, tmp_path: Path) -> None:
    with_host(host).fetch({"a.py": url}, tmp_path)
    assert (tmp_path / "a.py").read_bytes() == b"x = 1"


@pytest.mark.parametrize("host", ["uploads.example.org:80", "http://uploads.example.org"])
def test_a_host_of_http_is_one_where_the_server_has_no_https(host: str, tmp_path: Path) -> None:
    uploads = with_host(host, "http://lms.example.org")
    uploads.fetch({"a.py": "http://uploads.example.org/a.py"}, tmp_path)
    with pytest.raises(UsageError, match="fetched by https here"):
        with_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "https://", "*.example.org", "a b", "a@b", "a/media", "a?b", "a:99x", "a.", ".a"),
        *("ftp://a", "ü..example", "a\\b"),
    ],
)
def test_what_is_no_host_is_refused_at_the_start(host: str) -> None:
    with pytest.raises(UsageError):
        with_host(host)


@pytest.mark.parametrize("server", ["HTTPS://lms.example.org", "https://lms.example.org"])
def test_nothing_goes_by_http_where_the_server_has_https(server: str, tmp_path: Path) -> None:
    with pytest.raises(NotGraded, match="--file-host"):
        with_host("a.example.org", server).fetch({"a.py": "http://lms.example.org/a"}, tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.org/a.py",
        "http://uploads.example.org/a.py",
        "https://uploads.example.org:22/a.py",
        "https://uploads.example.org@evil.example.org/a.py",
        "https://uploads.example.org\\@evil.example.org/a.py",
        "https://uploads.example.org.evil.example.org/",
        "http://169.254.169.254/latest/meta-data/",
        "//evil.example.org/a.py",
        "file:///etc/passwd",
        "ftp://uploads.example.org/a.py",
        "https://[",
        "https://user:secret@uploads.example.org/a.py",
    ],
)
def test_files_of_no_other_place_are_fetched(url: str, tmp_path: Path) -> None:
    with pytest.raises(NotGraded, match=r"--file-host|cannot be fetched"):
        uploads().fetch({"a.py": url}, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [302, 403, 404, 500])
def test_a_file_that_cannot_be_had_is_not_the_student_s_fault(status: int, tmp_path: Path) -> None:
    with pytest.raises(NotGraded, match=str(status)):
        uploads(status=status).fetch({"a.py": "/a.py"}, tmp_path)


def test_a_file_is_cut_one_byte_above_what_intake_takes(tmp_path: Path) -> None:
    uploads(b"a" * 1_000_000).fetch({"a.py": "/a.py"}, tmp_path)
    assert (tmp_path / "a.py").stat().st_size == 101


def test_a_file_that_is_packed_more_than_once_is_not_unpacked(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        data = iter([gzip.compress(gzip.compress(b"x = 1"))])
        return httpx.Response(200, headers={"Content-Encoding": "gzip, gzip"}, content=data)

    fetched = Uploads("https://lms.example.org", [], 100, transport=httpx.MockTransport(answer))
    with pytest.raises(NotGraded, match="packed more than once"):
        fetched.fetch({"a.py": "/a.py"}, tmp_path)


def test_names_are_safe_and_stay_apart(tmp_path: Path) -> None:
    names = [
        "a.py",
        "../a.py",
        "b/../../a.py",
        "..",
        "",
        ".bashrc",
        "a\\b.py",
        "\u202ey.py",
        "A" * 999,
        "c d.py",
        "9_c_d.py",
    ]
    folder = tmp_path / "folder"
    folder.mkdir()
    uploads().fetch(dict.fromkeys(names, "/a.py"), folder)
    found = [path.name for path in folder.iterdir()]
    assert len(found) == len(names)
    assert all(name.isascii() and not name.startswith(".") and len(name) < 110 for name in found)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_too_many_files_are_the_students_to_mend() -> None:
    grading = Grading(uploads(status=500), {}, "mine", [], timeout_s=1)
    files = {f"{number}.py": "/a.py" for number in range(MOST_FILES + 1)}
    body = grading.reply(Submission(header="{}", id="1", files=files)).encode()
    assert find("openedx").validate(body, {}) == []
    found = msgspec.json.decode(body)
    assert (found["correct"], found["score"]) == (False, 0)
    assert "21 files were uploaded, more than 20; send only the code." in found["msg"]
    with pytest.raises(NotGraded, match="500"):  # these are fetched
        grading.reply(Submission(header="{}", id="1", files=dict(list(files.items())[1:])))


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ('{"exercise": "mine"}', "mine"),
        ('{"grader": "mine"}', "mine"),
        ('{"exercise": "", "grader": "mine"}', "mine"),
        ('{"exercise": 3}', None),
        ("free text", None),
        ("", None),
        ("[]", None),
    ],
)
def test_the_author_of_a_problem_may_name_the_exercise(payload: str, named: str | None) -> None:
    assert protocol.exercise_of(Submission(header="{}", id="1", payload=payload)) == named


@pytest.mark.parametrize("named", ["other", "../mine", "/etc", "./mine"])
def test_a_payload_names_no_path_and_nothing_unknown(named: str) -> None:
    grading = Grading(uploads(), {"mine": "./mine"}, "mine", [], timeout_s=1)
    pulled = Submission(header="{}", id="1", payload=f'{{"exercise": "{named}"}}')
    with pytest.raises(NotGraded, match="there are: mine"):
        grading.reply(pulled)


def test_waits_grow_to_a_bound_and_are_never_the_same_for_all() -> None:
    waits = [[pace.after_failures(count) for _ in range(200)] for count in (1, 2, 5, 1000)]
    bounds = [(min(each), max(each)) for each in waits]
    expected = [(0.5, 1.0), (1.0, 2.0), (8.0, 16.0), (30.0, 60.0)]
    for (low, high), (least, most) in zip(bounds, expected, strict=True):
        assert least <= low < high <= most
    polls = [pace.between_polls(5.0) for _ in range(200)]
    assert 4.0 <= min(polls) < max(polls) <= 6.0
