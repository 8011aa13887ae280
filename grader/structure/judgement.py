"""Say what one line of the rubric came to."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from grader.model import Observation
from grader.text import printable


class Judgement(NamedTuple):
    """What a criterion came to.

    Attributes:
        passed: None when it could not be judged.
        message: what was seen and what was expected.
    """

    passed: bool | None
    message: str
    evidence: Mapping[str, Any] = MappingProxyType({})


def cut_short(what: str, seen: Observation) -> Judgement:
    """Say that what a criterion asks for was not seen, because the watched call raised before."""
    said = printable(seen.error or "", limit=200)
    return Judgement(None, f"Not judged: {what} before the call raised {said}.")
