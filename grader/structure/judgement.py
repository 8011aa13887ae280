"""Say what one line of the rubric came to."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Judgement(NamedTuple):
    """What a criterion came to.

    Attributes:
        passed: None when it could not be judged.
        message: what was seen and what was expected.
    """

    passed: bool | None
    message: str
    evidence: Mapping[str, Any] = MappingProxyType({})
