"""The packed question is one that PrairieLearn's own rules take, as far as they are published."""

import copy
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

TEXT, TRUTH = {"type": "string"}, {"type": "boolean"}
TEXTS = {"type": "array", "items": TEXT}
OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image", "entrypoint"],
    "properties": {
        "enabled": TRUTH,
        "image": TEXT,
        "entrypoint": {"anyOf": [TEXT, TEXTS]},
        "serverFilesCourse": TEXTS,
        "timeout": {"type": "integer", "maximum": 600},
        "enableNetworking": TRUTH,
        "environment": {"type": "object"},
    },
}
UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["uuid", "type", "title", "topic"],
    "properties": {
        "uuid": {"type": "string", "pattern": UUID},
        "type": {"const": "v3"},
        **dict.fromkeys(("title", "topic", "template"), TEXT),
        "tags": TEXTS,
        "gradingMethod": {"enum": ["Internal", "External", "Manual"]},
        **dict.fromkeys(("singleVariant", "showCorrectAnswer", "partialCredit"), TRUTH),
        "externalGradingOptions": OPTIONS,
        "dependencies": {"type": "object"},
        "workspaceOptions": {"type": "object"},
    },
}
"""What infoQuestion.json of PrairieLearn (read on 2026-11-24) says of the fields of a v3 question,
and the longest time that its documentation gives a grader."""

ELEMENTS: dict[str, set[str]] = {
    "pl-question-panel": set(),
    "pl-submission-panel": set(),
    "pl-file-upload": {"file-names"},
    "pl-external-grader-results": set(),
    "pl-file-preview": set(),
    "markdown": set(),
}
"""Elements of PrairieLearn that the question uses, and the attributes that they take here."""

VOID = {"br", "hr", "img", "input"}


class Elements(HTMLParser):
    """Collect elements with attributes; each that is opened must be closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str | None]] = {}
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module", params=["resnet_classifier", "basic_block"])
def question(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a question, unzipped as the documentation says."""
    folder = tmp_path_factory.mktemp("questions")
    command = [sys.executable, "-m", "grader", "package", "--platform", "prairielearn"]
    command += ["--image", "registry.example.org/grading", "-o", str(folder / "question.zip")]
    subprocess.run([*command, "--exercise", request.param], check=True, capture_output=True)
    with zipfile.ZipFile(folder / "question.zip") as archive:
        archive.extractall(folder)
    return folder / str(request.param)


def test_info_follows_the_published_schema(question: Path) -> None:
    info = json.loads((question / "info.json").read_text())
    jsonschema.validate(info, SCHEMA)
    assert info["externalGradingOptions"]["image"] == "registry.example.org/grading"


BREAK: dict[str, Callable[[dict[str, Any]], object]] = {
    "no topic": lambda info: info.pop("topic"),
    "a uuid that is none": lambda info: info.update(uuid="1234"),
    "an unknown field": lambda info: info.update(grading="External"),
    "no entry point": lambda info: info["externalGradingOptions"].pop("entrypoint"),
    "a timeout that is text": lambda info: info["externalGradingOptions"].update(timeout="30"),
    "a timeout too long": lambda info: info["externalGradingOptions"].update(timeout=601),
    "a misspelt option": lambda info: info["externalGradingOptions"].update(network=True),
}


@pytest.mark.parametrize("break_", BREAK.values(), ids=BREAK)
def test_the_schema_refuses(break_: Callable[[dict[str, Any]], object], question: Path) -> None:
    info = copy.deepcopy(json.loads((question / "info.json").read_text()))
    break_(info)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(info, SCHEMA)


def test_the_page_uses_known_elements_and_asks_for_the_file_that_is_graded(question: Path) -> None:
    page = Elements()
    text = (question / "question.html").read_text()
    page.feed(text)
    page.close()
    assert page.open == []
    ours = {tag: set(a) for tag, a in page.found.items() if tag.startswith(("pl-", "markdown"))}
    assert ours == ELEMENTS
    assert page.found["pl-file-upload"]["file-names"] == "submission.py"
    assert "{{" not in text  # Mustache, which PrairieLearn runs


def test_tests_hold_the_settings_and_no_answers(question: Path) -> None:
    names = {path.name for path in (question / "tests").rglob("*") if path.is_file()}
    assert names == {"grading.toml"}
