"""Descriptive summaries over seeds and cells. They carry no interval and support no claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray


def equal_weight_mean(per_seed: FloatArray) -> FloatArray:
    """Return the primary statistic of each seed, G_s = mean over cells.

    Args:
        per_seed: Shape (C, S), mean difference of each cell and seed.

    Returns:
        Shape (S,). Seeds stay joint across cells: they are resampled and flipped together.
    """
    return np.asarray(per_seed.mean(axis=0), dtype=np.float64)


def interquartile_mean(per_seed: FloatArray) -> float:
    """Return the mean of the middle half of all (cell, seed) differences (Agarwal et al. 2021).

    A quarter of the values, rounded down, is cut from each side.

    Args:
        per_seed: Any shape, at least one value.
    """
    ordered = np.sort(per_seed, axis=None)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def probability_of_improvement(per_seed: FloatArray) -> float:
    """Return the share of (cell, seed) pairs with a gain, ties at one half: the paired probability of improvement.

    Args:
        per_seed: Any shape, at least one value.
    """
    return float(np.mean((per_seed > 0) + 0.5 * (per_seed == 0)))
