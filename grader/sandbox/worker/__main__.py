"""Start the worker: keep the pipes, lock down, only then load NumPy, JAX and the submission.

Run as `python -I -S -B FOLDER CONFIG`; CONFIG is JSON, see Config in boot.py. The standard library
is all that is loaded before the lock-down: what an auditor must read is this folder.
"""

import importlib.util
import os
import sys

_FOLDER = os.path.dirname(os.path.abspath(__file__))


def _load_package() -> None:
    """Make this folder importable as `worker` without its parent being on the path."""
    spec = importlib.util.spec_from_file_location(
        "worker", os.path.join(_FOLDER, "__init__.py"), submodule_search_locations=[_FOLDER]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["worker"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    _load_package()
    boot = importlib.import_module("worker.boot")
    boot.main(sys.argv.pop())
