"""Several cells at once: Holm, joint sign-flip max-T, and the false discovery rate for exploration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.signflip import SeedSums, signed_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.arrays import FloatArray


def holm(p_values: FloatArray) -> FloatArray:
    """Holm's (1979) step-down adjusted p-values.

    Args:
        p_values: Shape (C,).

    Returns:
        Adjusted p-values in the order given, shape (C,); valid under any dependence.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    scaled = raw[order] * (len(raw) - np.arange(len(raw)))
    adjusted = np.empty(len(raw))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted


def benjamini_hochberg(p_values: FloatArray) -> FloatArray:
    """Benjamini and Hochberg's (1995) adjusted p-values: false discovery rate, for columns named exploratory.

    Args:
        p_values: Shape (C,).

    Returns:
        Adjusted p-values in the order given, shape (C,); valid for independent or positively dependent tests. They do
        not bound the chance of any false claim, so no verdict rests on them.
    """
    return _step_up(p_values, 1.0)


def benjamini_yekutieli(p_values: FloatArray) -> FloatArray:
    """Benjamini and Yekutieli's (2001) adjusted p-values: false discovery rate under any dependence.

    Args:
        p_values: Shape (C,).

    Returns:
        Adjusted p-values in the order given, shape (C,): Benjamini-Hochberg times ``1 + 1/2 + ... + 1/C``.
    """
    return _step_up(p_values, float((1 / np.arange(1, len(p_values) + 1)).sum()))


def max_t(cells: Sequence[SeedSums]) -> FloatArray:
    """Joint sign-flip max-T, step-down (Westfall and Young 1993), by full enumeration.

    One sign per seed flips all cells together, so the dependence between the benchmarks of one trained pair is kept.
    The statistic of a cell is ``|sum_s e_s d_s| / sqrt(sum_s d_s^2)``, which under sign flips orders like |t|. A cell
    in which nothing changed has statistic 0 and p 1.

    Args:
        cells: Each with counts of shape (S,) over the same seeds; a seed that a cell lacks counts 0 there.

    Returns:
        Adjusted two-sided p-values in the order given, shape (C,); the smallest possible is 2/2^S.

    Raises:
        ValueError: With more than 20 seeds.
    """
    counts = np.stack([cell.counts for cell in cells])
    norms = np.sqrt(np.square(counts.astype(np.float64)).sum(axis=1))
    norms[norms == 0] = 1.0
    flipped = np.abs(signed_sums(counts)) / norms[:, None]
    observed = np.abs(counts.sum(axis=1)) / norms
    slack = np.array([cell.slack for cell in cells]) / norms
    order = np.argsort(-observed, kind="stable")
    adjusted = np.empty(len(cells))
    running = 0.0
    for position, cell in enumerate(order):
        largest = flipped[order[position:]].max(axis=0)
        # equal integer sums over the same norm may differ in the last bit: count them as the ties that they are
        reached = largest >= observed[cell] * (1 - 1e-12) - slack[cell]
        running = max(running, float(reached.mean()))
        adjusted[cell] = running
    return adjusted


def _step_up(p_values: FloatArray, factor: float) -> FloatArray:
    raw = np.asarray(p_values, dtype=np.float64)
    count = len(raw)
    order = np.argsort(-raw, kind="stable")
    scaled = factor * raw[order] * count / np.arange(count, 0, -1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled))
    return adjusted
