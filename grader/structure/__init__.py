"""Judge how a submission is built: static facts from its text, observed facts from a watched call."""

from grader.structure.static import Facts, read_facts
from grader.structure.observed import Judgement, judge_structure

__all__ = ["Facts", "Judgement", "judge_structure", "read_facts"]
