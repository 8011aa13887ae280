"""Say how jobs start that really grade."""

import os
from pathlib import Path

import reference
from grader.batch.messages import Start


def to_grade(source: Path, output: Path, sandbox: str) -> Start:
    """Return what a job is told that grades a folder by the default exercise."""
    return Start(
        exercise=reference.DEFAULT,
        sandbox=sandbox,
        workers="auto",
        seed="5",
        cases=24,
        source=os.fsencode(source),
        output=os.fsencode(output),
        feedback="full",
    )
