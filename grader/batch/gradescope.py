"""Read who sent what from Gradescope's submission_metadata.yml.

The file also holds every result that Gradescope has, with what the tests printed: hundreds of
megabytes for a large class. It is read as a stream of events; only submitters are kept.
"""

import io
from collections.abc import Iterator, Mapping
from typing import Any

from grader.batch.entry import Student
from grader.errors import UsageError
from grader.text import printable

_FIELDS = {":name": "name", ":sid": "id", ":email": "email"}


def read_owners(data: bytes) -> dict[str, list[Student]]:
    """Return the students behind each submission's folder.

    Args:
        data: "submission_1:" with ":submitters:", a list of ":name:", ":sid:" and ":email:".

    Raises:
        UsageError: it is no YAML.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    owners: dict[str, list[Student]] = {}
    try:
        for path, fields in _mappings(yaml.parse(io.BytesIO(data), Loader=loader)):
            if len(path) == 3 and path[1] == ":submitters":
                told = {_FIELDS[key]: value for key, value in fields.items() if key in _FIELDS}
                owners.setdefault(path[0], []).append(Student(**told))
    except yaml.YAMLError as error:
        reason = printable(str(error).replace("\n", " "), 200)
        raise UsageError(
            f"submission_metadata.yml cannot be read ({reason}); export it again"
        ) from None
    return owners


def _mappings(events: Iterator[Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, str]]]:
    """Yield every innermost mapping of plain values with the keys that lead to it.

    A place in a sequence counts as a key of its own, "".
    """
    import yaml

    stack: list[_Open] = []
    for event in events:
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            stack.append(_Open(isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = stack.pop()
            if done.fields:
                yield tuple(one.key or "" for one in stack), done.fields
            if stack:
                stack[-1].value(None)
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent) and stack:
            stack[-1].value(event.value if isinstance(event, yaml.ScalarEvent) else None)


class _Open:
    """A mapping or a sequence whose end was not met yet."""

    def __init__(self, is_mapping: bool) -> None:
        self._is_mapping = is_mapping
        self.key: str | None = None
        self.fields: dict[str, str] = {}

    def value(self, text: str | None) -> None:
        """Take the next key or value; None for anything but text."""
        if not self._is_mapping:
            return
        if self.key is None:
            self.key = text or ""
            return
        if text is not None and self.key in _FIELDS:
            self.fields[self.key] = text
        self.key = None
