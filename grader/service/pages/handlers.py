"""List the routes of this room; what they refuse or fail at is answered with a page."""

from litestar import Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from grader.service.pages import (
    choice_routes,
    class_routes,
    errors,
    exercise_routes,
    passback_routes,
    progress_routes,
    regrade_routes,
    rules_routes,
    statics,
    submission_routes,
    trouble_routes,
    visits,
)

_PAGES: list[ControllerRouterHandler] = [
    *choice_routes.HANDLERS,
    *exercise_routes.HANDLERS,
    *class_routes.HANDLERS,
    *submission_routes.HANDLERS,
    *progress_routes.HANDLERS,
    *regrade_routes.HANDLERS,
    *passback_routes.HANDLERS,
    *rules_routes.HANDLERS,
    *trouble_routes.HANDLERS,
]

PAGE_HANDLERS: list[ControllerRouterHandler] = [
    *statics.HANDLERS,
    Router(
        "/",
        route_handlers=_PAGES,
        dependencies={"visit": Provide(visits.provide_visit, sync_to_thread=False)},
        exception_handlers=errors.HANDLERS,
        include_in_schema=False,
    ),
]
