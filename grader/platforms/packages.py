"""Pack what an instructor uploads to a platform: one file, the same bytes for the same course."""

import json
import math
import re
import unicodedata
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shlex import quote
from string import Template

from grader.errors import UsageError
from grader.platforms import image_names
from grader.platforms.archives import File, tarred, zipped
from grader.platforms.autolab import unquoted
from grader.platforms.course import Course, Files, name_in_package, quoted, source_files
from grader.platforms.platform import Platform
from grader.platforms.wheel import wheel

TEMPLATES = Path(__file__).parent / "templates"
_AUTOLAB_TIMEOUTS_S = 180, 899
"""What an assessment starts with, and the most. Source: Autolab's app/models/autograder.rb (read in
2026)."""
_PRAIRIELEARN_TIMEOUTS_S = 30, 600
"""The default, and the most. Source: PrairieLearn's documentation of external grading (read in
2026)."""


@dataclass(frozen=True)
class Form:
    """One way of packing.

    Attributes:
        suffix: of the file to upload.
        image: what the grading image is called where no name is given.
        make: return its files, by name.
        write: turn them into one.
    """

    suffix: str
    make: Callable[[Course], Files]
    write: Callable[[Mapping[str, File]], bytes]
    image: str = "nnx-grader-grading"


def form_of(platform: Platform, named: str) -> Form:
    """Return a platform's form by its name; by "" the usual one.

    Raises:
        UsageError: this platform is not packed, or not in this form.
    """
    forms = FORMS.get(platform.name)
    if forms is None:
        raise UsageError(f"{platform.title} takes no package; there are: {', '.join(FORMS)}")
    form = forms.get(named or next(iter(forms)))
    if form is None:
        raise UsageError(f"{platform.title} has no form {named!r}: {', '.join(forms)}")
    return form


def pack(course: Course, form: Form) -> tuple[str, bytes]:
    """Return the name and the bytes of the file to upload.

    Raises:
        UsageError: the image, the exercise or its settings are none that the platform would take.
    """
    image_names.refuse_what_is_none(course.image)
    _refuse_unknown_findings(course)
    name = f"{course.first.name}-{course.platform.name}{form.suffix}"
    return name, form.write(form.make(course))


def _refuse_unknown_findings(course: Course) -> None:
    """Refuse a finding that no exercise has: misspelt, it would not be held back."""
    known = {one.id: None for exercise in course.exercises.values() for one in exercise.rubric}
    for id in course.settings.options.get("after_published", ()):
        if id not in known:
            raise UsageError(f"after_published: no finding is called {id!r}: {', '.join(known)}")


def _gradescope_pip(course: Course) -> Files:
    name, data = wheel()
    warm = "\n".join(
        f"/opt/nnx-grader/bin/grader warm {quote(name_in_package(named, exercise))}"
        for named, exercise in course.exercises.items()
    )
    return {
        **source_files(course),
        name: File(data),
        "setup.sh": _script("gradescope_setup.sh", WHEEL=f"./{name}", WARM=warm),
        "run_autograder": _script("gradescope_run_autograder"),
    }


def _gradescope_image(course: Course) -> Files:
    """Return the folder of an image to build: what the other form holds, on Gradescope's own base.

    Source: Gradescope's "Manual Docker Configuration" (read in 2026): no other base is taken.
    """
    source = {f"source/{name}": file for name, file in _gradescope_pip(course).items()}
    return {"Dockerfile": File(_text("gradescope_Dockerfile").encode()), **source}


def _image(course: Course) -> Files:
    """Return the folder of an image to build: the grading image with the course's settings."""
    place = PurePosixPath(course.platform.places.settings).parent
    source = str(place) if place.is_absolute() else "/opt/course"  # Autolab sends its own along
    steps = [
        f"RUN grader warm {quote(f'{source}/{exercise.folder.name}')}"
        for named, exercise in course.exercises.items()
        if "/" in named
    ]
    dockerfile = _text(
        "image_Dockerfile",
        TITLE=course.platform.title,
        IMAGE=course.image,
        SOURCE=source,
        STEPS="\n".join([*steps, _text(f"image_steps_{course.platform.name}")]),
    )
    return {
        "Dockerfile": File(dockerfile.rstrip().encode() + b"\n"),
        **{f"source/{name}": file for name, file in source_files(course).items()},
    }


