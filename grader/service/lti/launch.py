"""Check the claims of a signed launch, and read what it says.

Pure: claims, platform, expected nonce and the time in; a launch or a refusal out. The signature was
checked before (tokens.py), the state and the browser before that (login.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from grader.service.lti import names
from grader.service.lti.claims import address_of, number_of, object_of, origin, shown, text_of
from grader.service.lti.platform import Platform
from grader.service.lti.refusals import LaunchRefused

Role = Literal["student", "staff"]
SKEW_S = 30
"""How far a platform's clock may be ahead of ours."""
_TYPES = (names.RESOURCE_LINK_REQUEST, names.DEEP_LINKING_REQUEST, names.REVIEW_REQUEST)
_STAFF = ("Instructor", "Administrator", "ContentDeveloper")


@dataclass(frozen=True, kw_only=True)
class Grades:
    """Where grades of this link go.

    Attributes:
        line_item: its column in the gradebook; "" when it has none.
        line_items: where columns are listed and made; "" when that is not offered.
        scopes: what a token may be asked for.
    """

    line_item: str = ""
    line_items: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DeepLinking:
    """What a platform wants back when somebody has chosen an exercise.

    Attributes:
        data: whatever it sent for us to return; None when it sent nothing.
    """

    return_url: str
    data: Any
    accepts_line_item: bool


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A message that was accepted.

    Attributes:
        user, course, link: ids of the platform; they mean nothing outside of it.
        exercise: what the link's custom parameter names; "" when it names none.
        for_user: whose submission is to be reviewed; "" for every other message.
        family: "moodle", "canvas", ...; "" when the platform did not say.
        frames: origins of the platform, and those named for it, which may show our pages inside
            their own.
    """

    message: str
    deployment: str
    user: str
    role: Role
    course: str
    course_title: str
    link: str
    link_title: str
    exercise: str
    for_user: str
    family: str
    frames: tuple[str, ...]
    grades: Grades = field(default_factory=Grades)
    deep_linking: DeepLinking | None = None


def check(claims: Mapping[str, Any], platform: Platform, *, nonce: str, now_s: float) -> Launch:
    """Return the launch that signed claims describe.

    Args:
        nonce: the one that was made for this login.
        now_s: Unix time.

    Raises:
        LaunchRefused: a check said no; its reason names the check.
    """
    _addressed_to_us(claims, platform)
    _fresh(claims, nonce, now_s)
    _known_kind(claims)
    _from_known_deployment(claims, platform)
    if not text_of(claims, "sub"):
        raise LaunchRefused("subject", "the platform did not say who the user is")
    return _read(claims, platform)


def _addressed_to_us(claims: Mapping[str, Any], platform: Platform) -> None:
    if claims.get("iss") != platform.issuer:
        raise LaunchRefused("issuer", f"issued by {shown(claims.get('iss'))}")
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    if platform.client_id not in listed:
        raise LaunchRefused("audience", f"made for {shown(audience)}")
    party = claims.get("azp")
    if (len(listed) > 1 and party is None) or party not in (None, platform.client_id):
        raise LaunchRefused("authorized_party", f"azp is {shown(party)}")


def _fresh(claims: Mapping[str, Any], nonce: str, now_s: float) -> None:
    expires, issued, begins = (number_of(claims, name) for name in ("exp", "iat", "nbf"))
    if expires is None or issued is None:
        raise LaunchRefused("malformed", "exp or iat is missing, or is no number")
    if expires <= now_s:
        raise LaunchRefused("expired", f"expired {now_s - expires:.0f} s ago")
    if max(issued, begins or 0) > now_s + SKEW_S:
        ahead_s = max(issued, begins or 0) - now_s
        raise LaunchRefused(
            "issued_in_future", f"valid {ahead_s:.0f} s from now; check both clocks"
        )
    if claims.get("nonce") != nonce:
        raise LaunchRefused("nonce_unknown", "the nonce was not made for this login")


def _known_kind(claims: Mapping[str, Any]) -> None:
    if claims.get(names.VERSION_CLAIM) != names.VERSION:
        raise LaunchRefused("version", f"LTI version {shown(claims.get(names.VERSION_CLAIM))}")
    if claims.get(names.MESSAGE_TYPE) not in _TYPES:
        raise LaunchRefused("message_type", f"message {shown(claims.get(names.MESSAGE_TYPE))}")


def _from_known_deployment(claims: Mapping[str, Any], platform: Platform) -> None:
    deployment = text_of(claims, names.DEPLOYMENT)
    if not deployment or not (platform.any_deployment or deployment in platform.deployments):
        raise LaunchRefused("deployment", f"deployment {shown(deployment)} is not registered")


def _read(claims: Mapping[str, Any], platform: Platform) -> Launch:
    message = claims[names.MESSAGE_TYPE]
    context, link = object_of(claims, names.CONTEXT), object_of(claims, names.RESOURCE_LINK)
    if message != names.DEEP_LINKING_REQUEST and not text_of(link, "id"):
        raise LaunchRefused("resource_link", "the message names no resource link")
    for_user = text_of(object_of(claims, names.FOR_USER), "user_id")
    if message == names.REVIEW_REQUEST and not for_user:
        raise LaunchRefused("message", "the message does not say whose submission to review")
    grades = _grades(object_of(claims, names.ENDPOINT))
    deep = _deep_linking(claims) if message == names.DEEP_LINKING_REQUEST else None
    shown_by = (
        *(platform.issuer, platform.login_url, grades.line_item, grades.line_items),
        address_of(object_of(claims, names.PRESENTATION), "return_url"),
        "" if deep is None else deep.return_url,
        *platform.frames,
    )
    return Launch(
        message=message,
        deployment=text_of(claims, names.DEPLOYMENT),
        user=text_of(claims, "sub"),
        role=role(claims.get(names.ROLES)),
        course=text_of(context, "id"),
        course_title=text_of(context, "title") or text_of(context, "label"),
        link=text_of(link, "id"),
        link_title=text_of(link, "title"),
        exercise=_custom(claims, "exercise"),
        for_user=for_user if message == names.REVIEW_REQUEST else "",
        family=text_of(object_of(claims, names.PLATFORM), "product_family_code").lower(),
        frames=tuple(sorted({origin(url) for url in shown_by} - {""})),
        grades=grades,
        deep_linking=deep,
    )


def role(roles: Any) -> Role:
    """Return who somebody is in this course.

    Roles of the institution do not count: a teacher elsewhere may be a student here. Only whoever
    administers the platform and has no role at all in the course is taken for staff. An assistant
    who is a learner too stays a student: Open edX says both of students who moderate its forum.
    """
    listed = [one for one in roles if isinstance(one, str)] if isinstance(roles, list) else []
    here = [_context_role(one) for one in listed]
    if any(name in _STAFF and not sub for name, sub in here):
        return "staff"
    if any(name in _STAFF for name, _ in here):
        return "student" if any(name == "Learner" for name, _ in here) else "staff"
    administers = any(one in names.ADMINISTRATORS for one in listed)
    return "staff" if administers and not any(name for name, _ in here) else "student"


def _context_role(uri: str) -> tuple[str, str]:
    """Return a role and its sub-role: "Instructor", "Grader" for membership/Instructor#Grader.

    Sakai writes membership#Instructor#TeachingAssistant, and the sub-role alone.
    """
    if not uri.startswith(names.MEMBERSHIP):
        bare = uri if ":" not in uri and "/" not in uri else ""
        return ("Instructor", bare) if bare == "TeachingAssistant" else (bare, "")
    path, _, name = uri.removeprefix(names.MEMBERSHIP).partition("#")
    if path.strip("/"):
        return path.strip("/"), name
    role, _, sub = name.partition("#")
    return role, sub


def _grades(endpoint: Mapping[str, Any]) -> Grades:
    scopes = endpoint.get("scope")
    return Grades(
        line_item=address_of(endpoint, "lineitem"),
        line_items=address_of(endpoint, "lineitems"),
        scopes=tuple(s for s in scopes if s in names.SCOPES) if isinstance(scopes, list) else (),
    )


def _deep_linking(claims: Mapping[str, Any]) -> DeepLinking:
    settings = object_of(claims, names.DEEP_SETTINGS)
    kinds = settings.get("accept_types")
    return_url = address_of(settings, "deep_link_return_url")
    if not return_url or not isinstance(kinds, list) or "ltiResourceLink" not in kinds:
        raise LaunchRefused("message", "the platform does not take a link to an exercise here")
    return DeepLinking(
        return_url=return_url,
        data=settings.get("data"),
        accepts_line_item=settings.get("accept_lineitem") is not False,
    )


def _custom(claims: Mapping[str, Any], name: str) -> str:
    """Return a custom parameter; "$Something" is a variable that the platform did not fill in."""
    value = text_of(object_of(claims, names.CUSTOM), name)
    return "" if value.startswith("$") else value
