"""Make test items of a rubric, and tell pytest how each finding came out."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from grader.apart import NotGraded
from grader.errors import UsageError
from grader.pytest_plugin.grading import Grading
from grader.text import printable

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

    from grader.model import Exercise, Finding, Report

_SHARED = "grader_shared_folder"
_TEXT_LIMIT = 2_000
_NAME_LIMIT = 100
_SCORE = ("score", "Score")


class FindingFailed(Exception):
    """A finding of the submission failed; the text is what the student reads."""


class Findings:
    """What pytest is told about one submission.

    Raises:
        pytest.UsageError: the submission or the exercise does not exist.
    """

    def __init__(self, config: pytest.Config) -> None:
        options = config.option
        self._path = Path(options.grader_submission)
        self._exercise = _existing(self._path, options.grader_exercise)
        self._only_score = options.grader_feedback == "score"
        self._folder, self._is_mine = _shared_folder(config)
        self._grading = Grading(_arguments(options), self._folder)
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args = []  # nobody named a path: the current folder may be the student's

    @pytest.hookimpl(tryfirst=True)  # before -k and -m choose among the items
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> None:
        """Add an item for each finding."""
        name = printable(self._path.name, _NAME_LIMIT)
        node = SubmissionNode.from_parent(session, name=name, nodeid=name, owner=self)
        items.extend(session.genitems(node))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Let a worker of pytest-xdist share this grading."""
        node.workerinput[_SHARED] = str(self._folder)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the score and what the mistake most likely is."""
        try:
            report = self._grading.report_if_made()
        except NotGraded:
            return
        if report is not None:
            terminalreporter.section("grader")
            for line in _summary(report):
                terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        """Remove the report."""
        if self._is_mine:
            shutil.rmtree(self._folder, ignore_errors=True)

    def criteria(self) -> list[tuple[str, str]]:
        """Return id and title of each finding that the feedback shows."""
        if self._only_score:
            return [_SCORE]
        return [(criterion.id, criterion.title) for criterion in self._exercise.rubric]

    def finding(self, name: str) -> "Finding":
        """Return a finding by its id.

        Raises:
            NotGraded: the grader failed.
        """
        report = self._grading.report()
        found = [_score(report)] if self._only_score else report.findings
        for finding in found:
            if finding.id == name:
                return finding
        raise NotGraded(f"The report holds no finding {name}. This is not the student's fault.")


class SubmissionNode(pytest.Collector):
    """The submission: parent of its findings."""

    def __init__(self, *, owner: Findings, **rest: Any) -> None:
        super().__init__(**rest)
        self._owner = owner

    def collect(self) -> Iterator[pytest.Item]:
        """Make an item for each finding; nothing is graded until one of them runs."""
        for name, title in self._owner.criteria():
            yield FindingItem.from_parent(self, name=name, title=title, owner=self._owner)


class FindingItem(pytest.Item):
    """One finding: passed, failed with its sentence, skipped, or an error that is ours."""

    def __init__(self, *, title: str, owner: Findings, **rest: Any) -> None:
        super().__init__(**rest)
        self._title, self._owner = title, owner
        self._finding: Finding | None = None
        self.extra_keyword_matches.add(title)  # so that -k finds words of the title

    def setup(self) -> None:
        """Grade, or wait for whoever does: what fails here is an error, never a failure."""
        try:
            finding = self._finding = self._owner.finding(self.name)
        except NotGraded as error:
            pytest.fail(str(error), pytrace=False)  # in a setup that is an error
        self.user_properties += [
            ("title", printable(finding.title, _TEXT_LIMIT)),
            ("points", finding.points),
            ("max_points", finding.max_points),
        ]

    def runtest(self) -> None:
        """Tell how the finding came out."""
        assert self._finding is not None
        message = printable(self._finding.message, _TEXT_LIMIT)
        if self._finding.status == "failed":
            raise FindingFailed(message or printable(self._finding.title, _TEXT_LIMIT))
        if self._finding.status == "skipped":
            pytest.skip(message or "Not judged.")
        if message:
            self.add_report_section("call", "grader", message)

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **options: Any
    ) -> "str | TerminalRepr":
        """Show the sentence alone: a traceback through this plugin teaches nobody."""
        if isinstance(excinfo.value, FindingFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **options)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return what heads the item's failure."""
        return self.path, None, self._title


def _existing(path: Path, exercise: str | None) -> "Exercise":
    """Return the exercise; refuse names of nothing before anything runs."""
    import reference

    if not path.exists():
        raise pytest.UsageError(f"--grader-submission: {path} does not exist")
    try:
        return reference.load(exercise or reference.DEFAULT)
    except UsageError as error:
        raise pytest.UsageError(f"--grader-exercise: {error}") from None


def _shared_folder(config: pytest.Config) -> tuple[Path, bool]:
    """Return the run's folder, and whether this process made it and is to remove it."""
    given = getattr(config, "workerinput", {}).get(_SHARED)
    if given is not None:
        return Path(given), False
    return Path(tempfile.mkdtemp(prefix="grader-pytest-")), True


def _arguments(options: Any) -> list[str]:
    """Return the arguments of `grader grade` for these options: a student's view."""
    arguments = [options.grader_submission, "--view", "student"]
    arguments += ["--feedback", options.grader_feedback or "full"]
    arguments += ["--sandbox", options.grader_sandbox or "auto"]
    if options.grader_exercise is not None:
        arguments += ["--exercise", options.grader_exercise]
    return arguments


def _score(report: "Report") -> "Finding":
    """Return the one finding of a report that shows none, but why a file cannot be read."""
    from grader.model import Finding

    said = f"{report.score} of {report.max_score} points: {report.verdict}"
    return Finding(
        id=_SCORE[0],
        title=_SCORE[1],
        status="passed" if report.verdict == "accepted" else "failed",
        points=report.score,
        max_points=report.max_score,
        message=". ".join([said, *(finding.message for finding in report.findings)]),
    )


def _summary(report: "Report") -> list[str]:
    name, verdict = report.submission.name, report.verdict.replace("_", " ")
    lines = [f"{report.score} of {report.max_score} points: {verdict} ({name})"]
    if report.diagnosis.title:
        lines.append(printable(f"Most likely: {report.diagnosis.title}", _TEXT_LIMIT))
    if report.diagnosis.message:
        lines.append(printable(report.diagnosis.message, _TEXT_LIMIT))
    return lines
