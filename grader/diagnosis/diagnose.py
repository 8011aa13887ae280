"""Collect the evidence about a wrong submission, and put it into one diagnosis."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from grader.diagnosis.matching import LEAST_EXPLAINED, Match, Matcher
from grader.diagnosis.patterns import Pattern, Wrong, find_pattern
from grader.diagnosis.stages import first_difference, trace
from grader.diagnosis.transplant import first_other_weights, weights_for
from grader.model import (
    Arguments,
    Case,
    Diagnosis,
    Exercise,
    Finding,
    Observation,
    Stage,
    Structure,
)
from grader.oracle import Oracle
from grader.questions import Question
from grader.run import Run
from grader.structure import judge_structure, read_facts
from grader.trial import Failure
from grader.variants import Misconception, edit, read_misconceptions


@dataclass
class Evidence:
    """What is known about why a submission is wrong.

    Attributes:
        stages: of the counterexample.
        other_weights: path of the first layer with weights of its own, where the forward pass is
            right with the reference's.
    """

    match: Match | None = None
    pattern: Pattern | None = None
    stages: list[Stage] = field(default_factory=list)
    other_weights: str | None = None


class Diagnostician:
    """Explain the failures of submissions to one exercise."""

    def __init__(self, exercise: Exercise, oracle: Oracle) -> None:
        self._exercise, self._oracle = exercise, oracle

    @cached_property
    def _solution(self) -> str:
        return (self._exercise.folder / "solution.py").read_text(encoding="utf-8")

    @cached_property
    def _misconceptions(self) -> dict[str, Misconception]:
        return read_misconceptions(self._exercise.folder)

    @cached_property
    def _texts(self) -> dict[str, str]:
        """Misconception to the whole text of the variant."""
        return {
            name: edit(self._solution, one.replace, name=name)
            for name, one in self._misconceptions.items()
        }

    @cached_property
    def _matcher(self) -> Matcher:
        known = self._misconceptions
        telling = {name: text for name, text in self._texts.items() if not known[name].equivalent}
        return Matcher(self._exercise, self._oracle, telling)

    def prepare(self, questions: Sequence[Question]) -> None:
        """Run every misconception on the suite's first case, on which most submissions fail."""
        self._matcher.prepare(questions[0].case)

    def ask(self, run: Run, questions: Sequence[Question]) -> Evidence:
        """Put further cases of the suite to a submission that failed, until its mistake is known.

        It is asked before anything else is: a submission may remember its calls.
        """
        evidence = Evidence()
        failure = run.trial.failure
        if failure is None or not run.is_alive:
            return evidence
        evidence.match = self._matcher.match(run, questions)
        if not evidence.match.names:
            self._matcher.ask_more(run, questions, LEAST_EXPLAINED)
            wrong = [one for one in map(_comparable, run.failures) if one is not None]
            if len(wrong) == len(run.failures):
                evidence.pattern = find_pattern(self._exercise, self._oracle, wrong)
        return evidence

    def look_inside(self, run: Run, evidence: Evidence) -> None:
        """Compare stages on the counterexample, and try the reference's weights."""
        failure = run.trial.shrunk or run.trial.failure
        structure = self._exercise.structure
        if failure is None or structure is None or run.trial.watched is None:
            return
        seen = run.observe(failure.case)
        reference = self._reference(failure.case.arguments, structure)
        if seen is not None:
            tolerance = self._exercise.tolerance
            relative = tolerance.floor(failure.expected) / failure.expected.scale
            evidence.stages = trace(structure, reference, seen, relative)
        run.trial.transplanted = self._transplant(run, failure)
        if run.trial.transplanted and seen is not None:
            evidence.other_weights = first_other_weights(structure, reference, seen)

    def _transplant(self, run: Run, failure: Failure) -> bool | None:
        """Whether the answers are right with weights of another seed put into the model.

        Weights of another seed, because a model that ignores them must not look right. None when
        the weights have no places in the student's model.
        """
        structure, seen = self._exercise.structure, run.trial.watched
        assert structure is not None and seen is not None
        outcomes = []
        for arguments in (self._exercise.watched, failure.case.arguments):
            other = Case(self._with_other_seed(arguments))
            expected = self._oracle.expect([other])[0]
            if self._exercise.tolerance.unfit(expected) is not None:
                continue
            reference = self._reference(other.arguments, structure)
            places = self._places(arguments, run, seen)
            weights = None if places is None else weights_for(structure, reference, places)
            if weights is None:
                return None
            outcome = run.transplant(Case(arguments), expected, structure, weights)
            outcomes.append(outcome.failure is None)
        return all(outcomes) if outcomes else None

    def _places(self, arguments: Arguments, run: Run, seen: Observation) -> Observation | None:
        """Return the student's model for these arguments: its arrays have their shapes."""
        if arguments is self._exercise.watched:
            return seen
        return run.observe(Case(arguments))

    def _reference(self, arguments: Arguments, structure: Structure) -> Observation:
        seen = self._oracle.observe(self._solution, arguments, structure)
        assert seen is not None
        return seen

    def _built_alike(self, names: Iterable[str], found: Sequence[Finding]) -> list[str]:
        """Return the misconceptions of which structure says what it says of the submission."""
        structure, watched = self._exercise.structure, self._exercise.watched
        if structure is None:
            return []
        alike = []
        for name in names:
            seen = self._oracle.observe(self._texts[name], watched, structure)
            if seen is None:
                continue
            facts = read_facts(self._texts[name].encode())
            judged = judge_structure(structure, facts, seen, seen.array(seen.result))
            said = {one.id: _said(one.status == "passed", one.message) for one in found}
            wanted = {key: _said(one.passed is True, one.message) for key, one in judged.items()}
            if all(said[key] == wanted[key] for key in said.keys() & wanted.keys()):
                alike.append(name)
        return alike

    def _with_other_seed(self, arguments: Arguments) -> Arguments:
        changed = dict(arguments)
        for argument in self._exercise.arguments:
            value = changed[argument.name]
            if argument.kind == "integer" and not argument.sizes and isinstance(value, float):
                changed[argument.name] = value + 17.0
        return changed

    def _name(self, run: Run, evidence: Evidence, found: Sequence[Finding]) -> str | None:
        """Return the one misconception that explains the answers, or else the structure."""
        match = evidence.match
        if match is not None and match.names and match.explained >= LEAST_EXPLAINED:
            alike = match.names
            if len(alike) > 1:
                alike = tuple(self._built_alike(alike, found))
            return alike[0] if len(alike) == 1 else None
        wrong = any(one.status == "failed" for one in found)
        if run.trial.error is not None or run.trial.failure is not None or not wrong:
            return None
        marked = (name for name, one in self._misconceptions.items() if one.equivalent)
        alike = tuple(self._built_alike(marked, found))
        return alike[0] if len(alike) == 1 else None

    def conclude(self, run: Run, evidence: Evidence, found: Sequence[Finding]) -> Diagnosis:
        """Return the explanation that holds, the most specific first.

        Args:
            found: the findings; structure tells apart what values do not.
        """
        first, before = first_difference(evidence.stages)
        name, pattern = self._name(run, evidence, found), evidence.pattern
        if name is not None:
            known = self._misconceptions[name]
            return Diagnosis(
                kind="misconception",
                id=name,
                title=known.title,
                message=known.message,
                explained_cases=evidence.match.explained if evidence.match is not None else 0,
                first_differing_stage=first,
                agrees_before=before,
            )
        if evidence.other_weights is not None:
            return Diagnosis(
                kind="creation_order",
                title="Right network, other weights",
                message=_other_weights(evidence.other_weights),
                first_differing_stage=first,
                agrees_before=before,
            )
        if pattern is not None:
            return Diagnosis(
                kind="pattern",
                id=pattern.id,
                title=pattern.title,
                message=pattern.message,
                explained_cases=pattern.explained,
                first_differing_stage=first,
                agrees_before=before,
            )
        return Diagnosis(kind="none", first_differing_stage=first, agrees_before=before)


def _said(passed: bool, message: str) -> str:
    """Return what a finding says when it fails, without the student's own names inside a block."""
    return "" if passed else re.sub(r"(\w+)\.\w+", r"\1.*", message)


def _comparable(failure: Failure) -> Wrong | None:
    """Return a wrong answer that has the right shape; None for any other failure."""
    array = None if failure.answer is None else failure.answer.array
    if array is None or array.shape != failure.expected.exact.shape or array.dtype != np.float32:
        return None
    return Wrong(failure.case, failure.expected, array)


def _other_weights(path: str) -> str:
    return (
        "Your network is right: with the reference's weights in it, its results are right. From "
        f"the seed that it is given it draws other weights, first in {path}. Each parameter takes "
        "the next key of the random stream, so create the layers in the order of the statement, "
        "with the biases that it asks for, from one nnx.Rngs(int(seed))."
    )
