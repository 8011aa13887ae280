"""Count what a class has in common, one row at a time."""

import heapq
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from grader.batch.entry import Row
from grader.model import Criterion

_EXAMPLES = 3
_SLOWEST = 10
_MOST_REASONS = 50


class Share(NamedTuple):
    """How one criterion went.

    Attributes:
        mean: points, of those that were graded.
    """

    title: str
    max_points: int
    passed: int
    failed: int
    skipped: int
    mean: float


class Reason(NamedTuple):
    """One explanation, and how many submissions it explains; the first few of them."""

    title: str
    number: int
    examples: list[Row]


class Tally:
    """Everything that is said of a class as a whole.

    Attributes:
        scores: points to number of submissions; verdicts: verdict to number.
        unexplained: wrong submissions without a diagnosis.
        slowest: the most CPU seconds first.
    """

    def __init__(self, rubric: Sequence[Criterion]) -> None:
        self._rubric = rubric
        self.max_score = sum(one.points for one in rubric)
        self.scores: Counter[int] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.late = self.unexplained = 0
        self._statuses: Counter[tuple[str, str]] = Counter()
        self._points: Counter[str] = Counter()
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], list[Row]] = {}
        self._slowest: list[tuple[float, int, Row]] = []
        self._count = 0

    def add(self, row: Row) -> None:
        """Count one submission."""
        self._count += 1
        self.verdicts[row.verdict] += 1
        self.late += row.late
        if not row.is_graded:
            return
        self.scores[row.score] += 1
        for name, judged in row.findings.items():
            self._statuses[name, judged.status] += 1
            self._points[name] += judged.points
        if row.diagnosis_id:
            reason = (row.diagnosis_id, row.diagnosis)
            self._reasons[reason] += 1
            examples = self._examples.setdefault(reason, [])
            if len(examples) < _EXAMPLES:
                examples.append(row)
        elif row.verdict == "wrong_answer":
            self.unexplained += 1
        if row.sha256 and any(row.sha256 == other.sha256 for _, _, other in self._slowest):
            return  # the same file, and what it took once
        heapq.heappush(self._slowest, (row.cpu_s, -self._count, row))
        if len(self._slowest) > _SLOWEST:
            heapq.heappop(self._slowest)

    @property
    def graded(self) -> int:
        """Submissions that have a score."""
        return self.scores.total()

    @property
    def mean(self) -> float:
        """Mean score; 0 for nobody's."""
        return sum(score * n for score, n in self.scores.items()) / max(1, self.graded)

    @property
    def median(self) -> float:
        """Median score; 0 for nobody's."""
        return statistics.median(sorted(self.scores.elements())) if self.scores else 0.0

    @property
    def slowest(self) -> list[Row]:
        """Those that took most."""
        return [row for _, _, row in sorted(self._slowest, key=lambda one: (-one[0], -one[1]))]

    def shares(self) -> list[Share]:
        """Return how each criterion went, in the order of the rubric."""
        return [
            Share(
                one.title,
                one.points,
                passed=self._statuses[one.id, "passed"],
                failed=self._statuses[one.id, "failed"],
                skipped=self._statuses[one.id, "skipped"],
                mean=self._points[one.id] / max(1, self.graded),
            )
            for one in self._rubric
        ]

    def reasons(self) -> list[Reason]:
        """Return the explanations, the most frequent first."""
        ranked = sorted(self._reasons.items(), key=lambda one: (-one[1], one[0]))
        return [
            Reason(title or name.replace("_", " "), count, self._examples[name, title])
            for (name, title), count in ranked[:_MOST_REASONS]
        ]
