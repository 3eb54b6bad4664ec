"""The two-way (pigeonhole) bootstrap over seeds and items (Owen 2007), for E2 beside the analytic interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import ROUNDING, FloatArray, Interval, as_deltas, lower_quantile, upper_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK = 1024  # resamples whose item weights are held at a time


def pigeonhole_interval(
    cells: Sequence[FloatArray], resamples: int, rng: np.random.Generator, alpha: float
) -> Interval | None:
    """Percentile interval of the two-way bootstrap; valid for crossed data, and wide.

    Seeds are resampled jointly for all cells (one draw per resample), items independently per cell; the statistic is
    the equal-weight mean over cells of ``sum_s sum_i W_s U_i D[s, i] / (S N)``. Item weights are drawn once per cell
    and applied to all seeds in one matrix product. Items without any difference contribute nothing, so only the
    number of draws that hit the others is simulated, with the same law.

    Args:
        cells: Difference matrices (S, N_c) over the same S seeds.
        resamples: Number of resamples.
        rng: Source of randomness; the draws do not depend on the sign of the differences, so swapping the arms mirrors
            the interval exactly.
        alpha: Two-sided error rate.

    Returns:
        The interval in proportions, or None where it would have no width.

    Raises:
        ValueError: If the cells differ in their number of seeds.
    """
    matrices = [as_deltas(cell) for cell in cells]
    n_seeds = matrices[0].shape[0]
    if any(matrix.shape[0] != n_seeds for matrix in matrices):
        raise ValueError("seeds are resampled jointly: all cells need the same seeds")
    seed_weights = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=resamples).astype(np.float64)
    total = np.zeros(resamples)
    for matrix in matrices:
        per_seed = _resampled_items(matrix, resamples, rng)
        total += (seed_weights * per_seed).sum(axis=1) / (n_seeds * matrix.shape[1])
    return _percentile(total / len(matrices), alpha)


def item_bootstrap_interval(row: FloatArray, resamples: int, rng: np.random.Generator, alpha: float) -> Interval | None:
    """Percentile interval of the paired bootstrap over items, for one checkpoint pair (E0 only).

    Args:
        row: Differences of one seed, shape (N,).
        resamples: Number of resamples.
        rng: Source of randomness.
        alpha: Two-sided error rate.

    Returns:
        The interval in proportions, or None where it would have no width. It says nothing about re-training.
    """
    matrix = as_deltas(row[None, :])
    return _percentile(_resampled_items(matrix, resamples, rng)[:, 0] / matrix.shape[1], alpha)


def _resampled_items(matrix: FloatArray, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Return sum_i U_i D[s, i] for multinomial item weights U, shape (resamples, S)."""
    n_items = matrix.shape[1]
    changed = np.ascontiguousarray(matrix[:, np.any(matrix != 0, axis=0)].T)
    n_changed = len(changed)
    result = np.zeros((resamples, matrix.shape[0]))
    if n_changed == 0:
        return result
    hits = rng.binomial(n_items, n_changed / n_items, size=resamples)
    for start in range(0, resamples, _CHUNK):
        chunk = hits[start : start + _CHUNK]
        rows = np.repeat(np.arange(len(chunk)) * n_changed, chunk)
        drawn = rng.integers(0, n_changed, size=len(rows)) + rows
        weights = np.bincount(drawn, minlength=len(chunk) * n_changed).reshape(len(chunk), n_changed)
        result[start : start + len(chunk)] = weights.astype(np.float64) @ changed
    return result


def _percentile(values: FloatArray, alpha: float) -> Interval | None:
    ones = np.ones(len(values))
    lo, hi = lower_quantile(values, ones, alpha / 2), upper_quantile(values, ones, alpha / 2)
    return Interval(lo, hi) if hi - lo > ROUNDING * max(abs(lo), abs(hi)) else None
