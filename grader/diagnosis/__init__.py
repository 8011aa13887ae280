"""Say why an answer is wrong, and stay silent where that is not known.

    matching     one known misconception explains the answers to several cases, and no other does
    combining    two of them explain the answers together, and no other two do
    transplant   with the reference's weights in the student's own model the answers are right
    patterns     the error itself has a known form: a factor, a permutation, a softmax
    stages       on the counterexample, the first point of the forward pass that differs

The first of these that holds is told; stages go with any of
them. Misconceptions are run by the oracle, never beside a submission.
"""

from grader.diagnosis.diagnose import Diagnostician
from grader.diagnosis.evidence import Evidence

__all__ = ["Diagnostician", "Evidence"]
