"""Choose, of all that is known, what is told: the most specific explanation that holds."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from grader.diagnosis.evidence import Evidence
from grader.diagnosis.knowledge import Knowledge
from grader.diagnosis.matching import LEAST_EXPLAINED
from grader.diagnosis.stages import first_difference
from grader.model import Diagnosis, Finding
from grader.structure.flow import WITHOUT_BATCH
from grader.structure.observed import judge_structure
from grader.structure.static import read_facts
from grader.trial import Trial


def conclude(
    known: Knowledge, trial: Trial, evidence: Evidence, found: Sequence[Finding]
) -> Diagnosis:
    """Return the explanation that holds, the most specific first.

    Args:
        found: the findings; structure tells apart what values do not.
    """
    first, before = first_difference(evidence.stages)
    told = (
        _one_mistake(known, trial, evidence, found)
        or _two_mistakes(known, evidence)
        or _right_network(evidence, some_right=len(trial.results) > 1)
        or _form_of_error(evidence)
        or Diagnosis(kind="none")
    )
    return msgspec.structs.replace(told, first_differing_stage=first, agrees_before=before)


def _one_mistake(
    known: Knowledge, trial: Trial, evidence: Evidence, found: Sequence[Finding]
) -> Diagnosis | None:
    """Name the one misconception that explains the answers, or else the structure."""
    match = evidence.match
    if match is not None and match.names and match.explained >= LEAST_EXPLAINED:
        alike = list(match.names)
        if len(alike) > 1 or evidence.pattern is not None:  # a stub may answer the same
            alike = _built_alike(known, alike, found)
        return _named(known, alike, match.explained)
    wrong = any(one.status == "failed" for one in found)
    if trial.error is not None or trial.failure is not None or not wrong:
        return None
    marked = [name for name, one in known.misconceptions.items() if one.equivalent]
    return _named(known, _built_alike(known, marked, found), explained=0)


def _named(known: Knowledge, names: Sequence[str], explained: int) -> Diagnosis | None:
    if len(names) != 1:
        return None
    one = known.misconceptions[names[0]]
    return Diagnosis(
        kind="misconception",
        id=names[0],
        title=one.title,
        message=one.message,
        explained_cases=explained,
    )


def _two_mistakes(known: Knowledge, evidence: Evidence) -> Diagnosis | None:
    if evidence.two is None:
        return None
    both = [known.misconceptions[name] for name in evidence.two]
    return Diagnosis(
        kind="misconception",
        id=" + ".join(evidence.two),
        title="; ".join(one.title for one in both),
        message="Two mistakes. " + " ".join(one.message for one in both),
        explained_cases=LEAST_EXPLAINED,
    )


def _right_network(evidence: Evidence, *, some_right: bool) -> Diagnosis | None:
    if evidence.other_weights is None:
        return None
    first = evidence.other_weights
    if some_right:  # another order of creation would have been wrong from the first case on
        why = (
            f"For some inputs it draws other weights, first in {first}: use the whole seed that "
            "each call is given, nnx.Rngs(int(seed)), and nothing else."
        )
    else:
        why = (
            f"From the seed that it is given it draws other weights, first in {first}. Each "
            "parameter takes the next key of the random stream, so create the layers in the order "
            "of the statement, with the biases that it asks for, from one nnx.Rngs(int(seed)), and "
            "leave the initialisers (kernel_init, bias_init, scale_init) at Flax's defaults."
        )
    text = "Your network is right: with the reference's weights in it, its results are right. "
    title = "Right network, other weights"
    return Diagnosis(kind="creation_order", title=title, message=text + why)


def _form_of_error(evidence: Evidence) -> Diagnosis | None:
    pattern = evidence.pattern
    if pattern is None:
        return None
    return Diagnosis(
        kind="pattern",
        id=pattern.id,
        title=pattern.title,
        message=pattern.message,
        explained_cases=pattern.explained,
    )


def _built_alike(known: Knowledge, names: Iterable[str], found: Sequence[Finding]) -> list[str]:
    """Return the misconceptions of which structure says what it says of the submission."""
    structure = known.exercise.structure
    if structure is None:
        return []
    said = {one.id: _said(one.status == "passed", one.message, one.evidence) for one in found}
    alike = []
    for name in names:
        seen = known.watched(known.texts[name], structure)
        if seen is None:
            continue
        facts = read_facts(known.texts[name].encode())
        judged = judge_structure(structure, facts, seen, seen.array(seen.result))
        wanted = {
            key: _said(one.passed is True, one.message, one.evidence) for key, one in judged.items()
        }
        if all(said[key] == wanted[key] for key in said.keys() & wanted.keys()):
            alike.append(name)
    return alike


def _said(passed: bool, message: str, evidence: Mapping[str, Any]) -> str:
    """Return what a finding says when it fails, without what is the student's to choose.

    That is the names inside a block, and whether there is a batch axis.
    """
    said = evidence.get(WITHOUT_BATCH, message)
    return "" if passed else re.sub(r"(\w+)\.\w+", r"\1.*", str(said))
