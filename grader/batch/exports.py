"""Know how learning platforms name what they export.

Sources, read on 2026-11-24: Moodle's mod/assign/classes/downloader.php, Canvas' content_zipper.rb;
Gradescope's "Export submissions" has a folder a submission and submission_metadata.yml.
"""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

METADATA = "submission_metadata.yml"
"""Where Gradescope tells who sent what."""
DEEPEST = 8
"""Folders around an export that are looked into."""


class Named(NamedTuple):
    """What a name tells.

    Attributes:
        owner: whoever shares it sent one submission together.
        file: what the student called the file; "" for a folder.
    """

    owner: str
    student_id: str
    student_name: str
    file: str
    late: bool = False


# "Jane Doe_12345_assignsubmission_file_" and what is in it, or, downloaded without folders,
# "Jane Doe_12345_assignsubmission_file_hw.py". Newer versions leave the last "_" of a folder out; a
# group without a number has no id. Underscores in names are exported as spaces.
_MOODLE = re.compile(
    r"(?P<name>[^_]+?)(?:_(?P<id>\d+))?_assignsubmission_(?:[a-z]+)(?:_(?P<file>.*))?", re.DOTALL
)
# Ruby's word characters, which Canvas keeps, include the marks that Hindi, Thai and NFD write.
# "doejane_LATE_12345_67890_hw.py": user, attachment. Anonymous: "anon_aB3xZ_67890_hw.py". A text
# typed into the page is "doejane_12345_text.html", a link "doejane_12345_link.html".
_CANVAS = re.compile(
    r"(?:(?P<name>(?:\w|[^\x00-\x7f])+?)_)??(?P<late>LATE_)?(?P<id>\d+|anon_[A-Za-z0-9]+)_"
    r"(?:(?P<attachment>\d+)_(?P<file>.+)|(?P<typed>(?:text|link)\.html))",
    re.DOTALL,
)
_GRADESCOPE = re.compile(r"submission_(?P<id>\d+)")


def from_moodle(name: str) -> Named | None:
    """Read a name of Moodle's; None when it is not one."""
    found = _MOODLE.fullmatch(name)
    if found is None:
        return None
    student, file = found["id"] or "", found["file"] or ""
    return Named(f"{found['name']}_{student}", student, found["name"], file)


def from_canvas(name: str) -> Named | None:
    """Read a name of Canvas'; None when it is not one."""
    found = _CANVAS.fullmatch(name)
    if found is None:
        return None
    file = found["file"] or found["typed"]
    return Named(found["id"], found["id"], found["name"] or "", file, found["late"] is not None)


def from_gradescope(name: str) -> Named | None:
    """Read a name of Gradescope's; the metadata tells who it is. None when it is not one."""
    return Named(name, "", "", "") if _GRADESCOPE.fullmatch(name) else None


def is_students(name: str) -> bool:
    """Whether a folder of this name is what one student sent."""
    return from_moodle(name) is not None or from_gradescope(name) is not None


def is_class(names: Collection[str]) -> bool:
    """Whether things of these names, beside each other, are a platform's export of a class."""
    named = METADATA in names or any(from_moodle(name) for name in names)
    return named or all_from_canvas(names)


def all_from_canvas(names: Iterable[str]) -> bool:
    """Whether a folder is an export of Canvas: all of it, and no user has two names.

    One name says too little: "alice_1_2_final.py" may be anybody's, and whoever is taken for the
    same user is graded as one. Nor has a user two files of one attachment's number, which
    "hw_2026_11_alice.py" and "hw_2026_11_bob.py" would be; nor are several files all of one name,
    which "lab_2_1_alice.py" and "lab_2_2_bob.py" would be.
    """
    users: dict[str, str] = {}
    attachments: set[tuple[str, str]] = set()
    for name in names:
        found, named = _CANVAS.fullmatch(name), from_canvas(name)
        if found is None or named is None:
            return False
        is_anonymous = named.owner.startswith("anon_")
        called = named.owner if is_anonymous else named.student_name
        if users.setdefault(named.owner, called) != called:
            return False
        attachment = (named.owner, found["attachment"] or found["typed"])
        if attachment in attachments:
            return False
        attachments.add(attachment)
    return len(attachments) == 1 or len(set(users.values())) > 1
