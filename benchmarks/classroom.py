"""Make a class to grade: distinct submissions out of the fixtures, by edits that change no verdict.

    python benchmarks/classroom.py FOLDER [--right 200] [--wrong 200] [--broken 100] [--seed 1]

Right and wrong ones get other names for local variables, another order of imports, another layout,
and comments; hostile and broken ones, which may depend on how they are written, a last comment.
Beside FOLDER lies FOLDER.json: each submission's fixture and the verdicts that it may get.
"""

import argparse
import ast
import json
import random
import tomllib
from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures" / "resnet_classifier"
KINDS = {"right": "accepted", "wrong": "rejected", "broken": "hostile"}
_WORDS = ("alpha", "beta", "gamma", "delta", "omega", "sigma", "theta", "kappa", "zeta", "tau")


class _Renamed(ast.NodeTransformer):
    """Gives the local variables of each function other names."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._names: dict[str, str] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if any(isinstance(inner, ast.Global | ast.Nonlocal) for inner in ast.walk(node)):
            return node
        outer = self._names
        stored = {
            inner.id
            for inner in ast.walk(node)
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
        }
        mine = {name: f"{self._source.choice(_WORDS)}_{name}" for name in sorted(stored)}
        self._names = {**outer, **mine}
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):  # callers may name it
                self._names.pop(argument.arg, None)
        self.generic_visit(node)
        self._names = outer
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self._names.get(node.id, node.id), node.ctx)


def edited(text: str, source: random.Random) -> str:
    """Return a program that does the same and looks different."""
    tree = _Renamed(source).visit(ast.parse(text))
    first = [isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body]
    imports = first.index(False) if False in first else len(first)
    head = tree.body[:imports]
    source.shuffle(head)
    tree.body[:imports] = sorted(head, key=_is_no_future)  # which have to come first
    lines = ast.unparse(ast.fix_missing_locations(tree)).split("\n")
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(lines) + 1)
        before = lines[at - 1] if at else ""
        if not before.rstrip().endswith(("\\", ",", "(")) and '"""' not in "\n".join(lines):
            lines.insert(at, f"# note {source.randrange(10**6)}")
    return f"# submission {source.randrange(10**9)}\n" + "\n".join(lines) + "\n"


def _is_no_future(node: ast.stmt) -> bool:
    return not (isinstance(node, ast.ImportFrom) and node.module == "__future__")


def variant(folder: Path, kind: str, source: random.Random) -> bytes:
    """Return a distinct version of a fixture."""
    data = (folder / "submission.py").read_bytes()
    if kind != "broken":
        return edited(data.decode(), source).encode()
    return (
        data.rstrip(b"\n") + f"\n# {source.randrange(10**9)}\n".encode() if data.strip() else data
    )


def allowed(folder: Path, kind: str) -> list[str]:
    """Return the verdicts that a fixture may get."""
    if kind == "right":
        return ["accepted"]
    found = tomllib.loads((folder / "expected.toml").read_text())["verdict"]
    return [found] if isinstance(found, str) else list(found)


def make(target: Path, counts: dict[str, int], seed: int = 1) -> dict[str, dict[str, object]]:
    """Write a class; return what each submission is.

    Args:
        counts: how many of each kind; fixtures are taken in turn, shuffled.
    """
    source = random.Random(seed)
    target.mkdir(parents=True)
    made: dict[str, dict[str, object]] = {}
    for kind, count in counts.items():
        bank = sorted((FIXTURES / KINDS[kind]).glob("*/expected.toml"))
        source.shuffle(bank)
        for number in range(count):
            folder = bank[number % len(bank)].parent
            name = f"{source.randrange(10**6):06}_{kind}_{number:04}.py"
            (target / name).write_bytes(variant(folder, kind, source))
            made[name] = {"fixture": folder.name, "kind": kind, "allowed": allowed(folder, kind)}
    target.with_name(f"{target.name}.json").write_text(json.dumps(made, indent=1))
    return made


def main() -> None:
    """Write a class."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    for kind, count in (("right", 200), ("wrong", 200), ("broken", 100)):
        parser.add_argument(f"--{kind}", type=int, default=count)
    options = parser.parse_args()
    made = make(options.folder, {kind: getattr(options, kind) for kind in KINDS}, options.seed)
    print(f"{len(made)} submissions in {options.folder}")


if __name__ == "__main__":
    main()
