"""Find submissions that are near-identical, as a hint to look at both: nothing here is a proof.

Comparing all pairs of a large class costs too much. Signatures (MinHash: Broder 1997) tell how much
two programs share without comparing them; those with a whole band of their signature in common are
candidates (locality-sensitive hashing: Indyk and Motwani 1998), of which the likeliest few of each
program are compared in full. So the cost grows with the class, not with its square, even when all
of it began with the same file.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

LEAST_ALIKE = 0.97
"""Likeness from which two programs are shown. Of 820 pairs of the 41 right fixtures, written in
different styles for an exercise that leaves little freedom, 99 % are below 0.943 and one is above
this."""
_PERMUTATIONS, _BANDS = 96, 24
"""Bands of four: of pairs that share 0.7 of their pieces one in 800 is missed, of 0.8 none."""
_PIECE = 6
"""Nodes in a row that make a piece."""
_SHORTEST = 40
"""Nodes of a program below which everybody's is alike."""
_NEIGHBOURS = 8
"""Candidates of one program from one band: those next to it in the order of signatures."""
_MOST_COMPARED = 10
"""Candidates of one program that are compared in full: the likeliest."""
_PRIME = (1 << 61) - 1

Sketch = np.ndarray
"""uint64[_PERMUTATIONS]"""


class Pair(NamedTuple):
    """Two programs by number, the smaller first, and how alike they are: 0 to 1."""

    likeness: float
    one: int
    other: int


def sketch(skeleton: str) -> Sketch | None:
    """Return a signature of a skeleton; None for one that is too short to tell anything."""
    if len(skeleton) < _SHORTEST:
        return None
    codes = np.frombuffer(skeleton.encode("utf-32-le"), np.uint32).astype(np.uint64)
    pieces = np.zeros(len(codes) - _PIECE + 1, np.uint64)
    for place in range(_PIECE):
        pieces = pieces * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + len(pieces)]
    pieces = np.unique(pieces)
    factors = np.random.default_rng(1).integers(1, 1 << 63, (2, _PERMUTATIONS, 1), np.uint64)
    mixed = (pieces ^ (pieces >> np.uint64(31))) * (factors[0] | np.uint64(1)) + factors[1]
    least: np.ndarray = (mixed ^ (mixed >> np.uint64(32))).min(axis=1)
    return least


def near_identical(sketches: Sequence[Sketch], skeleton_of: Callable[[int], str]) -> list[Pair]:
    """Return the pairs that are alike, the most alike first.

    Args:
        sketches: of different programs.
        skeleton_of: the skeleton of a program, by its number.
    """
    from rapidfuzz.distance import Indel

    if len(sketches) < 2:
        return []
    table = np.stack(sketches)
    pairs = []
    for one, other in _likeliest(table):
        likeness = Indel.normalized_similarity(
            skeleton_of(one), skeleton_of(other), score_cutoff=LEAST_ALIKE
        )
        if likeness >= LEAST_ALIKE:
            pairs.append(Pair(float(likeness), one, other))
    return sorted(pairs, key=lambda pair: (-pair.likeness, pair.one, pair.other))


def _likeliest(table: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield at most _MOST_COMPARED candidates of each program, in the order of programs."""
    found = np.unique(np.concatenate(list(_candidates(table))), axis=0)
    shared = np.concatenate(
        [
            (table[some[:, 0]] == table[some[:, 1]]).mean(axis=1)
            for some in np.array_split(found, max(1, len(found) // 10_000))
        ]
    )
    taken = np.zeros(len(table), np.int64)
    chosen = []
    for at in np.lexsort((found[:, 1], found[:, 0], -shared)):
        one, other = found[at]
        if min(taken[one], taken[other]) < _MOST_COMPARED:
            taken[one] += 1
            taken[other] += 1
            chosen.append((int(one), int(other)))
    yield from sorted(chosen)


def _candidates(table: np.ndarray) -> Iterator[np.ndarray]:
    """Yield int[n, 2]: pairs that have a band in common, near each other where many have."""
    width = table.shape[1] // _BANDS
    yield np.zeros((0, 2), np.int64)
    for band in range(_BANDS):
        first = band * width
        order = np.roll(np.arange(table.shape[1]), -first)  # ties: by the rest of the signature
        ranked = np.lexsort(table[:, order[::-1]].T)
        keys = table[ranked][:, first : first + width]
        for step in range(1, min(_NEIGHBOURS, len(table) - 1) + 1):
            same = (keys[step:] == keys[:-step]).all(axis=1)
            pairs = np.stack([ranked[:-step][same], ranked[step:][same]], axis=1)
            yield np.sort(pairs, axis=1)
