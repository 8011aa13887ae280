"""Nobody gets through a door that is not theirs: every page's, walked from the route table."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from litestar.exceptions import ImproperlyConfiguredException
from litestar.testing import TestClient

from grader.service import grading
from grader.service.access import OF_PAGES, Access, Role
from grader.service.app import create_app
from grader.service.core import Service
from grader.service.tables import Submission
from service.fakes import FakeGrader
from service.pages.conftest import FRAMES, Person, Place

OF_STAFF = {Access.LINK_STAFF, Access.LINK_SUBMISSION_STAFF, Access.CHOICE}
OF_SUBMISSIONS = {Access.LINK_SUBMISSION, Access.LINK_SUBMISSION_STAFF}


def doors(app: Litestar) -> list[tuple[str, str, Access]]:
    """Return method, path and access of every route of the pages."""
    return [
        (method, route.path, handler.opt["access"])
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if handler.opt.get("access") in OF_PAGES
        for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"})
    ]


@pytest.fixture
def knock(
    client: TestClient[Any], app: Litestar, place: Place, sent: Callable[..., Submission]
) -> Callable[..., Iterator[tuple[str, Access, httpx.Response]]]:
    """Knock at every door, as somebody; alice's graded submission is behind some of them."""
    alices = sent()
    grading.grade(place.service, FakeGrader(), alices.id, worker="w")

    def each(
        headers: dict[str, str], *, methods: str = "GET POST", **how: Any
    ) -> Iterator[tuple[str, Access, httpx.Response]]:
        for method, path, access in doors(app):
            if method not in methods.split():
                continue
            launch_id = how.get("launch_id", "0" * 32)
            for name, value in {
                "link_id": str(how.get("link_id", place.link_id)),
                "submission_id": alices.id,
                "launch_id": launch_id,
            }.items():
                path = path.replace(f"{{{name}:str}}", value)
            assert "{" not in path, f"say here what stands for the parameter of {path}"
            data = {"csrf": how["csrf"]} if "csrf" in how and method == "POST" else None
            yield (
                f"{method} {path}",
                access,
                client.request(method, path, headers=headers, data=data),
            )

    return each


def refused(answer: httpx.Response, status: int, about: object) -> None:
    assert answer.status_code == status, about
    assert "x = 1" not in answer.text, about
    assert answer.headers["content-type"].startswith("text/html"), about


def test_every_page_is_behind_a_door(app: Litestar) -> None:
    pages = [
        (route.path, handler.opt["access"])
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if route.path.startswith(("/links", "/choices"))
        and handler.http_methods != {"OPTIONS"}  # Litestar's own
    ]
    assert pages
    for path, access in pages:
        assert access in OF_PAGES, path
        assert ("{submission_id:str}" in path) is (access in OF_SUBMISSIONS), path


def test_strangers_get_through_no_door(
    knock: Callable[..., Any], place: Place, service: Service
) -> None:
    elsewhere = place.placed("2")
    topology = place.placed("3", course="topology")
    strangers = {
        "nobody": {},
        "an invented cookie": Person(str(place.link_id), "invented").headers,
        "a cookie that is no text": {b"cookie": f"grader-{place.link_id}=\xe9".encode("latin-1")},
        "alice, launched too long ago": place.launched("alice", hours=-1).headers,
        "alice of another placement": place.launched("alice", link_id=elsewhere).headers,
        "the same, under this one's name": place.launched("alice", link_id=elsewhere).at(
            str(place.link_id)
        ),
        "staff of another course": place.launched(
            "eve", "staff", link_id=topology, course="topology"
        ).at(str(place.link_id)),
        "staff who were to choose": place.launched("eve", "staff", deep_linking="{}").at(
            str(place.link_id)
        ),
    }
    for who, headers in strangers.items():
        for door, _, answer in knock(headers):
            refused(answer, 401, (who, door))
            assert "frame-ancestors *" in answer.headers["content-security-policy"]


def test_no_student_gets_to_anothers_submission_nor_to_what_is_for_staff(
    knock: Callable[..., Any], place: Place
) -> None:
    bob = place.launched("bob")
    seen = set()
    for door, access, answer in knock(bob.headers, csrf=bob.csrf):
        if access in OF_STAFF - {Access.CHOICE}:
            refused(answer, 403, door)
        elif access in OF_SUBMISSIONS:
            refused(answer, 404, door)
        seen.add(access)
    alice = place.launched("alice", "student", deep_linking="{}")
    for door, access, answer in knock(alice.at(alice.key), launch_id=alice.key, csrf=alice.csrf):
        if access is Access.CHOICE:
            refused(answer, 403, door)


def test_staff_get_to_no_submission_of_another_placement(
    knock: Callable[..., Any], place: Place
) -> None:
    topology = place.placed("3", course="topology")
    eve = place.launched("eve", "staff", link_id=topology, course="topology")
    for door, access, answer in knock(eve.headers, link_id=topology, csrf=eve.csrf):
        if access in OF_SUBMISSIONS:
            refused(answer, 404, door)


