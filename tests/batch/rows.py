"""Make rows of results for tests."""

from typing import Any

from grader.batch.entry import Judged, Row, Student


def row(name: str, **changes: Any) -> Row:
    """Return a row of a wrong submission."""
    facts: dict[str, Any] = {
        "id": name,
        "stamp": "s",
        "students": [],
        "late": False,
        "verdict": "wrong_answer",
        "score": 40,
        "max_score": 100,
        "findings": {"runs": Judged("passed", 5), "values": Judged("failed", 0)},
        "sha256": name,
        "report": name,
    }
    return Row(**(facts | changes))


def students(*names: str) -> list[Student]:
    """Return students with these names, numbered from 1."""
    return [Student(str(number), name) for number, name in enumerate(names, 1)]
