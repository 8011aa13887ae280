"""Turn one submission into the body of its result, in a process apart."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from grader import apart
from grader.apart import NotGraded
from grader.errors import InvalidSubmission
from grader.platforms import openedx
from grader.text import printable
from grader.xqueue import protocol
from grader.xqueue.protocol import Submission
from grader.xqueue.uploads import Uploads

_TYPED = "submission.py"


class Grading:
    """How submissions are graded.

    Args:
        exercises: what the author of a problem may name, to its name or path here.
        default: exercise where none is named.
        arguments: of `grader grade` for every submission: wall, feedback.
        timeout_s: wall seconds for one grading.
    """

    def __init__(
        self,
        uploads: Uploads,
        exercises: Mapping[str, str],
        default: str,
        arguments: Sequence[str],
        *,
        timeout_s: float,
    ) -> None:
        self._uploads, self._exercises, self._default = uploads, exercises, default
        self._arguments, self._timeout_s = list(arguments), timeout_s

    def reply(self, submission: Submission) -> str:
        """Return the body of put_result.

        Raises:
            NotGraded: there is no grade, through no fault of the student's.
        """
        if submission.problem:
            raise NotGraded(submission.problem)
        exercise = self._exercise_of(submission)
        with tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True) as name:
            try:
                path = self._lay_out(submission, Path(name))
            except InvalidSubmission as error:
                return openedx.refusal(error.message).decode()
            arguments = [str(path), "--exercise", exercise, *self._arguments]
            report = apart.grade(arguments, timeout_s=self._timeout_s)
        platform = openedx.PLATFORM
        document = platform.render(report, platform.circumstances()).document
        if document is None:
            raise NotGraded("the report tells of an error of ours")
        return document.decode()

    def _exercise_of(self, submission: Submission) -> str:
        """Return the exercise: what comes over the network chooses one of ours, never a path."""
        named = protocol.exercise_of(submission)
        if named is None:
            return self._default
        if named not in self._exercises:
            known = ", ".join(self._exercises)
            raise NotGraded(f"grader_payload names {printable(named)}; there are: {known}")
        return self._exercises[named]

    def _lay_out(self, submission: Submission, folder: Path) -> Path:
        """Write what was sent, and return the file or folder to grade."""
        if submission.files:
            self._uploads.fetch(submission.files, folder)
            written = list(folder.iterdir())
            return written[0] if len(written) == 1 else folder
        path = folder / _TYPED
        path.write_bytes(submission.response.encode("utf-8", "surrogatepass"))
        return path
