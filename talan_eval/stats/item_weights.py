"""Resampled means over items, the expensive half of the two-way bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.multinomial import weighted_sums

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray
    from talan_eval.stats.clusters import Clusters

_DYADIC = 64.0  # scores that are multiples of 1/64 sum exactly in single precision
_EXACT_IN_SINGLE = 2**24


def resampled_means(
    matrix: FloatArray, clusters: Clusters | None, resamples: int, rng: np.random.Generator
) -> FloatArray:
    """Return the mean over resampled items of each row.

    Args:
        matrix: Shape (R, N); all rows see the same resampled items.
        clusters: Membership of the items; whole clusters are drawn where given.
        resamples: Number of resamples B.
        rng: Source of randomness.

    Returns:
        Shape (B, R).
    """
    if clusters is not None:
        return _resampled_clusters(matrix, clusters, resamples, rng)
    n_items = matrix.shape[1]
    changed = np.ascontiguousarray(matrix[:, np.any(matrix != 0, axis=0)].T)
    n_changed = len(changed)
    if n_changed == 0:
        return np.zeros((resamples, matrix.shape[0]))
    hits = rng.binomial(n_items, n_changed / n_items, size=resamples)
    sums = weighted_sums(changed.astype(_precision(changed, n_items)), hits, rng)
    sums /= n_items
    return sums


def _resampled_clusters(matrix: FloatArray, clusters: Clusters, resamples: int, rng: np.random.Generator) -> FloatArray:
    columns = np.vstack([clusters.totals(matrix), clusters.sizes.astype(np.float64)[None, :]]).T
    sums = weighted_sums(np.ascontiguousarray(columns), np.full(resamples, clusters.count), rng)
    return sums[:, :-1] / sums[:, -1:]


def _precision(columns: FloatArray, n_items: int) -> type[np.float32 | np.float64]:
    """Return single precision where it is exact: multiples of 1/64 whose largest possible sum stays below 2^24/64."""
    scaled = columns * _DYADIC
    exact = n_items * _DYADIC < _EXACT_IN_SINGLE and bool(np.array_equal(scaled, np.rint(scaled)))
    return np.float32 if exact else np.float64
