"""Share what every grading test needs: the exercise, its oracle, each wall."""

import gc
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import summary
from _pytest.terminal import TerminalReporter
from hypothesis import settings
from processes import PATIENCE_S
from tiny_exercise import fill_in

import reference
from grader.authoring.programs import SETTINGS
from grader.authoring.scaffold import lay_out
from grader.authoring.survey import Survey
from grader.authoring.trusted import Trusted
from grader.environment import worker_image
from grader.judge import Judge
from grader.model import Deadlines, Exercise, Report, Sandbox, Submission
from grader.oracle import Oracle
from grader.questions import Questions, pose
from grader.rehearsal import steps
from grader.runtime import compile_cache
from grader.sandbox.choice import FORKING, LAUNCHERS, choose
from grader.sandbox.forking import Forking
from grader.sandbox.setup import Setup
from grader.sandbox.warm import WarmForking

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures" / "resnet_classifier"
CACHE = Path(os.environ.get("GRADER_CACHE", ROOT / ".cache")).absolute()
WORKER_IMAGE = worker_image()

settings.register_profile("tests", deadline=None, derandomize=True, database=None)
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-walls",
        action="store_true",
        help="put every hostile submission through containers too, not only a choice of them",
    )


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    summary.write(terminalreporter)


IMAGE_VARIABLE = "GRADER_WORKER_IMAGE"


@pytest.fixture(scope="session", autouse=True)
def bare_machine() -> Iterator[None]:
    """Have `auto`, here and in every process that a test starts, mean the bare machine.

    An image that lies on the machine would otherwise decide which wall grades, and how slowly.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(IMAGE_VARIABLE, "no-image-of-that-name")
        yield


def deadlines_of(seconds: float) -> property:
    """Return deadlines that take the place of the product's."""
    return property(lambda questions: Deadlines(first_s=seconds, repeat_s=seconds))


@pytest.fixture(scope="session", autouse=True)
def unhurried() -> Iterator[None]:
    """Give what is judged in this process its time: no verdict here tells of a busy machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Questions, "deadlines", deadlines_of(PATIENCE_S))
        yield


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this test, and the processes that it starts, find the image of workers again."""
    monkeypatch.setenv(IMAGE_VARIABLE, WORKER_IMAGE)


@pytest.fixture(scope="session")
def exercise() -> Exercise:
    return reference.load(reference.DEFAULT)


@pytest.fixture(scope="session")
def oracle(exercise: Exercise) -> Iterator[Oracle]:
    with Oracle(exercise, CACHE) as opened:
        yield opened


@pytest.fixture
def fresh_answers(tmp_path: Path) -> Path:
    """A cache that knows no answer, with the programs that all tests have compiled."""
    folder, compiled = tmp_path / "answers", compile_cache(CACHE).parent
    compiled.mkdir(parents=True, exist_ok=True)
    folder.mkdir()
    (folder / compiled.name).symlink_to(compiled)
    return folder


Kind = tuple[str, str]
"""Launcher, and how workers are started: "fresh" or "forked"."""
KINDS: list[Kind] = [
    *((name, "fresh") for name in LAUNCHERS),
    *((name, "forked") for name in FORKING),
]


def made(kind: Kind, setup: Setup) -> Sandbox:
    """Return a sandbox of a kind; one of containers runs the image that was built."""
    name, start = kind
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(IMAGE_VARIABLE, WORKER_IMAGE)
        return LAUNCHERS[name](setup) if start == "fresh" else Forking(FORKING[name](setup), setup)


def kind_of(sandbox: Sandbox) -> Kind:
    return sandbox.name, "forked" if isinstance(sandbox, Forking) else "fresh"


WALLS = ExitStack()
"""Closes every wall that was opened once for all tests: a template stands until then."""


@pytest.fixture(scope="session", autouse=True)
def walls_closed() -> Iterator[None]:
    with WALLS:
        yield


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Find what a module left open before it ends; later it would be another test's failure."""
    yield
    gc.collect()