def _timeout_s(course: Course, usual_s: int, most_s: int) -> int:
    """Return how long the platform is to wait: as much above our own budget as it usually is.

    Raises:
        UsageError: it would not wait that long, and leave no result.
    """
    own_s = course.platform.budget_s
    spare_s = usual_s - own_s
    wanted = max(usual_s, math.ceil((course.settings.budget_s or own_s) + spare_s))
    if wanted > most_s:
        raise UsageError(
            f"budget_s can be {most_s - spare_s:g} at most: {course.platform.title} waits {most_s} "
            "s, and starting takes some of them"
        )
    return wanted


def _prairielearn(course: Course) -> Files:
    exercise, name = course.first, course.first.name
    image_names.refuse_for_prairielearn(course.image)
    statement = _statement(exercise.folder / "statement.md")
    info = _text(
        "prairielearn_info.json",
        UUID=str(uuid.uuid5(uuid.NAMESPACE_URL, f"nnx-grader/{name}")),
        TITLE=json.dumps(exercise.title)[1:-1],
        IMAGE=course.image,
        TIMEOUT=str(_timeout_s(course, *_PRAIRIELEARN_TIMEOUTS_S)),
    )
    # PrairieLearn runs elements and Mustache tags wherever they stand in a question.
    text = re.sub(r"<(?=/?(pl-|markdown))", "&lt;", statement)
    text = re.sub(r"\{(?=\{)", "{ ", text)
    question = _text("prairielearn_question.html", STATEMENT=text, FILE=course.file)
    return {
        f"{name}/info.json": File(info.encode()),
        f"{name}/question.html": File(question.encode()),
        **{f"{name}/tests/{path}": file for path, file in source_files(course).items()},
    }


def _statement(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path}, the question's text: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{path}, the question's text, is not UTF-8") from None


def _autolab(course: Course) -> Files:
    exercise, options = course.first, course.settings.options
    name = _assessment_name(exercise.name)
    image_names.refuse_for_tango(course.image)
    if not options["problem"] or unquoted(options["problem"]) != options["problem"]:
        raise UsageError(
            f"problem cannot be {options['problem']!r}: Autolab rewrites a letter or digit before "
            "a colon, so that no score would reach a problem of that name"
        )
    points = options["points"] or sum(one.points for one in exercise.rubric)
    facts = {
        "NAME": name,
        "MODULE": name.capitalize(),
        "TITLE": quoted(exercise.title),
        "FILE": course.file,
        "PROBLEM": quoted(options["problem"]),
        "POINTS": f"{float(points):g}",
        "IMAGE": course.image,
        "TIMEOUT": str(_timeout_s(course, *_AUTOLAB_TIMEOUTS_S)),
    }
    inner = {f"autograde/{path}": file for path, file in source_files(course).items()}
    return {
        f"{name}/{name}.yml": File(_text("autolab_assessment.yml", **facts).encode()),
        f"{name}/{name}.rb": File(_text("autolab_assessment.rb", **facts).encode()),
        f"{name}/autograde-Makefile": File(_text("autolab_Makefile", **facts).encode()),
        f"{name}/autograde.tar": File(tarred(inner)),
    }


def _assessment_name(name: str) -> str:
    """Return what Autolab calls an exercise, a folder and a module of Ruby's; accents are dropped.

    Raises:
        UsageError: too little would be left of it, or of two exercises the same.
    """
    plain = unicodedata.normalize("NFKD", name).lower()
    short = re.sub(r"[^a-z0-9]", "", plain)
    if short[:1].isalpha() and not any(one.isalnum() and not one.isascii() for one in plain):
        return short
    raise UsageError(
        f"Autolab makes a module of Ruby's of the name {name!r}; give the exercise one that begins "
        "with a letter and has no others than a to z"
    )


def _text(template: str, **facts: str) -> str:
    return Template((TEMPLATES / template).read_text(encoding="utf-8")).safe_substitute(facts)


def _script(template: str, **facts: str) -> File:
    return File(_text(template, **facts).encode(), executable=True)


FORMS: Mapping[str, Mapping[str, Form]] = {
    "gradescope": {
        "pip": Form(".zip", _gradescope_pip, zipped),
        "image": Form("-image.zip", _gradescope_image, zipped),
    },
    "prairielearn": {
        "question": Form(".zip", _prairielearn, zipped),
        "image": Form("-image.zip", _image, zipped),
    },
    "coursera": {"image": Form(".zip", _image, zipped)},
    "autolab": {
        # Tango cuts its containers' names at each hyphen after a restart: none by default.
        "assessment": Form(".tar", _autolab, tarred, image="nnx_autolab"),
        "image": Form("-image.zip", _image, zipped),
    },
}
"""Platform to its forms, the usual one first."""
