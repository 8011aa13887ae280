"""Reports are shown as their reader may see them; health and metrics tell operators."""

from collections.abc import Callable
from typing import Any, get_args

import pytest
from litestar.testing import TestClient
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from grader.model.report import Verdict
from grader.service import grading, submissions
from grader.service.core import Service
from grader.service.database import Database
from grader.service.dispatch import NoDispatch
from grader.service.submissions import Incoming
from grader.service.tables import Grading, Submission
from service.conftest import OPERATOR
from service.fakes import FakeGrader


@pytest.fixture
def graded(service: Service, incoming: Callable[..., Incoming]) -> Submission:
    with service.database.transaction() as session:
        submission = submissions.accept(session, incoming(b"score=70"), NoDispatch())
    grading.grade(service, FakeGrader(), submission.id, worker="w")
    return submission


def test_a_student_gets_the_students_report_and_the_operator_the_staffs(
    client: TestClient[Any], graded: Submission
) -> None:
    url = f"/submissions/{graded.id}/report"
    student = client.get(url, params={"token": graded.token}).json()
    assert student["shown"] == {"view": "student", "feedback": "full"}
    assert student["suite"]["seed"] == ""
    assert student["score"] == 70
    staff = client.get(url, headers={"authorization": f"Bearer {OPERATOR}"}).json()
    assert staff["shown"]["view"] == "staff"
    assert staff["suite"]["seed"] != ""


def test_the_page_has_a_policy_that_lets_it_be_styled_and_no_more(
    client: TestClient[Any], graded: Submission
) -> None:
    url = f"/submissions/{graded.id}/report"
    page = client.get(url, params={"token": graded.token, "format": "html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src" not in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src")
    assert "70" in page.text


def test_there_is_no_report_before_there_is_a_result(
    client: TestClient[Any], service: Service, incoming: Callable[..., Incoming]
) -> None:
    with service.database.transaction() as session:
        submission = submissions.accept(session, incoming(), NoDispatch())
    url = f"/submissions/{submission.id}/report"
    assert client.get(url, params={"token": submission.token}).status_code == 404


def test_staff_reads_why_a_submission_is_parked_and_its_student_does_not(
    client: TestClient[Any], service: Service, graded: Submission
) -> None:
    with service.database.transaction() as session:
        session.execute(update(Grading).values(state="parked", problem="no wall"))
    url = f"/submissions/{graded.id}"
    student = client.get(url, params={"token": graded.token}).json()
    assert (student["verdict"], student.get("problem")) == ("internal_error", None)
    headers = {"authorization": f"Bearer {OPERATOR}"}
    assert client.get(url, headers=headers).json()["problem"] == "no wall"


def test_a_student_may_not_ask_for_a_regrade(
    client: TestClient[Any], service: Service, graded: Submission
) -> None:
    url = f"/submissions/{graded.id}/regrade"
    assert client.post(url, params={"token": graded.token}).status_code == 401
    headers = {"authorization": f"Bearer {OPERATOR}"}
    assert client.post(url, headers=headers).status_code == 202


def test_metrics_count_and_name_nobody(
    client: TestClient[Any], service: Service, graded: Submission
) -> None:
    text = client.get("/metrics").text
    assert 'grader_results_total{verdict="accepted"} 1.0' in text
    assert 'grader_waiting{lane="interactive"} 0.0' in text
    assert "grader_parked 0.0" in text
    for name in ("alice", "algebra", "campus", graded.id):
        assert name not in text


def test_what_has_not_happened_is_counted_as_0(client: TestClient[Any]) -> None:
    text = client.get("/metrics").text
    for verdict in get_args(Verdict):
        assert f'grader_results_total{{verdict="{verdict}"}} 0.0' in text
    for outcome in ("sent", "later", "parked"):
        assert f'grader_notices_total{{outcome="{outcome}"}} 0.0' in text
    for status in (202, 401, 503):
        assert f'grader_deliveries_total{{status="{status}"}} 0.0' in text


def test_it_is_ready_while_the_database_answers(
    client: TestClient[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/readyz").status_code == 200

    def away(self: Database) -> None:
        raise OperationalError("SELECT 1", {}, Exception("the server closed the connection"))

    monkeypatch.setattr(Database, "reading", away)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert client.get("/healthz").status_code == 200


def test_deliveries_are_counted_by_status(client: TestClient[Any]) -> None:
    client.post("/hooks/submissions/nobody", content=b"x")
    assert 'grader_deliveries_total{status="404"} 1.0' in client.get("/metrics").text
