"""Collect the evidence about a wrong submission: ask it more, and look into what it builds."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from grader.diagnosis.combining import Combiner
from grader.diagnosis.conclusion import conclude
from grader.diagnosis.evidence import Evidence
from grader.diagnosis.knowledge import Knowledge
from grader.diagnosis.matching import ALLOWANCE, LEAST_EXPLAINED, Matcher
from grader.diagnosis.patterns import Pattern, Wrong, find_pattern
from grader.diagnosis.stages import first_difference, trace
from grader.diagnosis.transplant import first_other_weights, path_of, weights_for
from grader.errors import ExerciseError
from grader.model import Arguments, Case, Diagnosis, Exercise, Finding, Observation, Structure
from grader.oracle import Oracle
from grader.questions import Question
from grader.run import Run
from grader.structure.layers import own_visits
from grader.trial import Failure


class Diagnostician:
    """Explain the failures of submissions to one exercise."""

    def __init__(self, exercise: Exercise, oracle: Oracle) -> None:
        self._exercise, self._oracle = exercise, oracle
        self._known = Knowledge(exercise, oracle)

    @cached_property
    def _matcher(self) -> Matcher:
        telling = {name: self._known.texts[name] for name in self._known.telling}
        return Matcher(self._exercise, self._oracle, telling)

    def prepare(self, questions: Sequence[Question]) -> None:
        """Run every misconception on the first case, on which most fail, and watch each once."""
        self._matcher.prepare(questions[0].case)
        if self._exercise.structure is not None:
            for text in self._known.texts.values():
                self._known.watched(text, self._exercise.structure)

    def ask(self, run: Run, questions: Sequence[Question]) -> Evidence:
        """Put further cases of the suite to a submission that failed, until its mistake is known.

        It is asked before anything else is: a submission may remember its calls.
        """
        evidence = Evidence()
        failure = run.trial.failure
        if failure is None or not run.is_alive:
            return evidence
        evidence.match = self._matcher.match(run, questions)
        is_stub = not run.right and all(map(_is_empty, run.failures))
        if not evidence.match.names or is_stub:
            self._matcher.ask_more(run, questions, LEAST_EXPLAINED)
            evidence.failures = list(run.failures)
            wrong = [one for one in map(_comparable, run.failures) if one is not None]
            if len(wrong) == len(run.failures):
                evidence.pattern = self._pattern(run, wrong)
        return evidence

    def look_inside(self, run: Run, evidence: Evidence) -> None:
        """Compare stages on the counterexample, and try the reference's weights."""
        failure = run.trial.shrunk or run.trial.failure
        pattern = evidence.pattern
        if pattern is not None and pattern.foretells and run.trial.shrunk is not None:
            # Cases of one shape have sizes in common: what is said must hold for what is shown.
            wrong = [_comparable(one) for one in (*evidence.failures, run.trial.shrunk)]
            kept = self._pattern(run, [one for one in wrong if one is not None])
            evidence.pattern = kept if None not in wrong else None
        structure = self._exercise.structure
        if failure is None or structure is None or run.trial.watched is None:
            return
        seen = run.observe(failure.case)
        reference = self._known.reference(failure.case.arguments, structure)
        if seen is not None:
            tolerance = self._exercise.tolerance
            relative = tolerance.floor(failure.expected) / failure.expected.scale
            evidence.stages = trace(structure, reference, seen, relative)
        if evidence.match is not None:
            alike = [n for n in evidence.match.names if self._goes_alike(n, run.trial.watched)]
            evidence.match = evidence.match._replace(names=tuple(alike))
        run.trial.transplanted = self._transplant(run, failure)
        if run.trial.transplanted and seen is not None:
            evidence.other_weights = first_other_weights(structure, reference, seen)
        if evidence.pattern is None and evidence.other_weights is None:
            evidence.two = self._two_mistakes(run.trial.watched, evidence.failures)

    def _two_mistakes(
        self, seen: Observation, failures: Sequence[Failure]
    ) -> tuple[str, str] | None:
        """Return the only pair of misconceptions that explains at least three wrong answers."""
        structure = self._exercise.structure
        if len(failures) < LEAST_EXPLAINED or structure is None or seen.error is not None:
            return None
        tolerance = self._exercise.tolerance
        expected = self._oracle.expect([Case(self._exercise.watched)])[0]
        combiner = Combiner(
            structure,
            self._known.solution,
            self._known.telling,
            lambda text: self._known.watched(text, structure),
            tolerance.floor(expected) / expected.scale,
        )
        found = [
            names
            for names, text in combiner.pairs(seen)
            if all(self._matcher.explains(text, one) for one in failures[:LEAST_EXPLAINED])
        ]
        return found[0] if len(found) == 1 else None

    def _transplant(self, run: Run, failure: Failure) -> bool | None:
        """Whether the answers are right with weights of another seed put into the model.

        Weights of another seed, because a model that ignores them must not look right. None when
        the weights have no places in the student's model, or the reference takes no other seed.
        """
        structure, seen = self._exercise.structure, run.trial.watched
        assert structure is not None and seen is not None
        if not run.is_alive:  # a simpler input ended it, which says nothing about its weights
            return None
        outcomes = []
        for arguments in (self._exercise.watched, failure.case.arguments):
            other = Case(self._with_other_seed(arguments))
            try:
                expected = self._oracle.expect([other])[0]
            except ExerciseError:
                return None
            if self._exercise.tolerance.unfit(expected) is not None:
                continue
            reference = self._known.reference(other.arguments, structure)
            places = self._places(arguments, run, seen)
            weights = None if places is None else weights_for(structure, reference, places)
            if weights is None:
                return None
            outcome = run.transplant(Case(arguments), expected, structure, weights)
            if outcome.failure is not None and outcome.failure.error is not None:
                return None  # it raised, or built nothing to put them into
            outcomes.append(outcome.failure is None)
        return all(outcomes) if outcomes else None

    def _pattern(self, run: Run, wrong: Sequence[Wrong]) -> Pattern | None:
        return find_pattern(self._exercise, self._oracle, wrong, some_right=run.right > 0)

    def _goes_alike(self, name: str, seen: Observation) -> bool:
        """Whether a variant comes to its answers by the stages of the submission.

        Different mistakes may give the same answers: without its last ReLU a block adds a branch
        of mean 0, which pooling loses, as if it were not there.
        """
        structure = self._exercise.structure
        assert structure is not None
        variant = self._known.watched(self._known.texts[name], structure)
        if variant is None or variant.error is not None or seen.error is not None:
            return True
        expected = self._oracle.expect([Case(self._exercise.watched)])[0]
        relative = ALLOWANCE * self._exercise.tolerance.floor(expected) / expected.scale
        first, _ = first_difference(trace(structure, variant, seen, relative))
        ours, theirs = _layers(structure, variant), _layers(structure, seen)
        return first is None and not any(
            is_called and theirs.get(layer) is False for layer, is_called in ours.items()
        )

    def _places(self, arguments: Arguments, run: Run, seen: Observation) -> Observation | None:
        """Return the student's model for these arguments: its arrays have their shapes."""
        if arguments is self._exercise.watched:
            return seen
        return run.observe(Case(arguments))

    def conclude(self, run: Run, evidence: Evidence, found: Sequence[Finding]) -> Diagnosis:
        """Return the explanation that holds; see conclusion.py."""
        return conclude(self._known, run.trial, evidence, found)

    def _with_other_seed(self, arguments: Arguments) -> Arguments:
        seed = self._exercise.seed
        if seed is None:
            return arguments
        value = arguments[seed]
        assert isinstance(value, float)
        return {**arguments, seed: value + 17.0}


def _layers(structure: Structure, seen: Observation) -> dict[str, bool]:
    """Names of the layers that a model has, and whether the watched call reached them."""
    paths = {layer.name: path_of(seen, layer.name) for layer in structure.layers}
    return {name: bool(own_visits(seen, path)) for name, path in paths.items() if path is not None}


def _is_empty(failure: Failure) -> bool:
    """Whether an answer is zeros: a stub gives them as a mistake does, and values tell no more."""
    wrong = _comparable(failure)
    return wrong is not None and not wrong.actual.any()


def _comparable(failure: Failure) -> Wrong | None:
    """Return a wrong answer that has the right shape; None for any other failure."""
    array = None if failure.answer is None else failure.answer.array
    if array is None or array.shape != failure.expected.exact.shape or array.dtype != np.float32:
        return None
    return Wrong(failure.case, failure.expected, array)