@cache
def sandbox_called(name: str, start: str = "fresh") -> Sandbox:
    """Return a sandbox; where it cannot work the test skips on a laptop and fails in CI."""
    setup = Setup(compile_cache(CACHE), secrets=(CACHE / "expected.sqlite",))
    sandbox = made((name, start), setup)
    WALLS.callback(sandbox.close)
    problem = sandbox.problem()
    if problem is not None and os.environ.get("CI") == "true":
        pytest.fail(f"{name}: {problem}")
    if problem is not None:
        pytest.skip(f"{name}: {problem}")
    if start == "fresh":
        sandbox.close()  # what its preflight leaves waiting is no test's to count
    return sandbox


@pytest.fixture(scope="session", params=KINDS, ids="-".join)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    found = sandbox_called(*request.param)
    yield found
    found.close()


def warm_wall(exercise: Exercise, oracle: Oracle, cases: int) -> WarmForking:  # type: ignore[type-arg]
    """Return a wall whose workers are forked with what this many cases need compiled.

    It wants to be closed.
    """
    sandbox_called("bubblewrap", "forked")  # skips, or fails, where it cannot work
    asked = pose(exercise, oracle, exercise.default_seed, cases).suite.cases
    rehearsal = tuple(steps(exercise, oracle, asked))
    for step in rehearsal:
        oracle.rehearse(step)
    secrets = (CACHE / "expected.sqlite",)
    setup = Setup(compile_cache(CACHE), secrets, rehearsal)
    chosen = choose("bubblewrap", setup, workers="fork")
    assert isinstance(chosen, WarmForking)
    return chosen


@pytest.fixture(scope="session")
def bubblewrap() -> Sandbox:
    return sandbox_called("bubblewrap")


@pytest.fixture(scope="session")
def forked() -> Sandbox:
    """For tests about no wall: a fresh worker spends 1 to 2 CPU s more, on imports."""
    return sandbox_called("bubblewrap", "forked")


@pytest.fixture(scope="session")
def judge(exercise: Exercise, forked: Sandbox, oracle: Oracle) -> Judge:
    return Judge(exercise, forked, oracle)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small exercise in a folder of its own, far from reference/."""
    folder = lay_out("tiny_layer", tmp_path_factory.mktemp("exercises"))
    fill_in(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Exercise:
    return reference.load(str(tiny_folder))


@pytest.fixture(scope="session")
def survey_of() -> Callable[[Exercise], Survey]:  # type: ignore[type-arg]
    """Make a survey of an exercise: variants in trusted processes, fixtures in forked workers."""

    def make(exercise: Exercise) -> Survey:  # type: ignore[type-arg]
        trusted = {name: Trusted(CACHE, settings) for name, settings in SETTINGS.items()}
        return Survey(exercise, trusted, sandbox_called("bubblewrap", "forked"), jobs=2)

    return make


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium; without one the test skips on a laptop and fails in CI.

    For a module only: while it is open, an event loop of Playwright's runs in this thread, and no
    test can run one of its own.
    """
    chromium = shutil.which("chromium")
    if chromium is None and os.environ.get("CI") == "true":
        pytest.fail("chromium: not installed")
    if chromium is None:
        pytest.skip("chromium: not installed")
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses root otherwise
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=options)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """A page that fails its test when anything is refused, raised, logged or fetched."""
    complaints: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(1000 * PATIENCE_S)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: complaints.append(request.url))
    yield page
    page.close()
    assert [complaint for complaint in complaints if not complaint.startswith("file:")] == []


def submission(source: str | bytes, name: str = "submission.py") -> Submission:
    """Return a submission of this text."""
    data = source.encode() if isinstance(source, str) else source
    return Submission(name, data, hashlib.sha256(data).hexdigest())


def statuses(report: Report) -> dict[str, str]:
    """Return finding id to status."""
    return {finding.id: finding.status for finding in report.findings}
