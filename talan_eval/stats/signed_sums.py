"""The law of a signed sum under fair signs: how many of all 2^S sign patterns reach a value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from talan_eval.stats.arrays import IntArray

_HALVES = 40  # up to here two halves of 2^20 signed sums are listed and met in the middle
_CELLS = 2**22  # of the table that is convolved above; larger sums are rounded onto so many, and near-ties are ties


def share_that_reaches(counts: IntArray, needed: int) -> float:
    """Return the share of sign patterns with ``|sum_s e_s c_s| >= needed``, however many units there are.

    Up to 40 units are enumerated by meeting in the middle. More are convolved: the sums over the units whose sign is
    turned are integers, and one table holds the probability of each. Both count every pattern and draw none. Where the
    counts reach further than the table, they are rounded onto it, and what might be a tie after rounding counts as one,
    which can only raise the share.

    Args:
        counts: Shape (S,), integers.
        needed: The value to reach; at 0 or below every pattern does.
    """
    if needed <= 0:
        return 1.0
    sizes = np.abs(counts[counts != 0])
    if len(sizes) <= _HALVES:
        left, right = _all_sums(sizes[: len(sizes) // 2]), np.sort(_all_sums(sizes[len(sizes) // 2 :]))
        reached = int((len(right) - np.searchsorted(right, needed - left, side="left")).sum())
        return 2 * reached / 2.0 ** len(sizes)
    return _convolved(sizes, needed)


def _convolved(sizes: IntArray, needed: int) -> float:
    """Return twice the probability that the units turned add up to no more than half of what may be lost."""
    unit = math.gcd(*sizes.tolist())
    sizes, needed = sizes // unit, -(-needed // unit)
    step = -(-int(sizes.sum()) // _CELLS)
    if step > 1:
        needed -= len(sizes) * step // 2 + 1  # each size moves by at most half a step
        sizes = np.asarray(np.rint(sizes / step), dtype=np.int64)
        needed = needed // step
    most = (int(sizes.sum()) - needed) // 2
    if most < 0:
        return 0.0
    # sums beyond "most" never come back below it, so the table ends there
    law = np.zeros(most + 1)
    law[0] = 1.0
    for size in sizes.tolist():
        law *= 0.5
        if size <= most:
            law[size:] += law[: most + 1 - size].copy()
    return min(1.0, 2 * float(law.sum()))


def _all_sums(counts: IntArray) -> IntArray:
    sums = np.zeros(1, dtype=np.int64)
    for count in counts:
        sums = np.concatenate([sums + count, sums - count])
    return sums
