"""Tell staff in a sentence why a grade is not in the gradebook, and what to do about it."""

import re

from grader.service.lti.ags import rules

NOT_GRADED_THERE = "incorrect score"
"""How Moodle refuses whoever it does not grade in the course; our own body follows."""
_LAST = "Send it again when that is seen to."
_ADVICE = {
    rules.NO_TOKEN: "The course's platform does not let the grader in ({words}). Ask whoever runs "
    "the grader to look at it; then send the grade again.",
    rules.LOCKED: "The grade is probably locked in the gradebook ({words}). Unlock it there, then "
    "send it again.",
    rules.LATER: "The gradebook holds a later grade than this one ({words}): somebody may have "
    "set it by hand. Send this one again if it is to count.",
    rules.ANOTHER: "The gradebook shows another grade ({words}): somebody may have set it by "
    "hand. Send this one again if it is to count.",
}
"""What a problem that rules.py writes begins with, and the sentence for it."""


def explained(step: str, problem: str) -> str:
    """Return sentences; "" where there is nothing to explain.

    Args:
        problem: of an outbox row: the platform's own words, or ours.
    """
    if not problem:
        return ""
    if step != "parked":
        return f"The last try came to nothing ({_plain(problem)}). It is tried again by itself."
    for beginning, sentence in _ADVICE.items():
        if problem.startswith(beginning):
            return sentence.format(words=_plain(problem.removeprefix(beginning)))
    if NOT_GRADED_THERE in problem.lower():
        return (
            "The course does not grade this person: they may have left it, or have no role that is "
            f"graded. {_LAST}"
        )
    if problem.startswith(rules.SILENT):
        return f"{problem[:1].upper()}{_plain(problem[1:])}. Send it again when the platform works."
    return f"The course refused it ({_plain(problem)}). {_LAST}"


def _plain(words: str) -> str:
    """Return words without the tags of a page, which some platforms answer with."""
    return " ".join(re.sub(r"<[^<>]*>", " ", words).split()).strip(" :;.")[:300]
