"""How many cells gained, against what chance gives.

The benchmarks of a backbone share their training seeds, so their gains are not independent and the count is not
binomial: "positive on 4 of 4" is common by chance. One sign per seed and backbone keeps that dependence; all patterns
are enumerated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.stats.arrays import FloatArray

MAX_SEEDS: Final = 16
"""Seeds of a backbone whose sign patterns are enumerated."""
_EQUAL: Final = 1e-11  # sums of binary fractions differ by less


@dataclass(frozen=True)
class PositiveCount:
    """Cells that gained.

    Attributes:
        positive: How many.
        p: Probability of at least so many by chance; None where that is not enumerated, as the next two.
        median: Median number by chance.
        all_positive: Probability that all gain by chance.
        g1: Whether no cell lost and at least one gained: the audit that this project calls G1, a count and no test.
    """

    positive: int
    p: float | None
    median: int | None
    all_positive: float | None
    g1: bool


def positive_count(gains: Sequence[float], by_seed: Sequence[FloatArray]) -> PositiveCount:
    """Count positive cells and enumerate the null distribution of that count.

    Args:
        gains: Mean gain of each of C cells, as shares.
        by_seed: Of each backbone the gains of its cells by training seed, shape (its cells, its seeds), 0 where a cell
            lacks a seed; empty where seeds are not paired.
    """
    positive = sum(gain > _EQUAL for gain in gains)
    g1 = min(gains) >= -_EQUAL and positive > 0
    if not by_seed or any(rows.shape[1] > MAX_SEEDS for rows in by_seed):
        return PositiveCount(positive, None, None, None, g1)
    law = np.ones(1)
    for rows in by_seed:
        law = np.convolve(law, _count_law(rows))
    return PositiveCount(
        positive=positive,
        p=min(1.0, float(law[positive:].sum())),
        median=int(np.searchsorted(np.cumsum(law), 0.5 - _EQUAL)),
        all_positive=min(1.0, float(law[-1])),
        g1=g1,
    )


def seed_rows(cells: Sequence[Mapping[int, float]]) -> FloatArray:
    """Arrange the gains of a backbone's cells, each by seed, as rows over all of its seeds, 0 where one is missing."""
    seeds = sorted({seed for cell in cells for seed in cell})
    return np.array([[cell.get(seed, 0.0) for seed in seeds] for cell in cells], dtype=np.float64)


def _count_law(rows: FloatArray) -> FloatArray:
    """Return the probabilities of 0..C positive cells over all sign patterns of one backbone's S seeds."""
    n_cells, n_seeds = rows.shape
    patterns = 1 - 2 * ((np.arange(2**n_seeds)[:, None] >> np.arange(n_seeds)) & 1)
    counts = (patterns @ rows.T > _EQUAL * n_seeds).sum(axis=1)
    return np.asarray(np.bincount(counts, minlength=n_cells + 1) / len(patterns), dtype=np.float64)
