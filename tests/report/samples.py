"""Reports built by hand: one of every kind that a renderer must show."""

import msgspec
from sample_parts import EXAMPLE, WRONG, cases, finding, numbers, stage

from grader.model.report import (
    Diagnosis,
    ExerciseName,
    Feedback,
    Image,
    Report,
    Shown,
    Stage,
    SubmissionName,
    SuiteName,
    Usage,
    View,
    Worst,
)


def accepted() -> Report:
    """Everything right: nothing but findings and cases."""
    return Report(
        exercise=ExerciseName(name="small_network", digest="5e" * 32),
        submission=SubmissionName(name="alice.py", sha256="ab" * 32),
        verdict="accepted",
        score=100,
        max_score=100,
        findings=[
            finding("runs", "Imports and runs", "passed", 5, "Every call returned.", line=18),
            finding("values", "Every case within tolerance", "passed", 80, "All 60 cases are."),
            finding("pooling", "Global average pooling", "passed", 15, "Seen on every call."),
            finding("style", "Compiles under jit", "informational", 0, "It does."),
        ],
        counterexample=None,
        diagnosis=Diagnosis(kind="none"),
        stages=[],
        cases=cases(),
        suite=SuiteName(seed="2026", digest="c4" * 32, cases=60, distinct_shapes=41),
        confined_by=["bubblewrap", "landlock", "seccomp"],
        environment={"python": "3.11.9", "jax": "0.10.2", "platform": "Linux x86_64"},
        usage=Usage(wall_s=7.1, worker_cpu_s=4.2, judge_cpu_s=2.3, peak_memory_bytes=412 << 20),
    )


def wrong_answer() -> Report:
    """A wrong answer with everything that can be said about one."""
    return msgspec.structs.replace(
        accepted(),
        submission=SubmissionName(name="bob.py", sha256="cd" * 32),
        verdict="wrong_answer",
        score=29,
        findings=WRONG,
        counterexample=EXAMPLE,
        diagnosis=Diagnosis(
            kind="misconception",
            id="pool_height_only",
            title="The mean is taken over the height alone",
            message="Pooling must reduce both height and width; here only axis 0 is reduced.",
            explained_cases=12,
            first_differing_stage="pooled",
            agrees_before=["stem_conv", "stem_bn", "block1"],
        ),
        stages=[
            stage("stem_conv", True, [2, 2, 4]),
            stage("stem_bn", True, [2, 2, 4], note="momentum 0.9 where the reference has 0.99"),
            stage("block1", None, [2, 2, 4]),
            stage("pooled", False, [4], 0.3),
            stage("head", False, [3], 0.1),
        ],
        cases=cases(failing=[12]),
    )


def wrong_shape() -> Report:
    """A wrong answer whose shape is another."""
    report = wrong_answer()
    return msgspec.structs.replace(
        report,
        counterexample=msgspec.structs.replace(
            EXAMPLE,
            expected=[0.369383],
            expected_shape=[1],
            actual=[0.219504, 0.519263],
            actual_shape=[2],
            worst=None,
        ),
        diagnosis=Diagnosis(kind="none"),
        stages=[
            stage("stem_conv", True, [2, 2, 4]),
            msgspec.structs.replace(
                stage("pooled", False, [4]), actual_shape=[2, 4], actual=numbers([2, 4])
            ),
        ],
        cases=cases(failing=[1], margin="inf"),
    )


def three_axes() -> Report:
    """A wrong answer of height, width and channels, with numbers that are none."""
    report = wrong_answer()
    expected, actual = numbers([7, 5, 3], 1), numbers([7, 5, 3], 1)
    actual[7], actual[40], actual[41] = "nan", "inf", "-inf"
    return msgspec.structs.replace(
        report,
        counterexample=msgspec.structs.replace(
            EXAMPLE,
            arguments={
                "seed": 3.0,
                "x": Image(shape=[7, 5, 3], values=[float(v) for v in numbers([7, 5, 3], 2)]),
            },
            expected=[float(value) for value in expected],
            expected_shape=[7, 5, 3],
            actual=actual,
            actual_shape=[7, 5, 3],
            worst=Worst(index=[0, 2, 1], expected=0.36, actual="nan", error="nan", bound=1e-5),
        ),
        stages=[
            stage("conv1", True, [7, 5, 3]),
            stage("bn1", False, [7, 5, 3], 0.4),
            Stage(
                name="conv2",
                agrees=False,
                expected_shape=[64, 64, 32],
                actual_shape=[64, 64, 32],
                expected=None,
                actual=None,
            ),
        ],
        cases=cases(failing=range(1, 40, 3), margin="nan"),
    )


