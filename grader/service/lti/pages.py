"""Write the pages of launches, each with a policy that allows what it needs and nothing else."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from markupsafe import Markup

STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;margin:0;color:#1b1b1f;background:#fff}"
    "main{max-width:40rem;margin:0 auto;padding:1.5rem}h1{font-size:1.4rem}"
    "label{display:block;padding:.5rem 0}.small{color:#55555f;font-size:.875rem}"
    "button{font:inherit;padding:.6rem 1rem;border:0;border-radius:.4rem;color:#fff;"
    "background:#1f4fb2}pre{overflow:auto;padding:.75rem;background:#f2f2f5}"
)
SEND = "document.getElementById('answer').submit()"
CLOSE = "(window.opener||window.parent).postMessage({subject:'org.imsglobal.lti.close'},'*')"
"""The only scripts: without them a button does the same, or a person closes the window."""

ANYWHERE = ("*",)
"""For pages that show nothing of anybody: a refusal must be readable inside a frame."""


def page(
    template: str,
    title: str,
    *,
    status: int = 200,
    frames: Sequence[str] = (),
    form_to: str = "",
    script: str = "",
    **values: Any,
) -> Response[str]:
    """Return a page.

    Args:
        frames: origins that may show it inside a page of their own.
        form_to: origin besides our own that its form may be sent to.
        script: one of those above.
    """
    written = _templates().get_template(f"{template}.html.j2")
    text = written.render(title=title, style=Markup(STYLE), script=Markup(script), **values)
    framed_by = " ".join(frames) or "'none'"
    policy = [
        "default-src 'none'",
        "base-uri 'none'",
        f"style-src '{_digest(STYLE)}'",
        f"form-action 'self' {form_to}".strip(),
        f"frame-ancestors {framed_by}",
    ]
    if script:
        policy.append(f"script-src '{_digest(script)}'")
    headers = {"Content-Security-Policy": "; ".join(policy)}
    return Response(text, status_code=status, media_type="text/html", headers=headers)


@cache
def _templates() -> Environment:
    loader = PackageLoader("grader.service.lti")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