def test_nothing_is_posted_without_the_token_of_ones_own_session(
    knock: Callable[..., Any], place: Place
) -> None:
    bob = place.launched("bob")
    people = [
        (place.launched("alice"), {}),
        (place.launched("alice", "staff"), {}),
    ]
    chooser = place.launched("eve", "staff", deep_linking="{}")
    people.append((chooser, {"launch_id": chooser.key}))
    tried = 0
    for person, how in people:
        for token in ({}, {"csrf": ""}, {"csrf": bob.csrf}, {"csrf": "\udcff\0"}):
            said = {k: v.encode("utf-8", "replace").decode() for k, v in token.items()}
            for door, _, answer in knock(person.headers, methods="POST", **how, **said):
                assert answer.status_code in (401, 403), (door, said)
                tried += answer.status_code == 403
    assert tried > 0


@pytest.mark.parametrize("role", ["student", "staff"])
def test_a_page_names_who_may_frame_it_and_allows_nothing_inline(
    knock: Callable[..., Any], place: Place, role: Role
) -> None:
    alice = place.launched("alice", role)
    shown = 0
    for door, access, answer in knock(alice.headers, methods="GET"):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy, door
        is_page = answer.text.startswith("<!doctype html>")
        if access is not Access.CHOICE:
            framed_by = [FRAMES] if is_page else [FRAMES, "'none'"]
            assert policy.split("frame-ancestors ")[1] in framed_by, door
        assert answer.headers["x-content-type-options"] == "nosniff"
        if answer.status_code == 200 and is_page:
            shown += 1
            assert "<style" not in answer.text and " style=" not in answer.text, door
            assert "<script>" not in answer.text and " onclick=" not in answer.text, door
    assert shown > (5 if role == "staff" else 0)


def test_a_page_without_a_declared_door_keeps_the_service_from_starting(service: Service) -> None:
    @get("/links/{link_id:str}/open", sync_to_thread=False)
    def undeclared() -> None:
        """Nobody said who may come in."""

    with pytest.raises(ImproperlyConfiguredException, match="does not say who"):
        create_app(service, handlers=[undeclared])


def test_two_courses_in_two_tabs_keep_their_own_sessions(
    client: TestClient[Any], place: Place
) -> None:
    topology = place.placed("3", course="topology")
    here = place.launched("alice")
    there = place.launched("alice", "staff", link_id=topology, course="topology")
    both = {"cookie": f"{here.headers['cookie']}; {there.headers['cookie']}"}
    assert "Staff view" not in client.get(f"/links/{place.link_id}", headers=both).text
    assert "Staff view" in client.get(f"/links/{topology}", headers=both).text


def test_what_is_no_placement_is_not_opened(client: TestClient[Any], place: Place) -> None:
    alice = place.launched("alice")
    for name in ("0", "01", "x", "%00", "9" * 400, "-1", "1%0a", "%F0%9F%92%A9", "%ff"):
        answer = client.get(f"/links/{name}", headers=alice.headers)
        assert answer.status_code == 401, name
    for name in ("0", "%00", "x" * 300, "0" * 33, "'", "%ff"):
        url = f"/links/{place.link_id}/submissions/{name}"
        assert client.get(url, headers=alice.headers).status_code == 404, name


@pytest.mark.usefixtures("no_new_minute")
def test_whoever_came_through_a_door_is_not_counted_with_strangers(
    service: Service, place: Place
) -> None:
    settings = dataclasses.replace(service.settings, requests_per_minute=2)
    alice, bob = (place.launched(user).headers for user in ("alice", "bob"))
    path = f"/links/{place.link_id}"
    with TestClient(create_app(dataclasses.replace(service, settings=settings))) as client:
        for who in (alice, bob) * 3:
            assert client.get(path, headers=who).status_code == 200
        assert [client.get(path).status_code for _ in range(3)] == [401, 401, 429]


def test_a_form_still_open_in_another_tab_is_taken_from_the_same_person_alone(
    client: TestClient[Any], place: Place
) -> None:
    def posts(cookie_of: Person, token_of: Person) -> int:
        return client.post(
            f"/links/{place.link_id}/submissions",
            headers=cookie_of.headers,
            data={"csrf": token_of.csrf, "code": "x = 1\n"},
            follow_redirects=False,
        ).status_code

    first, second = place.launched("alice"), place.launched("alice")
    taken = posts(second, second)
    assert taken < 400 and posts(second, first) == posts(first, second) == taken
    elsewhere = place.placed("2")
    others = {
        "another student": place.launched("bob"),
        "the same, launched too long ago": place.launched("alice", hours=-1),
        "the same, as staff": place.launched("alice", "staff"),
        "the same, elsewhere": place.launched("alice", link_id=elsewhere),
        "the same, of another course": place.launched("alice", course="topology"),
        "the same, choosing": place.launched("alice", deep_linking="{}"),
    }
    for whose, person in others.items():
        assert posts(second, person) == 403, whose
