"""Watch the plain solution with some of its text replaced, and judge its structure."""

from contextlib import suppress

from conftest import FIXTURES

from grader.errors import SubmissionError
from grader.model import Deadlines, Exercise, Sandbox
from grader.structure.judgement import Judgement
from grader.structure.observed import judge_structure
from grader.structure.static import read_facts

PLAIN = (FIXTURES / "accepted" / "plain" / "submission.py").read_text()
Edits = list[tuple[str, str]]


def judged(edits: Edits, exercise: Exercise, wall: Sandbox) -> dict[str, Judgement]:
    """Return what each criterion says of the plain solution with these edits."""
    source = PLAIN
    for old, new in edits:
        assert old in source
        source = source.replace(old, new)
    arguments = list(exercise.watched.values())
    assert exercise.structure is not None
    logits = None
    with wall.open(Deadlines()) as worker:
        worker.load(source.encode(), exercise.entry)
        seen = worker.inspect(arguments, exercise.structure)
        with suppress(SubmissionError):  # the watched call tells how far it comes
            logits = worker.call(arguments, first=True).array
    return judge_structure(exercise.structure, read_facts(source.encode()), seen, logits)


def failed(edits: Edits, exercise: Exercise, wall: Sandbox) -> dict[str, str]:
    """Return the criteria that the plain solution with these edits does not pass, and why."""
    found = judged(edits, exercise, wall)
    return {name: one.message for name, one in found.items() if one.passed is not True}
