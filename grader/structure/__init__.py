"""Judge how a submission is built: from its text, and from a call that is watched."""

from grader.structure.layers import inner_visits, own_visits
from grader.structure.observed import Judgement, judge_structure
from grader.structure.reductions import without_batch
from grader.structure.static import Facts, read_facts

__all__ = [
    "Facts",
    "Judgement",
    "inner_visits",
    "judge_structure",
    "own_visits",
    "read_facts",
    "without_batch",
]
