"""Hold a results.json against Gradescope's rules.

Source: Gradescope's autograder specification (read in 2026).
"""

from collections.abc import Mapping

from grader.platforms.checking import Fields, Problems, read_object

MOST_BYTES = 1 << 20
"""Ours: Gradescope names no limit."""
FORMATS = ("text", "html", "simple_format", "md", "ansi")
VISIBILITIES = ("hidden", "after_due_date", "after_published", "visible")
_RESULT_KEYS = (
    *("score", "execution_time", "output", "output_format", "test_output_format"),
    *("test_name_format", "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard"),
)
_TEST_KEYS = (
    *("score", "max_score", "status", "name", "name_format", "number", "output", "output_format"),
    *("tags", "visibility", "extra_data"),
)


def validate(document: bytes, beside: Mapping[str, bytes]) -> list[str]:
    """Name every rule that a result breaks."""
    problems = Problems()
    found = read_object(document, problems, most_bytes=MOST_BYTES)
    if found is None:
        return problems
    problems.known(found, _RESULT_KEYS)
    problems.number(found, "score", least=0)
    problems.number(found, "execution_time", least=0)
    problems.text(found, "output")
    for key in ("output_format", "test_output_format", "test_name_format"):
        problems.one_of(found, key, FORMATS)
    for key in ("visibility", "stdout_visibility"):
        problems.one_of(found, key, VISIBILITIES)
    tests = problems.objects(found, "tests")
    for where, test in tests:
        _check_test(where, test, problems)
    if "score" not in found and not any("score" in test for _, test in tests):
        problems.append("neither score nor any test's score is there: Gradescope shows an error")
    for where, place in problems.objects(found, "leaderboard"):
        problems.text(place, "name", where, required=True)
        problems.one_of(place, "order", ("asc", "desc"), where)
        if not isinstance(place.get("value"), str):
            problems.number(place, "value", where, required=True)
    return problems


def _check_test(where: str, test: Fields, problems: Problems) -> None:
    problems.known(test, _TEST_KEYS, where)
    for key in ("name", "output"):
        problems.text(test, key, where)
    problems.number(test, "score", where)
    problems.number(test, "max_score", where, least=0)
    problems.one_of(test, "status", ("passed", "failed"), where)
    for key in ("name_format", "output_format"):
        problems.one_of(test, key, FORMATS, where)
    problems.one_of(test, "visibility", VISIBILITIES, where)
    if test.get("visibility") == "hidden":
        problems.append(f"{where}visibility hidden is never revealed; use after_published")
    if not isinstance(test.get("number", ""), str):
        problems.append(f'{where}number must be a string, such as "1.1"')
    if "score" in test and "max_score" not in test:
        problems.append(f"{where}score stands there without max_score")
    if "score" not in test and "status" not in test:
        problems.append(f"{where}has neither score nor status: nothing is shown of it")
    tags = test.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        problems.append(f"{where}tags must be a list of strings")
