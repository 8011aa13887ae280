"""Write pages: templates, and a policy that allows what a page needs and nothing else."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from litestar import Litestar, Response

from grader.report.html.frame import finalized
from grader.service.pages.moments import as_time
from grader.service.pages.statics import Statics
from grader.service.pages.visit import Visit
from grader.service.settings import Settings

ANYWHERE = ("*",)
"""For pages that show nothing of anybody: a refusal must be readable inside a frame."""


class Pages:
    """What writes pages, for as long as the application runs.

    Attributes:
        statics: the files that pages load.
        root: path that our addresses begin with, "" mostly.
    """

    def __init__(self, settings: Settings) -> None:
        self.statics = Statics()
        self.root = urlsplit(settings.base_url).path
        self._templates = Environment(
            loader=ChoiceLoader(
                [
                    PackageLoader("grader.service.pages"),
                    PrefixLoader({"report": PackageLoader("grader.report.html")}),
                ]
            ),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=finalized,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["time"] = as_time
        self._templates.globals |= {"root": self.root, "static": self._static}

    def page(
        self,
        template: str,
        visit: Visit | None = None,
        *,
        status: int = 200,
        frames: Sequence[str] = (),
        form_to: str = "",
        script: str = "",
        **values: Any,
    ) -> Response[str]:
        """Return a page.

        Args:
            visit: whoever sees it; None where nobody is known.
            frames: origins that may show it inside a page of theirs, where no visit names them.
            form_to: origin besides our own that its form may be sent to.
            script: one of our files that this page alone needs.
        """
        text = self.part(template, visit, script=script, **values)
        framed_by = visit.frames if visit is not None else frames
        headers = {"Content-Security-Policy": policy(framed_by, form_to)}
        return Response(text, status_code=status, media_type="text/html", headers=headers)

    def part(self, template: str, visit: Visit | None = None, **values: Any) -> str:
        """Return a template, filled in: a page, or a piece of one."""
        return self._templates.get_template(f"{template}.html.j2").render(visit=visit, **values)

    def _static(self, name: str) -> str:
        return self.root + self.statics.path(name)


def policy(framed_by: Sequence[str], form_to: str = "") -> str:
    """Return a Content-Security-Policy: our own files, no inline script, no inline style."""
    parts = {
        "default-src": "'none'",
        "base-uri": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "form-action": f"'self' {form_to}".strip(),
        "frame-ancestors": " ".join(framed_by) or "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items())


def pages_of(app: Litestar) -> Pages:
    """Return what `create_app` put into the application."""
    found: Pages = app.state.pages
    return found
