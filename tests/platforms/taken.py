"""Hold a report against every platform's rules: one line in any test that has one."""

from grader.model import Report
from grader.platforms import NAMES, find
from grader.report.views import LEVELS, for_student


def assert_every_platform_takes(report: Report) -> None:
    """Render a report as staff see it and as students may, and validate each result."""
    for shown in (report, *(for_student(report, level) for level in LEVELS)):
        for name in NAMES:
            platform = find(name)
            delivery = platform.render(shown, platform.circumstances())
            if report.verdict != "internal_error":
                assert delivery.document is not None, name
            if delivery.document is not None:
                assert platform.validate(delivery.document, delivery.beside) == [], name
