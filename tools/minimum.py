"""Print the oldest versions that pyproject.toml declares as constraints, or verify them."""

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path


def minimums(text: str) -> list[str]:
    """Return "name==version" for every "name>=version" of the project and its extras."""
    project = tomllib.loads(text)["project"]
    extras = project.get("optional-dependencies", {}).values()
    wanted = [*project["dependencies"], *(item for extra in extras for item in extra)]
    pinned = []
    for requirement in wanted:
        if requirement.startswith(f"{project['name']}["):
            continue  # extras of our own, which are read anyway
        match = re.match(r"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?>=([0-9][0-9.]*)", requirement)
        if match is None:
            raise SystemExit(f"{requirement}: declare a minimum version as name>=version")
        pinned.append(f"{match[1]}=={match[2]}")  # a constraint names no extras
    return list(dict.fromkeys(pinned))


def same_release(left: str, right: str) -> bool:
    """Whether two versions are the same release: 8.4 and 8.4.0 are."""
    return left.removesuffix(".0") == right.removesuffix(".0")


def verify(lines: list[str]) -> None:
    """Fail unless exactly the pinned versions are installed."""
    for line in lines:
        name, _, wanted = line.partition("==")
        if not same_release(version(name), wanted):
            raise SystemExit(f"{name} is {version(name)}, not the declared minimum {wanted}")


if __name__ == "__main__":
    if sys.argv[1] == "--verify":
        verify(Path(sys.argv[2]).read_text().split())
    else:
        print("\n".join(minimums(Path(sys.argv[1]).read_text())))
