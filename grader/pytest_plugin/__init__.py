"""Show a submission's findings as pytest items; does nothing unless --grader-submission is given.

Every pytest run of the environment loads this module: it imports nothing but pytest until asked.
"""

from pathlib import Path

import pytest

FEEDBACK = ("full", "counterexample", "category", "score")
SANDBOXES = ("auto", "docker+runsc", "docker", "bubblewrap", "confined")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; all are named --grader-*."""
    group = parser.getgroup("grader", "grade a JAX or Flax nnx submission")
    group.addoption(
        "--grader-submission",
        metavar="FILE",
        help="Grade this .py, .ipynb, .zip or folder; each finding is a test item. Tests are "
        "collected beside it only from paths that are named.",
    )
    group.addoption("--grader-exercise", metavar="NAME", help="Exercise, or path of its folder.")
    group.addoption("--grader-feedback", choices=FEEDBACK, help="How much is shown; default full.")
    group.addoption("--grader-sandbox", choices=SANDBOXES, help="The wall; default auto.")


def pytest_configure(config: pytest.Config) -> None:
    """Register the grading that is asked for.

    Raises:
        pytest.UsageError: an option is given without a submission, or names nothing that exists.
    """
    submission = config.getoption("grader_submission")
    if submission is None:
        options = ("exercise", "feedback", "sandbox")
        alone = [o for o in options if config.getoption(f"grader_{o}") is not None]
        if alone:
            raise pytest.UsageError(f"--grader-{alone[0]} needs --grader-submission FILE")
        return
    # Workers of pytest-xdist are given this option as it is now, and may stand elsewhere.
    config.option.grader_submission = str(config.invocation_params.dir / Path(submission))
    from grader.pytest_plugin.findings import Findings

    config.pluginmanager.register(Findings(config), "grader-findings")
