"""Say in words what the report says in codes."""

from typing import NamedTuple

from grader.model.report import Feedback, Status, Verdict


class Said(NamedTuple):
    """A verdict in words.

    Attributes:
        tone: "good", "bad" or "ours": how the page looks; never the only sign.
    """

    headline: str
    sentence: str
    tone: str = "bad"


class Mark(NamedTuple):
    """A sign that is seen, and the word that a screen reader says in its place."""

    sign: str
    word: str


VERDICTS: dict[Verdict, Said] = {
    "accepted": Said("Accepted", "Everything that was checked is right.", "good"),
    "wrong_answer": Said("Wrong answer", "It runs, but it is not right on every input."),
    "structure": Said(
        "Right values, wrong structure",
        "The numbers are right; the way to them is not the one that was asked for.",
    ),
    "runtime_error": Said("It raised an error", "It did not come to the end of a call."),
    "time_limit": Said("It took too long", "It was stopped when its time was up."),
    "memory_limit": Said("It used too much memory", "It was stopped at the memory limit."),
    "output_limit": Said("It returned or printed too much", "It was stopped at the output limit."),
    "protocol": Said("It broke the connection to the judge", "It did not answer as asked."),
    "invalid_submission": Said(
        "It cannot be read as a submission", "Nothing was run: see the first finding."
    ),
    "internal_error": Said(
        "The grader failed",
        "This is not your fault, and it is no grade: please let your instructor know.",
        "ours",
    ),
}

STATUSES: dict[Status, Mark] = {
    "passed": Mark("✓", "passed"),
    "failed": Mark("✗", "failed"),
    "skipped": Mark("–", "not judged"),
    "informational": Mark("i", "for information"),
}

HELD_BACK: dict[Feedback, str] = {
    "full": "",
    "counterexample": "",
    "category": "This exercise shows what is wrong, not on which input.",
    "score": "This exercise shows the score, not the reasons.",
}
"""What a student is told about what is not shown."""
