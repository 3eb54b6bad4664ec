"""Seeds that are copies of one another: the one error that makes every statistic over seeds look certain."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray

MIN_ITEMS = 20  # with fewer items two honest seeds can agree everywhere


def copied_seeds(base: FloatArray, treat: FloatArray, least: int = MIN_ITEMS) -> tuple[tuple[int, int], ...]:
    """Find pairs of seeds with identical scores in both arms.

    One run that is counted S times has no spread between seeds and no interaction, so that only the floor of the guard
    is left. The differences alone cannot tell: two seeds without any change are honest. The scores can.

    Args:
        base: Scores of the base arm, shape (S, N).
        treat: Scores of the treat arm, shape (S, N).
        least: Items from which on equal scores are taken for more than chance.

    Returns:
        Positions (i, j), i < j, of identical seeds; empty with fewer items than ``least``. Seeds on which an arm scores
        the same on every item (all right, all wrong) say nothing about copying and are not listed.

    Raises:
        ValueError: If the arms differ in shape.
    """
    if base.shape != treat.shape:
        raise ValueError(f"the arms need the same seeds and items, got {base.shape} and {treat.shape}")
    if base.shape[1] < least:
        return ()
    scores = np.concatenate([base, treat], axis=1)
    varied = (np.ptp(base, axis=1) > 0) & (np.ptp(treat, axis=1) > 0)
    return tuple(
        (one, other)
        for one, other in combinations(range(len(scores)), 2)
        if varied[one] and np.array_equal(scores[one], scores[other])
    )
