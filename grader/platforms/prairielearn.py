"""PrairieLearn: /grade/results/results.json of an externally graded question.

The container must exit 0 or its results are ignored, which costs the student no attempt; nor does
`gradable: false`. `score` stands by itself, nothing is computed from the tests. Source: the grader
host and the documentation of external grading (read in 2026).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NotRequired, TypedDict

from grader.platforms import sizing, words
from grader.platforms.checking import Problems, read_object
from grader.platforms.platform import NOT_JUDGED, SORRY, Circumstances, Delivery, Places, Platform
from grader.platforms.scores import clamped, fraction
from grader.report.verdicts import is_unread

if TYPE_CHECKING:
    from grader.model import Finding, Report

MOST_BYTES = 1 << 20


class Test(TypedDict):
    """One row; without points or max_points in one, no row shows any."""

    name: str
    description: str
    points: float
    max_points: float
    message: str


class Result(TypedDict):
    """The whole of results.json."""

    gradable: bool
    succeeded: bool
    score: NotRequired[float]
    message: str
    output: NotRequired[str]
    format_errors: NotRequired[list[str]]
    tests: NotRequired[list[Test]]


def result(report: "Report", room: sizing.Room) -> Result:
    """Return a report in PrairieLearn's form."""
    if is_unread(report):
        return _not_gradable(report, room)
    found = sizing.first(report, room)
    # A row with max_points 0 is drawn grey, as if it were broken: such findings go into the output.
    notes = [f"{words.title(f)}: {words.message(f, room.message)}" for f in found if not _counts(f)]
    return Result(
        gradable=True,
        succeeded=True,
        score=fraction(report),
        message=words.headline(report),
        output="\n".join([words.summary(report, room.text), *notes]),
        tests=[_test(finding, room) for finding in found if _counts(finding)],
    )


def render(report: "Report", circumstances: Circumstances) -> Delivery:
    """Render a report."""
    if report.verdict == "internal_error":
        return not_judged(circumstances)
    return Delivery(
        document=sizing.fitted(lambda room: sizing.to_json(result(report, room)), MOST_BYTES)
    )


def not_judged(circumstances: Circumstances) -> Delivery:
    """Return the result of an error of ours: it is ignored, because the exit code is not 0."""
    found = Result(gradable=False, succeeded=False, message=SORRY, format_errors=[SORRY])
    return Delivery(document=sizing.to_json(found), exit_code=NOT_JUDGED)


def validate(document: bytes, beside: Mapping[str, bytes]) -> list[str]:
    """Name every rule that a result breaks."""
    problems = Problems()
    found = read_object(document, problems, most_bytes=MOST_BYTES)
    if found is None:
        return problems
    problems.boolean(found, "gradable")
    problems.boolean(found, "succeeded")
    graded = found.get("gradable", True) is True
    problems.number(found, "score", least=0, most=1, required=graded)
    for key in ("message", "output"):
        problems.text(found, key)
    _check_format_errors(found.get("format_errors", []), problems)
    _check_images(found, "", problems)
    for where, test in problems.objects(found, "tests"):
        for key in ("name", "description", "message", "output"):
            problems.text(test, key, where)
        for key in ("points", "max_points"):
            problems.number(test, key, where, least=0, required=True)
        if test.get("max_points") == 0:
            problems.append(f"{where}max_points is 0: the row is drawn grey")
        _check_images(test, where, problems)
    return problems


def _check_format_errors(errors: object, problems: Problems) -> None:
    listed = [errors] if isinstance(errors, str) else errors
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        problems.append("format_errors must be a string or a list of strings")


def _check_images(fields: Mapping[str, object], where: str, problems: Problems) -> None:
    images = fields.get("images", [])
    if not isinstance(images, list):
        problems.append(f"{where}images must be a list")
        return
    for at, image in enumerate(images):
        url = image.get("url") if isinstance(image, dict) else image
        if not isinstance(url, str) or not url.startswith("data:image/"):
            problems.append(f"{where}images[{at}] needs a url that starts with data:image/")


def _not_gradable(report: "Report", room: sizing.Room) -> Result:
    """Return a result that costs no attempt: the file cannot be read."""
    told = [words.message(f, room.message) for f in report.findings[:20] if f.status == "failed"]
    errors = [one for one in told if one] or [words.headline(report)]
    return Result(
        gradable=False, succeeded=True, message=words.headline(report), format_errors=errors
    )


def _counts(finding: "Finding") -> bool:
    return clamped(finding.max_points, 1e9) > 0


def _test(finding: "Finding", room: sizing.Room) -> Test:
    most = clamped(finding.max_points, 1e9)
    return Test(
        name=words.title(finding),
        description=finding.status,
        points=clamped(finding.points, most),
        max_points=most,
        message=words.message(finding, room.message),
    )


PLATFORM = Platform(
    name="prairielearn",
    title="PrairieLearn",
    places=Places(
        submission="/grade/student",
        result="/grade/results/results.json",
        settings="/grade/tests/grading.toml",
        metadata="/grade/data/data.json",
    ),
    budget_s=26,  # of 30 s; starting the container counts
    render=render,
    not_judged=not_judged,
    validate=validate,
)
