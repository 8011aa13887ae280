"""Let staff say which attempt counts and what lateness costs, having seen what that changes."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from grader.service.access import Access
from grader.service.lti import changes, grades
from grader.service.lti.web import service_of
from grader.service.pages import rules_form, staff
from grader.service.pages.forms import form_of
from grader.service.pages.rendering import pages_of
from grader.service.pages.rules_form import Read
from grader.service.pages.standing import due, rules
from grader.service.pages.visit import Visit

Asked = Request[Any, Any, Any]


@get("/links/{link_id:str}/rules", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def show_rules(
    request: Asked, visit: NamedDependency[Visit], said: FromQuery[str] = ""
) -> Response[str]:
    """Show how attempts count, and the form that changes it."""
    now = grades.policy_of(visit.placement)
    stored = int(said) if said.isdecimal() and said.isascii() and len(said) < 6 else None
    return _form(request, visit, Read(rules_form.texts_of(now), {}), stored=stored)


@post(
    "/links/{link_id:str}/rules",
    opt={"access": Access.LINK_STAFF},
    sync_to_thread=True,
    status_code=200,
)
def try_rules(request: Asked, visit: NamedDependency[Visit]) -> Response[str]:
    """Show whose grades other rules would change; nothing is stored."""
    read, link = rules_form.read(form_of(request)), visit.placement
    if read.policy is None or form_of(request).text("edit"):
        return _form(request, visit, read)
    now = grades.policy_of(link)
    with service_of(request.app).database.reading() as session:
        found = changes.of_policy(session, link, now, read.policy)
    return staff.page(
        request,
        visit,
        "rules_change",
        texts=read.texts,
        changes=found,
        is_same=now == read.policy,
        before=(rules(now, "The"), due(now)),
        after=(rules(read.policy, "The"), due(read.policy)),
    )


@post("/links/{link_id:str}/rules/store", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def store_rules(request: Asked, visit: NamedDependency[Visit]) -> Response[Any]:
    """Let the rules hold, and send the grades that they change."""
    read, link = rules_form.read(form_of(request)), visit.placement
    if read.policy is None:
        return _form(request, visit, read)
    changed = grades.change_policy(service_of(request.app), link.id, read.policy)
    path = f"{pages_of(request.app).root}{visit.home}/rules?said={changed}"
    return Redirect(path, status_code=303)


def _form(request: Asked, visit: Visit, read: Read, *, stored: int | None = None) -> Response[str]:
    now = grades.policy_of(visit.placement)
    return staff.page(
        request,
        visit,
        "rules",
        status=422 if read.problems else 200,
        script="due.js",
        texts=read.texts,
        problems=read.problems,
        rules=rules(now, "The"),
        due=due(now),
        stored=stored,
    )


HANDLERS = [show_rules, try_rules, store_rules]
