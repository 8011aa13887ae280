"""List the routes of this room."""

from grader.service.lti import register_routes, routes

LTI_HANDLERS = [*routes.HANDLERS, *register_routes.HANDLERS]
