"""Judge how a submission is built: from its text, and from a call that is watched."""

from grader.structure.observed import Judgement, judge_structure
from grader.structure.static import Facts, read_facts

__all__ = ["Facts", "Judgement", "judge_structure", "read_facts"]
