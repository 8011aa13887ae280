"""Find the files of an exercise's folder that are missing or cannot be read."""

from pathlib import Path

from grader.errors import UsageError

_NEEDED = ("exercise.py", "solution.py", "exact.py", "strategy.py", "statement.md")


def refuse_unreadable(folder: Path) -> None:
    """Make sure that the files that every exercise needs are there, and are what they should be.

    Raises:
        UsageError: one is missing, is not UTF-8 or is no Python; the text names it.
    """
    for name in _NEEDED:
        path = folder / name
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UsageError(f"{folder} holds no {name}") from None
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not UTF-8: byte {error.start}") from error
        if path.suffix == ".py":
            _refuse_no_python(path, text)


def _refuse_no_python(path: Path, text: str) -> None:
    try:
        compile(text, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise UsageError(f"{path}: line {error.lineno}: SyntaxError: {error.msg}") from None
