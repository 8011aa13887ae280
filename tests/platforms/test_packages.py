"""What an instructor uploads holds what the platform expects, and the same bytes each time."""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from grader.platforms import find
from grader.platforms.settings import read

BLOCK = f"{ROOT}/reference/basic_block"


def grader(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def packed(folder: Path, platform: str, *more: object, name: str = "package") -> bytes:
    """Return the bytes of a package."""
    done = grader("package", "--platform", platform, *more, "-o", folder / name)
    assert done.returncode == 0, done.stderr
    return (folder / name).read_bytes()


def packed_twice(folder: Path, platform: str, *more: object) -> bytes:
    """Return the bytes of a package, which are the same each time."""
    first, second = (packed(folder, platform, *more, name=name) for name in ("first", "second"))
    assert first == second
    return first


def unzipped(data: bytes) -> dict[str, tuple[bytes, int]]:
    """Return name to bytes and permissions."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            entry.filename: (archive.read(entry), entry.external_attr >> 16 & 0o777)
            for entry in archive.infolist()
        }


def untarred(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = {one.name: archive.extractfile(one) for one in archive if one.isfile()}
        return {name: file.read() for name, file in found.items() if file is not None}


def test_gradescope_gets_its_two_scripts_and_a_wheel_of_this_installation(tmp_path: Path) -> None:
    files = unzipped(packed_twice(tmp_path, "gradescope"))
    assert {"setup.sh", "run_autograder", "grading.toml"} <= set(files)
    for name in ("setup.sh", "run_autograder"):
        text, mode = files[name]
        assert text.startswith(b"#!/")
        assert mode == 0o755
        assert b"$WHEEL" not in text
        assert b"\r" not in text
        assert subprocess.run(["bash", "-n"], input=text, check=False).returncode == 0
    (name,) = [one for one in files if one.endswith(".whl")]
    assert name.encode() in files["setup.sh"][0]
    assert b"bin/grader warm resnet_classifier" in files["setup.sh"][0]


def test_the_wheel_installs_and_runs_what_is_installed_here(tmp_path: Path) -> None:
    files = unzipped(packed(tmp_path, "gradescope"))
    (name,) = [one for one in files if one.endswith(".whl")]
    (tmp_path / name).write_bytes(files[name][0])
    into = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    # pip holds every file against the wheel's own list of digests
    subprocess.run([*pip, "--target", into, tmp_path / name], check=True)
    code = "import grader, reference; print(grader.__file__, reference.load('basic_block').digest)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": str(into)},
        capture_output=True,
        text=True,
        check=True,
    )
    import reference

    where, digest = done.stdout.split()
    assert where.startswith(str(into))
    assert digest == reference.load("basic_block").digest
    assert (into / "bin" / "grader").exists()
    (licence,) = into.glob("nnx_grader-*.dist-info/licenses/LICENSE")
    assert licence.read_text() == (ROOT / "LICENSE").read_text()


def test_an_exercise_of_ones_own_goes_along(tmp_path: Path) -> None:
    own = tmp_path / "my_block"
    subprocess.run(["cp", "-r", BLOCK, own], check=True)
    settings = tmp_path / "grading.toml"
    settings.write_text("feedback = 'category'\n[gradescope]\nleaderboard = true\npoints = 20\n")
    more = ("--exercise", own, "--settings", settings)
    files = unzipped(packed_twice(tmp_path, "gradescope", *more))
    assert "my_block/solution.py" in files
    assert not [name for name in files if "/fixtures/" in name or "__pycache__" in name]
    assert b"bin/grader warm ./my_block" in files["setup.sh"][0]
    (tmp_path / "sent.toml").write_bytes(files["grading.toml"][0])
    found = read(tmp_path / "sent.toml", find("gradescope"))
    assert found.exercise == str(own)
    assert (found.feedback, found.options["leaderboard"]) == ("category", True)
    assert found.options["points"] == 20


def test_an_image_is_built_from_the_grading_image(tmp_path: Path) -> None:
    more = ("--image", "example/grading:1", "--exercise", BLOCK)
    files = unzipped(packed(tmp_path, "coursera", *more))
    dockerfile = files["Dockerfile"][0].decode()
    assert "FROM example/grading:1\n" in dockerfile
    assert "COPY source /grader\n" in dockerfile
    assert "RUN grader warm /grader/basic_block\n" in dockerfile
    assert tomllib.loads(files["source/grading.toml"][0].decode())["exercise"] == "./basic_block"


def test_an_image_for_gradescope_is_what_its_zip_holds_on_its_own_base(tmp_path: Path) -> None:
    (tmp_path / "zip").mkdir()
    usual = unzipped(packed(tmp_path / "zip", "gradescope", "--exercise", BLOCK))
    image = unzipped(packed_twice(tmp_path, "gradescope", "--exercise", BLOCK, "--form", "image"))
    dockerfile = image.pop("Dockerfile")[0].decode()
    assert {name.removeprefix("source/"): file for name, file in image.items()} == usual
    assert "ARG BASE=gradescope/autograder-base" in dockerfile
    assert "\nFROM $BASE\n" in dockerfile
    assert "\nCMD" not in dockerfile and "ENTRYPOINT" not in dockerfile


def test_an_image_for_autolab_has_all_that_its_driver_calls(tmp_path: Path) -> None:
    files = unzipped(packed_twice(tmp_path, "autolab", "--form", "image"))
    dockerfile = files["Dockerfile"][0].decode()
    (installed,) = [line for line in dockerfile.splitlines() if "apt-get install" in line]
    assert {"make", "procps"} <= set(installed.split())  # /usr/bin/make and /usr/bin/pkill
    assert "make -C" not in dockerfile  # Tango's Makefile calls sudo


def test_coursera_gets_a_dockerfile_with_its_entry_point_and_its_parts(tmp_path: Path) -> None:
    settings = tmp_path / "grading.toml"
    settings.write_text(f'[coursera.parts]\nabc = "basic_block"\nxyz = "{BLOCK}"\n')
    files = unzipped(packed_twice(tmp_path, "coursera", "--settings", settings))
    dockerfile = files["Dockerfile"][0].decode()
    assert 'ENTRYPOINT ["/usr/local/bin/grade-on", "coursera"]' in dockerfile
    assert "COPY source /grader\n" in dockerfile
    parts = tomllib.loads(files["source/grading.toml"][0].decode())["coursera"]["parts"]
    assert parts == {"abc": "basic_block", "xyz": "./basic_block"}
    assert "source/basic_block/exercise.py" in files


def test_prairielearn_gets_a_question(tmp_path: Path) -> None:
    files = unzipped(packed_twice(tmp_path, "prairielearn", "--image", "example/grading"))
    info = json.loads(files["resnet_classifier/info.json"][0])
    options = info["externalGradingOptions"]
    assert info["gradingMethod"] == "External"
    assert (options["image"], options["timeout"]) == ("example/grading", 30)
    assert options["entrypoint"] == "/usr/local/bin/grade-on prairielearn"
    question = files["resnet_classifier/question.html"][0].decode()
    assert "ResNetClassifier" in question
    assert 'file-names="submission.py"' in question
    assert "{{" not in question


def test_autolab_gets_an_assessment_whose_makefile_prints_nothing_else(tmp_path: Path) -> None:
    files = untarred(packed_twice(tmp_path, "autolab"))
    assert set(files) == {
        f"resnetclassifier/{name}"
        for name in (
            *("resnetclassifier.yml", "resnetclassifier.rb"),
            *("autograde-Makefile", "autograde.tar"),
        )
    }
    makefile = files["resnetclassifier/autograde-Makefile"].decode()
    recipe = [line for line in makefile.splitlines() if line.startswith("\t")]
    assert all(line.startswith("\t@") for line in recipe)
    assert 'name: "autograded"' in files["resnetclassifier/resnetclassifier.yml"].decode()
    assert "image: nnx_autolab\n" in files["resnetclassifier/resnetclassifier.yml"].decode()
    assert set(untarred(files["resnetclassifier/autograde.tar"])) == {"autograde/grading.toml"}


def test_a_name_outside_the_basic_plane_is_read_as_it_was_written(tmp_path: Path) -> None:
    settings = tmp_path / "grading.toml"
    settings.write_text("[autolab]\nproblem = 'Übung 🚀 \u2028\"'\n", encoding="utf-8")
    files = untarred(packed(tmp_path, "autolab", "--settings", settings))
    told = tomllib.loads(untarred(files["resnetclassifier/autograde.tar"])[SETTINGS].decode())
    (problem,) = yaml.safe_load(files["resnetclassifier/resnetclassifier.yml"])["problems"]
    assert told["autolab"]["problem"] == problem["name"] == 'Übung 🚀 \u2028"'


SETTINGS = "autograde/grading.toml"


def test_a_folder_may_have_a_blank_in_its_name(tmp_path: Path) -> None:
    own = tmp_path / "my block"
    subprocess.run(["cp", "-r", BLOCK, own], check=True)
    script = unzipped(packed(tmp_path, "gradescope", "--exercise", own))["setup.sh"][0].decode()
    (line,) = [line for line in script.splitlines() if "grader warm" in line]
    assert shlex.split(line)[1:] == ["warm", "./my block"]
    dockerfile = unzipped(packed(tmp_path, "coursera", "--exercise", own))["Dockerfile"][0].decode()
    (line,) = [line for line in dockerfile.splitlines() if "grader warm" in line]
    assert shlex.split(line)[2:] == ["warm", "/grader/my block"]


def test_a_long_name_is_packed_and_one_that_is_no_text_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "own"
    subprocess.run(["cp", "-r", BLOCK, own], check=True)
    long = "x" * 150
    (own / f"{long}.md").write_text("a")
    files = untarred(packed_twice(tmp_path, "autolab", "--exercise", own))
    (inner,) = [data for name, data in files.items() if name.endswith("/autograde.tar")]
    assert untarred(inner)[f"autograde/own/{long}.md"] == b"a"
    (own / "b\udcff.md").write_text("b")
    done = grader("package", "--platform", "gradescope", "--exercise", own)
    assert (done.returncode, "no archive can hold 'b\\udcff.md'" in done.stderr) == (2, True)


def test_a_folder_whose_own_name_is_no_text_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "b\udcff"
    subprocess.run(["cp", "-r", BLOCK, own], check=True)
    done = grader("package", "--platform", "gradescope", "--exercise", own)
    assert (done.returncode, f"the path {str(own)!r} is no text" in done.stderr) == (2, True)


@pytest.mark.parametrize("written", ["own/", "./own", "own/../own", "../own"])
def test_one_folder_is_one_exercise_however_it_is_written(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["cp", "-r", BLOCK, tmp_path / "own"], check=True)
    (tmp_path / "grading.toml").write_text('[coursera.parts]\nabc = "./own"\n')
    monkeypatch.chdir(tmp_path / "own" if written == "../own" else tmp_path)
    more = ("--settings", tmp_path / "grading.toml", "--exercise", written)
    assert "source/own/exercise.py" in unzipped(packed(tmp_path, "coursera", *more))


@pytest.mark.parametrize("platform", ["autolab", "prairielearn"])
def test_an_exercise_that_names_no_file_asks_for_the_usual_one(
    platform: str, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    subprocess.run(["cp", "-r", BLOCK, own], check=True)
    text = (own / "exercise.py").read_text()
    (own / "exercise.py").write_text(re.sub("file_names=.*", "file_names=(),", text))
    data = packed(tmp_path, platform, "--exercise", own)
    if platform == "autolab":
        said = untarred(data)["basicblock/basicblock.yml"].decode()
        assert yaml.safe_load(said)["general"]["handin_filename"] == "submission.py"
    else:
        assert (
            'file-names="submission.py"' in unzipped(data)["basic_block/question.html"][0].decode()
        )


@pytest.mark.parametrize("name", ["notes.md", "examples.json"])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    own = tmp_path / "own"
    subprocess.run(["cp", "-r", BLOCK, own], check=True)
    (own / name).unlink(missing_ok=True)
    (own / name).symlink_to("/proc/self/mem")  # no permission would stop root
    done = grader("package", "--platform", "gradescope", "--exercise", own)
    (said,) = done.stderr.splitlines()
    assert (done.returncode, f"cannot read {own / name}: " in said) == (2, True)


def called(name: str, folder: Path) -> Path:
    """Return the folder of an exercise of this name."""
    own = folder / "own"
    subprocess.run(["cp", "-r", BLOCK, own], check=True)
    text = (own / "exercise.py").read_text()
    (own / "exercise.py").write_text(text.replace('name="basic_block"', f"name={name!r}"))
    assert text != (own / "exercise.py").read_text()
    return own


@pytest.mark.parametrize(("name", "short"), [("Réseau_2", "reseau2"), ("true", "true")])
def test_autolab_gets_a_name_that_ruby_and_yaml_read(name: str, short: str, tmp_path: Path) -> None:
    files = untarred(packed(tmp_path, "autolab", "--exercise", called(name, tmp_path)))
    assert yaml.safe_load(files[f"{short}/{short}.yml"])["general"]["name"] == short
    assert f"module {short.capitalize()}\n" in files[f"{short}/{short}.rb"].decode()


@pytest.mark.parametrize("name", ["課題", "課題a", "2nd_block", "_", "straße"])
def test_a_name_of_which_autolab_would_get_too_little_is_refused(name: str, tmp_path: Path) -> None:
    more = ("--exercise", called(name, tmp_path), "-o", tmp_path)
    done = grader("package", "--platform", "autolab", *more)
    assert (done.returncode, f"module of Ruby's of the name {name!r}" in done.stderr) == (2, True)


@pytest.mark.parametrize("image", ["hub.example.org/nnx", "course/nnx", "nnx:1", "nnx@sha256:0"])
def test_an_image_that_tango_would_not_find_is_refused(image: str, tmp_path: Path) -> None:
    more = ("--image", image, "-o", tmp_path)
    done = grader("package", "--platform", "autolab", *more)
    assert (done.returncode, f"Tango finds no image {image!r}" in done.stderr) == (2, True)
    grading = ("--form", "image")  # that one is the base, which Docker finds anywhere
    assert grader("package", "--platform", "autolab", *grading, *more).returncode == 0


@pytest.mark.parametrize(
    "image", ["ghcr.io/course/nnx", "course/nnx@sha256:0", "nnx@sha256:0", "localhost:5000/nnx"]
)
def test_an_image_that_prairielearn_would_not_find_is_refused(image: str, tmp_path: Path) -> None:
    more = ("--image", image, "-o", tmp_path)
    done = grader("package", "--platform", "prairielearn", *more)
    assert (done.returncode, f"PrairieLearn does not find {image!r}" in done.stderr) == (2, True)
    base = ("--form", "image")
    assert grader("package", "--platform", "prairielearn", *base, *more).returncode == 0


@pytest.mark.parametrize("image", ["nnx", "nnx:1", "course/nnx", "course/nnx-grading:1.2_x"])
def test_prairielearn_takes_the_names_of_docker_hub(image: str, tmp_path: Path) -> None:
    done = grader("package", "--platform", "prairielearn", "--image", image, "-o", tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("problem", ["Part 1: x", ""])
def test_a_problem_that_autolab_would_not_find_is_refused(problem: str, tmp_path: Path) -> None:
    settings = tmp_path / "grading.toml"
    settings.write_text(f"[autolab]\nproblem = '{problem}'\n")
    done = grader("package", "--platform", "autolab", "--settings", settings)
    assert (done.returncode, f"problem cannot be {problem!r}" in done.stderr) == (2, True)


@pytest.mark.parametrize(("budget_s", "waits"), [(5, 180), (150, 180), (300.5, 331), (869, 899)])
def test_autolab_waits_longer_than_the_budget(budget_s: float, waits: int, tmp_path: Path) -> None:
    more = ("--settings", budgeted(tmp_path, budget_s))
    text = untarred(packed(tmp_path, "autolab", *more))["resnetclassifier/resnetclassifier.yml"]
    assert yaml.safe_load(text)["autograder"]["autograde_timeout"] == waits


@pytest.mark.parametrize(("budget_s", "waits"), [(26, 30), (55, 59), (596, 600)])
def test_prairielearn_waits_longer_than_the_budget(
    budget_s: float, waits: int, tmp_path: Path
) -> None:
    more = ("--settings", budgeted(tmp_path, budget_s))
    text = unzipped(packed(tmp_path, "prairielearn", *more))["resnet_classifier/info.json"][0]
    assert json.loads(text)["externalGradingOptions"]["timeout"] == waits


@pytest.mark.parametrize(("name", "budget_s"), [("prairielearn", 596.5), ("autolab", 870)])
def test_a_budget_that_a_platform_does_not_wait_for_is_refused(
    name: str, budget_s: float, tmp_path: Path
) -> None:
    done = grader("package", "--platform", name, "--settings", budgeted(tmp_path, budget_s))
    assert (done.returncode, "budget_s can be " in done.stderr) == (2, True)


def budgeted(folder: Path, budget_s: float) -> Path:
    settings = folder / "grading.toml"
    settings.write_text(f"budget_s = {budget_s}\n")
    return settings


@pytest.mark.parametrize("text", [None, b"\xff"])
def test_a_question_needs_its_text(text: bytes | None, tmp_path: Path) -> None:
    own = tmp_path / "my_block"
    subprocess.run(["cp", "-r", BLOCK, own], check=True)
    (own / "statement.md").unlink()
    if text is not None:
        (own / "statement.md").write_bytes(text)
    done = grader("package", "--platform", "prairielearn", "--exercise", own)
    assert (done.returncode, "statement.md, the question's text" in done.stderr) == (2, True)


def test_a_statement_with_a_blank_is_not_packed(tmp_path: Path) -> None:
    own = tmp_path / "my_block"
    shutil.copytree(BLOCK, own)
    with (own / "statement.md").open("a") as statement:
        statement.write("## Pitfalls\nBLANK: the mistakes that you expect\n")
    done = grader("package", "--platform", "prairielearn", "--exercise", own, "-o", tmp_path)
    assert (done.returncode, "blanks to fill in: statement.md:" in done.stderr) == (2, True)


def test_a_finding_that_no_exercise_has_cannot_be_held_back(tmp_path: Path) -> None:
    settings = tmp_path / "grading.toml"
    settings.write_text("[gradescope]\nafter_published = ['valeus']\n")
    done = grader("package", "--platform", "gradescope", "--settings", settings)
    assert done.returncode == 2
    assert "no finding is called 'valeus'" in done.stderr and "values" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--platform", "github"), "takes no package; there are: gradescope"),
        (("--platform", "coursera", "--form", "pip"), "has no form 'pip': image"),
        (("--platform", "autolab", "--image", "a" * 65), "Tango finds no image 'aaa"),
        (("--platform", "gradescope", "--exercise", "nothing"), "no exercise is called"),
        (("--platform", "gradescope", "--settings", "no.toml"), "no.toml"),
        (("--platform", "coursera", "--image", ""), "no image can be called ''"),
        (("--platform", "autolab", "--image", "a; reboot"), "can be called 'a; reboot'"),
        (("--platform", "coursera", "-o", "/no/such/folder/x"), "/no/such/folder/x"),
    ],
)
def test_what_cannot_be_packed_is_named(arguments: tuple[str, ...], said: str) -> None:
    done = grader("package", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
