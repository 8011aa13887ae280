"""What lies in the images, and what does not."""

import ast
import json
import re

import pytest
from built import TARGETS, configuration, digests, files, image, run, secrets_in
from conftest import ROOT

import reference
from grader.sandbox.image import read_description, worker_digest

MIB = 1 << 20
LARGEST = {"worker": 800 * MIB, "grading": 1010 * MIB, "service": 1120 * MIB}
"""Measured: 734, 927 and 1020 MiB. Of that JAX's one shared library has 334."""
PLANTED = r"""
import glob, sys, zlib
from pathlib import Path
sys.path += glob.glob("/opt/nnx-grader/libraries/lib/python3.*/site-packages")
try:
    from zstandard import ZstdDecompressor
    opened = lambda data: ZstdDecompressor().decompress(data, 1 << 28)
except ImportError:
    opened = zlib.decompress
for path in sorted(Path("/opt/nnx-grader/compile").glob("*-cache")):
    sys.stdout.buffer.write(opened(path.read_bytes()))
"""


def names_of_reference() -> set[bytes]:
    """What only somebody who read a reference could write: its files, classes and functions."""
    found = {b"solution.py", b"exact.py", b"oracle", b"/reference/", b"nnx-grader/judge"}
    for name in reference.names():
        folder = reference.load(name).folder
        found |= {name.encode()}
        for path in (folder / "solution.py", folder / "exact.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and len(node.name) > 8:
                    found.add(node.name.encode())
    return found - {b"__init__", b"__call__"}


def test_worker_image_holds_no_file_of_the_judge_the_reference_or_the_fixtures() -> None:
    inside = files("worker")
    judges = digests("grader", "reference", "fixtures")
    ours = digests("grader/sandbox/worker")
    found = {judges[file.sha256]: path for path, file in inside.items() if file.sha256 in judges}
    assert set(found) == set(ours.values()), "the worker's folder, whole, and nothing else"
    assert set(found.values()) == {
        f"inside/opt/nnx-grader/worker/{path.rpartition('/')[2]}" for path in ours.values()
    }


@pytest.mark.parametrize("word", ["reference", "judge", "oracle", "expected", "fixtures"])
def test_worker_image_has_no_path_that_speaks_of_answers(word: str) -> None:
    ours = [path for path in files("worker") if not path.startswith("inside/usr/")]
    libraries = "inside/opt/nnx-grader/libraries/"
    # Others' packages may use the same words; none of ours lies among them.
    said = [path for path in ours if word in path and not path.startswith(libraries)]
    assert said == []
    site = re.compile(r"^inside/opt/nnx-grader/libraries/lib/python3\.\d+/site-packages/([^/]+)")
    packages = {match[1] for match in map(site.match, ours) if match}
    assert {"jax", "flax", "numpy"} <= packages
    assert not {name for name in packages if name.startswith(("grader", "reference", "nnx"))}
    assert not packages & {"hypothesis", "msgspec", "typer", "pip", "setuptools"}


def test_compiled_programs_tell_nothing_of_the_reference() -> None:
    programs = {
        path for path in files("worker") if path.startswith("inside/opt/nnx-grader/compile/")
    }
    kinds = {re.sub(r"-[0-9a-f]{64}.*", "", path.rpartition("/")[2]) for path in programs}
    assert len(programs) > 100
    assert {"jit_conv_general_dilated", "jit_dot_general"} <= kinds
    words = names_of_reference()
    assert not [kind for kind in kinds if kind.encode() in words]
    code = ("--user=0", "--entrypoint=python3")  # nobody else may look for packages
    done = run(image("worker"), "-c", PLANTED, options=code, encoding="latin-1")
    text = done.encode("latin-1")
    assert len(text) > 1 * MIB
    assert {word for word in words if word in text} == set()


def test_worker_image_describes_itself_to_this_judge() -> None:
    code = "print(open('/opt/nnx-grader/worker.json').read())"
    text = run(image("worker"), "-c", code, options=("--entrypoint=python3",))
    found = read_description(text.encode())
    assert found.digest == worker_digest()
    inside = files("worker")
    root = found.own_root.lstrip("/")
    assert {path for path in found.packages.values() if root + path not in inside} == set()
    assert {"jax", "jaxlib", "flax", "numpy", "python"} <= set(found.versions)
    assert not {"msgspec", "hypothesis", "grader", "reference"} & set(found.packages)
    assert found.compile_cache in found.readable
    assert root + json.loads(text)["python"] in inside


def test_worker_image_holds_python_the_libraries_the_worker_and_nothing_else() -> None:
    """No shell, no password file, no package manager, nothing of the base that is not needed."""
    inside = {path: file for path, file in files("worker").items() if not file.is_link}
    by_docker = {"dev", "etc", "proc", "sys", ".dockerenv"}
    assert {path.partition("/")[0] for path in inside} <= {"inside", "tmp", *by_docker}
    roots = {path.split("/")[1] for path in inside if path.startswith("inside/")}
    assert roots <= {"dev", "etc", "facts", "lib", "lib64", "opt", "usr"}
    named = {
        path for path in inside if re.match("inside/(etc|dev|facts|usr/(local/)?s?bin)/", path)
    }
    programs = {
        path for path in named if re.fullmatch(r"inside/usr/(local/)?bin/python3\.\d+", path)
    }
    assert len(programs) == 1
    assert named - programs == {
        *("inside/etc/ld.so.cache", "inside/dev/null", "inside/dev/urandom"),
    }
    ours = {path.split("/")[3] for path in inside if path.startswith("inside/opt/nnx-grader/")}
    assert ours == {"compile", "libraries", "worker", "worker.json"}


def test_only_named_packages_can_be_found_in_the_worker_image() -> None:
    inside = files("worker")
    (site,) = (path for path in inside if path.endswith("/site-packages") and "/opt/" in path)
    closed = ("inside", "inside/dev", "inside/etc", site)
    assert {path: oct(inside[path].mode & 0o777) for path in closed} == dict.fromkeys(
        closed, "0o711"
    )


@pytest.mark.parametrize("target", TARGETS)
def test_no_secret_lies_in_the_image(target: str) -> None:
    assert {path: file.secrets for path, file in files(target).items() if file.secrets} == {}
    private = re.compile(
        r"(^|/)(\.git|\.env|\.netrc|\.pypirc|\.ssh|\.docker|\.aws|id_rsa|id_ed25519)(/|$)"
    )
    assert [path for path in files(target) if private.search(path)] == []


def test_the_search_for_secrets_finds_one() -> None:
    key = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"MIIEow" * 30
    address = b"index-url = https://user:secret@index.example/simple"
    assert secrets_in("etc/ssl/private/a.pem", key) == ["a private key"]
    assert secrets_in("opt/lib/python3.11/site-packages/x.py", key) == ["a private key"]
    assert secrets_in("etc/pip.conf", address) == ["a password in an address"]
    assert secrets_in("etc/pip.conf", b"index-url = https://index.example/simple") == []
    assert secrets_in("opt/a.py", b'"-----BEGIN RSA PRIVATE KEY-----" in text') == []


@pytest.mark.parametrize("target", TARGETS)
def test_no_build_argument_or_variable_is_secret(target: str) -> None:
    known = {
        *("PATH", "LANG", "GPG_KEY", "PYTHON_VERSION", "PYTHON_SHA256"),
        *("GRADER_DATA", "GRADER_HOST", "GRADER_PORT"),
    }
    variables = {text.partition("=")[0] for text in configuration(target)["Config"]["Env"]}
    assert variables <= known


@pytest.mark.parametrize("target", TARGETS)
def test_no_file_lends_its_owners_rights(target: str) -> None:
    lent = [path for path, file in files(target).items() if file.is_file and file.mode & 0o6000]
    assert lent == []


@pytest.mark.parametrize("target", TARGETS)
def test_only_folders_for_passing_files_are_open_to_everyone(target: str) -> None:
    usual = {"tmp", "var/tmp", "run/lock"}
    opened = {
        path: oct(file.mode)
        for path, file in files(target).items()
        if file.mode & 0o002 and not file.is_link and not path.startswith("dev")
    }
    assert set(opened) <= usual, opened
    assert {mode[-4:] for mode in opened.values()} <= {"1777"}


def test_worker_owns_nothing_in_its_image() -> None:
    assert [path for path, file in files("worker").items() if 65534 in (file.uid, file.gid)] == []


@pytest.mark.parametrize("target", ["grading", "service"])
def test_expected_values_are_closed_to_all_but_the_judge(target: str) -> None:
    inside = files(target)
    store, folder = (inside[f"var/cache/nnx-grader{rest}"] for rest in ("/expected.sqlite", ""))
    assert (store.uid, store.gid, oct(store.mode & 0o777)) == (1000, 0, "0o660")
    assert (folder.uid, folder.gid, oct(folder.mode & 0o777)) == (1000, 0, "0o771")
    assert store.size > 1 * MIB, "expected values were computed ahead"
    ours, installed = digests("fixtures", "tests"), digests("grader", "reference")
    held = {file.sha256 for file in inside.values()} & (set(ours) - set(installed))
    assert {ours[digest] for digest in held} == set(), "no submission and no test comes along"


@pytest.mark.parametrize("target", TARGETS)
def test_image_is_small(target: str) -> None:
    size = configuration(target)["Size"]
    assert 200 * MIB < size < LARGEST[target], f"{size / MIB:.0f} MiB"
    assert not [path for path in files(target) if re.search(r"/(apt/lists/.|pip/cache/)", path)]


def test_locked_versions_are_what_is_installed() -> None:
    code = (
        "import json; from importlib.metadata import distributions as d;"
        "print(json.dumps({x.name.lower().replace('_', '-').replace('.', '-'): x.version"
        " for x in d()}))"
    )
    installed = json.loads(run(image("service"), "/opt/nnx-grader/judge/bin/python", "-c", code))
    names = ("worker", "grading", "service")
    locks = [(ROOT / "requirements" / f"{name}.lock").read_text() for name in names]
    pinned = set(re.findall(r"^(\S+)==(\S+)", "".join(locks), re.MULTILINE))
    ours = {"nnx-grader": installed.pop("nnx-grader")}
    assert ours
    assert set(installed.items()) <= pinned
    assert {"jax", "flax", "numpy", "msgspec", "litestar"} <= set(installed)
