"""Nobody reads what is not theirs, on any route: walked from the route table itself.

The pages' routes, which a launch opens, are in pages/test_doors.py.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.exceptions import ImproperlyConfiguredException
from litestar.testing import TestClient

from grader.service.access import OF_PAGES, Access
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
        url = path.replace("{submission_id:str}", submission.id).replace("{notice_id:str}", "n")
        found[f"{method} {path}"] = client.request(method, url, **how).status_code
    assert found, f"no route has {kinds}"
    return found


def test_without_its_token_no_route_shows_a_submission(
    client: TestClient[Any], app: Litestar, alices: Submission
) -> None:
    others: dict[str, dict[str, str]] = {
        "nobody": {},
        "a cookie": {"cookie": f"grader-1={alices.token}"},
        "an invented token": {"authorization": "Bearer invented"},
    }
    for who, headers in others.items():
        for route, status in ask(client, app, alices, Access.SUBMISSION, headers=headers).items():
            assert status == 404, (who, route)
        for route, status in ask(client, app, alices, Access.OPERATOR, headers=headers).items():
            assert status == 401, (who, route)


def test_every_route_that_names_a_submission_holds_somebody_to_it(app: Litestar) -> None:
    kinds = [kind for kind in Access if kind not in OF_PAGES]
    named = [path for _, path in routes(app, *kinds) if "{submission_id" in path]
    held = [path for _, path in routes(app, Access.SUBMISSION, Access.OPERATOR)]
    assert named and set(named) <= set(held)


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


def test_whoever_holds_its_token_reads_it(client: TestClient[Any], alices: Submission) -> None:
    path, bearer = f"/submissions/{alices.id}", f"Bearer {alices.token}"
    assert client.get(path, headers={"authorization": bearer}).status_code == 200
    assert client.get(path, params={"token": alices.token}).status_code == 200
    regrade = client.post(f"{path}/regrade", headers={"authorization": bearer})
    assert regrade.status_code == 401, "that is for the operator"


def test_an_address_opens_nothing_for_the_operator(
    client: TestClient[Any], app: Litestar, alices: Submission
) -> None:
    written = {"params": {"token": OPERATOR}}
    assert set(ask(client, app, alices, Access.SUBMISSION, **written).values()) == {404}
    assert set(ask(client, app, alices, Access.OPERATOR, **written).values()) == {401}


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
