"""Write the reports of one submission: the staff's and the student's, each as JSON and as a page.

staff/NAME.json, NAME.html    all that is known
staff/NAME.py                 the source as it was judged: of a notebook its code
students/NAME.json, .html     what a student may see, in a folder that can be given away
"""

from pathlib import Path

from grader.model import Report, Submission
from grader.model.report import Feedback
from grader.report import html
from grader.report.document import from_json, to_json
from grader.report.output import put, sync
from grader.report.views import for_student

STAFF, STUDENTS = "staff", "students"


def make_folders(output: Path) -> None:
    """Make the folders that reports go to."""
    for name in (STAFF, STUDENTS):
        (output / name).mkdir(parents=True, exist_ok=True)


def write_reports(
    output: Path, name: str, report: Report, submission: Submission | None, feedback: Feedback
) -> None:
    """Write all forms; each file is renamed into place when it is whole.

    Args:
        submission: None when it could not be read.
        feedback: how much the student sees.
    """
    source = None if submission is None else submission.source.decode("utf-8", "replace")
    text = output / STAFF / f"{name}.py"
    if source is None:  # a file that was replaced may have had one
        text.unlink(missing_ok=True)
    else:
        put(source, text)
    views = (report, for_student(report, feedback))
    pages = html.render_all(views, source)
    for folder, document, page in zip((STAFF, STUDENTS), views, pages, strict=True):
        put(page, output / folder / f"{name}.html")
        put(to_json(document).decode(), output / folder / f"{name}.json")
        sync(output / folder)


def remove_reports(output: Path, name: str) -> None:
    """Take away what was said of a submission that has been changed, and has no result yet."""
    for folder in (output / STAFF, output / STUDENTS):
        for suffix in (".html", ".json", ".py"):
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
        sync(folder)


def read_report(output: Path, name: str) -> Report:
    """Return the staff's report of this name.

    Raises:
        OSError, UsageError: it is not there, or not whole.
    """
    return from_json((output / STAFF / f"{name}.json").read_bytes())
