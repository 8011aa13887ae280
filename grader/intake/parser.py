"""Parse one Python source in a process of its own: `python -I -S -W ignore parser.py < source`.

The judge starts this file before it parses a submission itself, because CPython's parser can be
made to take the process with it. Measured with CPython 3.11.7 on 256 KiB of source (November 2026):
`import a.a.a...` asks for gigabytes (every prefix of the name is kept), 80,000 fields in one
f-string take 5 s, and 10,000 nested operators overrun the stack where it is 512 KiB, or 8 MiB when
the recursion limit was raised. Source that passes is safe to parse, and shallow enough to walk.

The only output is one JSON object: {}, {"too_deep": true} or
{"error": ..., "line": ..., "text": ...}.
"""

import ast
import json
import resource
import sys

CPU_S = 3  # 256 KiB of the densest source measured 1 s
MEMORY_BYTES = 512 << 20  # 256 KiB of the densest source measured 390 MiB
MAX_DEPTH = 100  # the deepest of 2,700 modules of the standard library, JAX and Flax has 33


def examine(source: bytes) -> dict[str, object]:
    """Return what is wrong with a source, or nothing.

    Args:
        source: as read from the file; an encoding declared in it is honoured.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return {"error": error.msg, "line": error.lineno, "text": (error.text or "")[:500]}
    except (RecursionError, MemoryError):
        return {"too_deep": True}
    except ValueError as error:
        return {"error": str(error)}
    return {"too_deep": True} if deeper_than(MAX_DEPTH, tree) else {}


def deeper_than(limit: int, tree: ast.AST) -> bool:
    """Return whether a tree has more than `limit` levels, without recursion."""
    level: list[ast.AST] = [tree]
    for _ in range(limit):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return False
    return True


def main() -> None:
    """Lower this process's own limits, then examine standard input."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_CPU, CPU_S)
    _lower(resource.RLIMIT_AS, MEMORY_BYTES)
    json.dump(examine(sys.stdin.buffer.read()), sys.stdout)


def _lower(limit: int, wanted: int) -> None:
    """Set a soft limit, unless the hard limit that was inherited is lower already."""
    hard = resource.getrlimit(limit)[1]
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(limit, (soft, hard))


if __name__ == "__main__":
    main()
