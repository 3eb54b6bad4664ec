"""The shared vocabulary: the difference matrix, intervals, and quantiles that mirror when the arms are swapped."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Sums of a few thousand float64 values near 1 carry about 1e-14 of rounding. Spreads below this share of the largest
# difference are rounding, not variation between seeds.
ROUNDING = 1e-12


class Interval(NamedTuple):
    """A two-sided interval in proportions, ``lo <= hi``."""

    lo: float
    hi: float


def as_deltas(deltas: FloatArray) -> FloatArray:
    """Check a difference matrix.

    Args:
        deltas: Shape (S, N), values in [-1, 1].

    Returns:
        The same matrix as float64.

    Raises:
        ValueError: If it is not two-dimensional, is empty, is not finite or leaves [-1, 1].
    """
    matrix = np.asarray(deltas, dtype=np.float64)
    if matrix.ndim != 2 or matrix.size == 0:  # noqa: PLR2004 - seeds and items are the two axes
        raise ValueError(f"expected a non-empty (seeds, items) matrix of differences, got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("differences must be finite; drop a crashed seed from both arms instead of scoring it NaN")
    if np.abs(matrix).max() > 1 + ROUNDING:
        raise ValueError("differences must lie in [-1, 1]: give scores as proportions, not as points")
    return matrix


def lower_quantile(values: FloatArray, weights: FloatArray, tail: float) -> float:
    """Return the smallest value whose cumulative weight reaches a share of the total (the inverted CDF).

    Args:
        values: Shape (M,); infinities are allowed.
        weights: Shape (M,), non-negative.
        tail: The share, in (0, 1).

    Returns:
        The ``ceil(tail * total)``-th order statistic, one of ``values``.
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    position = int(np.searchsorted(cumulative, tail * cumulative[-1] * (1 - ROUNDING), side="left"))
    return float(values[order[min(position, len(order) - 1)]])


def upper_quantile(values: FloatArray, weights: FloatArray, tail: float) -> float:
    """Return the mirror image of ``lower_quantile``: swapping the arms negates and swaps the two ends exactly."""
    return -lower_quantile(-values, weights, tail)
