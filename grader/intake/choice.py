"""Choose which file of a folder or an archive is the submission."""

import re
from collections.abc import Callable, Iterable, Sequence

import msgspec

from grader.errors import InvalidSubmission
from grader.intake.limits import IntakeLimits
from grader.text import printable

_NOISE = frozenset({"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"})
_SUFFIXES = (".py", ".ipynb")
_SHOWN = 5


class Found(msgspec.Struct, frozen=True):
    """One file inside a folder or an archive, not read yet.

    Attributes:
        path: below the folder or archive, with "/".
        read: returns the file's bytes, given the most that it may have; raises InvalidSubmission.
        refusal: why it may not be read ("is a link"), or empty.
    """

    path: str
    read: Callable[[int], bytes]
    refusal: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


def is_noise(part: str) -> bool:
    """Return whether a part of a path is what tools leave behind: hidden, a cache, __MACOSX."""
    return part.startswith(".") or part in _NOISE


def choose(
    found: Sequence[Found], *, file_names: Sequence[str], entry: str, limits: IntakeLimits
) -> Found:
    """Return the one file to judge.

    Args:
        found: all files that are not noise.
        file_names: expected names, the best first.
        entry: the function that decides between files with other names.

    Raises:
        InvalidSubmission: no file fits, several fit, or the one that fits may not be read.
    """
    chosen = _by_name(found, file_names) or _by_content(found, file_names, entry, limits)
    if sum(other.path == chosen.path for other in found) > 1:
        raise InvalidSubmission(f"Several files are called {printable(chosen.path)}; send one.")
    if chosen.refusal:
        raise InvalidSubmission(
            f"{printable(chosen.path)} {chosen.refusal}; send it as an ordinary file."
        )
    return chosen


def _by_name(found: Sequence[Found], file_names: Iterable[str]) -> Found | None:
    """Return the file with the best expected name; one at the top wins over others below."""
    for name in file_names:
        fits = [file for file in found if file.path == name]
        fits = fits or [file for file in found if file.name == name]
        if len({file.path for file in fits}) > 1:
            raise InvalidSubmission(f"Several files fit: {_listed(fits)}; send only one of them.")
        if fits:
            return fits[0]
    return None


def _by_content(
    found: Sequence[Found], file_names: Sequence[str], entry: str, limits: IntakeLimits
) -> Found:
    """Return the only file with `def entry`, else the only Python file, else the only notebook."""
    wanted = " or ".join(file_names[:_SHOWN]) or "a file that ends in .py or .ipynb"
    # A notebook may lie beside a module of tests, and a module beside a notebook of plots.
    either = [file for file in found if file.name.lower().endswith(_SUFFIXES) and not file.refusal]
    hits = _defining(entry, either, limits) if len(either) > 1 else []
    if len(hits) == 1:
        return hits[0]
    for suffix in _SUFFIXES:
        fits = [file for file in found if file.name.lower().endswith(suffix)]
        fits = [file for file in fits if not file.refusal] or fits
        if len(fits) > 1:
            return _that_defines(entry, fits, limits, wanted)
        if fits:
            return fits[0]
    among = f"There is no Python file and no notebook among {_listed(found)}"
    raise InvalidSubmission(f"{among if found else 'There is no file in it'}; send {wanted}.")


def _that_defines(entry: str, fits: list[Found], limits: IntakeLimits, wanted: str) -> Found:
    hits = _defining(entry, fits, limits)
    if len(hits) == 1:
        return hits[0]
    raise InvalidSubmission(
        f"It is not clear which file to judge: {_listed(hits or fits)}; "
        f"send one, or name it {wanted}."
    )


def _defining(entry: str, fits: Sequence[Found], limits: IntakeLimits) -> list[Found]:
    """Return those in whose text the function is defined; none where there are too many."""
    # No \b before def: in a notebook's JSON the letter n of an escaped newline may stand there.
    pattern = re.compile(rb"def[ \t]+" + re.escape(entry.encode()) + rb"(?![A-Za-z0-9_])")
    few = len(fits) <= limits.candidates
    return [file for file in fits if few and pattern.search(_text(file, limits))]


def _text(file: Found, limits: IntakeLimits) -> bytes:
    """Return a file's bytes; what cannot be read cannot be the one that is looked for."""
    try:
        return b"" if file.refusal else file.read(limits.of(file.name))
    except InvalidSubmission:
        return b""


def _listed(files: Sequence[Found]) -> str:
    names = [printable(file.path, 60) for file in files[:_SHOWN]]
    if len(files) > _SHOWN:
        names.append(f"and {len(files) - _SHOWN} more")
    return ", ".join(names)
