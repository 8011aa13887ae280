"""List the routes of this room."""

from grader.service.lti import launched_routes, register_routes, routes

LTI_HANDLERS = [*routes.HANDLERS, *launched_routes.HANDLERS, *register_routes.HANDLERS]