def runtime_error() -> Report:
    """A call that raised: a counterexample without an answer."""
    report = wrong_answer()
    because = "Not judged: the file did not run to the end."
    return msgspec.structs.replace(
        report,
        verdict="runtime_error",
        score=2,
        findings=[
            finding(
                "runs",
                "Imports and runs",
                "failed",
                5,
                "TypeError: 'float' object cannot be interpreted as an integer. Seen on seed=0, "
                "image of shape (2, 2, 1), num_classes=3; expected an array of shape (3,).",
                line=18,
            ),
            finding("result", "Returns float32", "skipped", 33, because),
            finding("values", "Every case within tolerance", "skipped", 60, because),
            finding("head", "Attribute head", "passed", 2, "It is there."),
        ],
        counterexample=msgspec.structs.replace(EXAMPLE, actual=None, actual_shape=None, worst=None),
        diagnosis=Diagnosis(kind="none"),
        stages=[],
        cases=cases(failing=[1], margin="inf", count=1),
    )


def internal_error() -> Report:
    """A failure of ours: nothing is known."""
    problem = "Not judged: the grader failed. This is not your fault."
    return msgspec.structs.replace(
        accepted(),
        verdict="internal_error",
        score=0,
        findings=[
            finding("runs", "Imports and runs", "skipped", 5, problem),
            finding("values", "Every case within tolerance", "skipped", 95, problem),
        ],
        cases=[],
        confined_by=[],
        submission=SubmissionName(name="carol.py", sha256=""),
    )


def for_student(report: Report, feedback: Feedback = "full") -> Report:
    """Mark a report as a student's and leave its cases in: what a slip elsewhere would do."""
    view: View = "student"
    return msgspec.structs.replace(report, shown=Shown(view=view, feedback=feedback))


def category_only() -> Report:
    """What a student sees where an exercise shows what is wrong, not where."""
    report = wrong_answer()
    silent = [msgspec.structs.replace(f, message="", evidence={}) for f in report.findings]
    told = Diagnosis(kind="misconception", id="pool_height_only", title=report.diagnosis.title)
    return msgspec.structs.replace(
        for_student(report, "category"),
        findings=silent,
        counterexample=None,
        diagnosis=told,
        stages=[],
        cases=[],
    )


def score_only() -> Report:
    """What a student sees where an exercise shows the score alone."""
    return msgspec.structs.replace(
        for_student(category_only(), "score"), findings=[], diagnosis=Diagnosis(kind="none")
    )


HOSTILE = (
    "<script>document.title = 'owned'</script>",
    "\"><img src=x onerror=alert(1)>' onfocus='alert(1)",
    "</style></title></pre>]]><!-- {{ 7 * 191 }} {% raw %} $x^$",
    "\u202egpj.exe\u2066\x1b[31m\x00\x9b\r\n\ud800\ufeff\U000e0041",
    "\t\tlong " + "A" * 100_000,
)
"""Texts that must come out as text."""


def hostile() -> Report:
    """Hostile text wherever a report holds text."""
    report, text = wrong_answer(), " ".join(HOSTILE)
    replace = msgspec.structs.replace
    return replace(
        report,
        exercise=ExerciseName(name=text, digest=text),
        submission=SubmissionName(name=text, sha256=text),
        findings=[replace(f, id=text, title=text, message=text) for f in report.findings],
        counterexample=replace(
            EXAMPLE,
            arguments={f"{text}{name}": value for name, value in EXAMPLE.arguments.items()},
            snippet="\n".join(HOSTILE),
        ),
        diagnosis=replace(report.diagnosis, id=text, title=text, message=text),
        stages=[replace(s, name=f"{text}{s.name}", note=text) for s in report.stages],
        cases=[replace(case, family=f"{case.family[0]}{text}") for case in report.cases],
        suite=replace(report.suite, seed=text, digest=text),
        confined_by=[text],
        environment={text: text},
    )


SAMPLES = {
    make.__name__: make
    for make in (
        *(accepted, wrong_answer, wrong_shape, three_axes),
        *(runtime_error, internal_error, category_only, score_only, hostile),
    )
}
"""Name to maker; each returns a new report."""
