"""Import top-level packages from a fixed table, never from a folder that can be listed.

Landlock rules cover whole subtrees, so a readable site-packages would show the reference that a
wheel puts beside JAX. The table names each package's own folder; only those are readable.
"""

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType

_NOT_LIBRARY = frozenset({"site-packages", "dist-packages", "__pycache__", "test", "idlelib"})


class TableFinder:
    """Find top-level modules in a table of name to path; packages find their own submodules."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module that the table names."""
        location = self._table.get(name) if path is None else None
        if location is None:
            return None
        if not os.path.isdir(location):
            return importlib.util.spec_from_file_location(name, location)
        init = os.path.join(location, "__init__.py")
        if os.path.exists(init):
            return importlib.util.spec_from_file_location(
                name, init, submodule_search_locations=[location]
            )
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [location]
        return spec


def install(packages: Mapping[str, str]) -> list[str]:
    """Restrict imports to the standard library and the given packages.

    Args:
        packages: top-level name to the absolute path of its folder or file.

    Returns:
        Paths that must stay readable.
    """
    table: dict[str, str] = {}
    for folder in [folder for folder in sys.path if os.path.isdir(folder)]:
        for entry in os.scandir(folder):
            if entry.name not in _NOT_LIBRARY:
                table.setdefault(entry.name.partition(".")[0], entry.path)
    table.update(packages)
    sys.path.clear()
    sys.path_importer_cache.clear()
    sys.meta_path.insert(0, TableFinder(table))
    return sorted({*table.values(), *bytecode(table.values())})


def bytecode(paths: Iterable[str]) -> list[str]:
    """Return where compiled single-file modules lie; without them each start compiles anew."""
    return [importlib.util.cache_from_source(path) for path in paths if path.endswith(".py")]
