"""Nobody reads what is not theirs, on any route: walked from the route table itself."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.exceptions import ImproperlyConfiguredException
from litestar.testing import TestClient

from grader.service import access
from grader.service.access import Access, Role, open_login
from grader.service.app import create_app
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.submissions import Incoming, accept
from grader.service.tables import Submission
from service.conftest import OPERATOR


@pytest.fixture
def alices(service: Service, incoming: Callable[..., Incoming]) -> Submission:
    with service.database.transaction() as session:
        return accept(session, incoming(), NoDispatch())


@pytest.fixture
def login(service: Service) -> Callable[..., dict[str, str]]:
    def make(
        user: str, role: Role = "student", *, source: str = "campus", course: str = "algebra"
    ) -> dict[str, str]:
        with service.database.transaction() as session:
            cookie = open_login(session, source=source, course=course, user=user, role=role)
        return {"cookie": f"{access.COOKIE}={cookie}"}

    return make


def routes(app: Litestar, *kinds: Access) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route with one of these kinds of access."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            if handler.opt.get("access") in kinds:
                for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                    yield method, route.path


def ask(
    client: TestClient[Any], app: Litestar, submission: Submission, *kinds: Access, **how: Any
) -> dict[str, int]:
    """Call every route of these kinds for a submission; return the statuses."""
    found = {}
    for method, path in routes(app, *kinds):
        url = path.replace("{submission_id:str}", submission.id)
        found[f"{method} {path}"] = client.request(method, url, **how).status_code
    assert found, f"no route has {kinds}"
    return found


def test_no_student_reads_anothers_submission_on_any_route(
    client: TestClient[Any], app: Litestar, alices: Submission, login: Callable[..., dict[str, str]]
) -> None:
    others = {
        "nobody": {},
        "bob of the same course": login("bob"),
        "alice's name in another course": login("alice", course="topology"),
        "alice's name at another source": login("alice", source="lti:1"),
        "staff of another course": login("eve", "staff", course="topology"),
        "staff of a course of that name elsewhere": login("eve", "staff", source="lti:1"),
        "an invented cookie": {"cookie": f"{access.COOKIE}=invented"},
        "an invented token": {"authorization": "Bearer invented"},
    }
    for who, headers in others.items():
        kinds = (Access.SUBMISSION, Access.SUBMISSION_STAFF)
        for route, status in ask(client, app, alices, *kinds, headers=headers).items():
            assert status == 404, (who, route)


def test_a_submissions_token_opens_no_other_submission(
    client: TestClient[Any],
    app: Litestar,
    service: Service,
    alices: Submission,
    incoming: Callable[..., Incoming],
) -> None:
    with service.database.transaction() as session:
        bobs = accept(session, incoming(user="bob"), NoDispatch())
    for how in (
        {"headers": {"authorization": f"Bearer {bobs.token}"}},
        {"params": {"token": bobs.token}},
    ):
        assert set(ask(client, app, alices, Access.SUBMISSION, **how).values()) == {404}


def test_what_is_no_id_is_not_there(client: TestClient[Any]) -> None:
    headers = {"authorization": f"Bearer {OPERATOR}"}
    for name in ("0%00", "%00", "%ff", "x" * 300, "%F0%9F%92%A9", "'", "0" * 33):
        whos: tuple[Any, ...] = ({}, {b"authorization": "Bearer \u00e9".encode()})
        for who in whos:
            assert client.get(f"/submissions/{name}", headers=who).status_code == 404, name
        notice = client.post(f"/notices/{name}/resend", headers=headers)
        assert notice.status_code == 404, name
        assert client.get(f"/submissions/{name}", headers=headers).status_code == 404, name


def test_its_owner_and_staff_do_read_it(
    client: TestClient[Any], app: Litestar, alices: Submission, login: Callable[..., dict[str, str]]
) -> None:
    for headers in (
        login("alice"),
        login("eve", "staff"),
        {"authorization": f"Bearer {alices.token}"},
    ):
        path = f"/submissions/{alices.id}"
        assert client.get(path, headers=headers).status_code == 200
    with_token = client.get(f"/submissions/{alices.id}", params={"token": alices.token})
    assert with_token.status_code == 200


def test_a_login_ends(client: TestClient[Any], service: Service, alices: Submission) -> None:
    with service.database.transaction() as session:
        cookie = open_login(
            session, source="campus", course="algebra", user="alice", role="student", hours=-1
        )
    headers = {"cookie": f"{access.COOKIE}={cookie}"}
    assert client.get(f"/submissions/{alices.id}", headers=headers).status_code == 404


def test_a_route_that_does_not_say_who_may_call_it_is_refused(service: Service) -> None:
    @get("/open", sync_to_thread=False)
    def undeclared() -> None:
        """Nobody said who may call it."""

    with pytest.raises(ImproperlyConfiguredException, match="does not say who"):
        create_app(service, handlers=[undeclared])


def test_every_answer_has_the_security_headers(client: TestClient[Any]) -> None:
    for path in ("/healthz", "/nowhere", "/submissions/none"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
