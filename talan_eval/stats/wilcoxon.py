"""The Wilcoxon signed-rank test over seeds, exact, for readers who ask for it by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from talan_eval.stats.arrays import IntArray
    from talan_eval.stats.signflip import SeedSums

MAX_SEEDS = 50  # the rank sums are convolved exactly; 2^50 still fits a float64 count


@dataclass(frozen=True)
class SignedRank:
    """Result of the signed-rank test.

    Attributes:
        statistic: The smaller of the two rank sums, with mid-ranks for ties.
        p: Two-sided p-value, exact over all sign vectors given the (mid-)ranks.
        n_used: Seeds with a difference other than zero; zeros are dropped (Wilcoxon's own treatment).
    """

    statistic: float
    p: float
    n_used: int


def signed_rank(sums: SeedSums) -> SignedRank:
    """Exact two-sided Wilcoxon (1945) signed-rank test of the seed differences.

    Mid-ranks are doubled to integers and the null distribution is convolved seed by seed, so that ties are exact: with
    ties it remains the exact conditional test, where library routines fall back to a normal approximation.

    Args:
        sums: Seed differences as integers, up to 50 seeds.

    Returns:
        The test; p is 1 when all differences are zero. Not covered: what the mean gain is. The test looks at ranks, so
        it can disagree in sign with the mean that is reported.

    Raises:
        ValueError: With more than 50 seeds.
    """
    counts = sums.counts[sums.counts != 0]
    if len(counts) > MAX_SEEDS:
        raise ValueError(f"signed ranks are enumerated up to {MAX_SEEDS} seeds, got {len(counts)}")
    if len(counts) == 0:
        return SignedRank(0.0, 1.0, 0)
    doubled = _doubled_ranks(np.abs(counts))
    positive = int(doubled[counts > 0].sum())
    smaller = min(positive, int(doubled.sum()) - positive)
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1
    for rank in doubled:
        ways[rank:] = ways[rank:] + ways[: len(ways) - rank]
    tail = float(ways[: smaller + 1].sum()) / 2.0 ** len(counts)
    return SignedRank(smaller / 2, min(1.0, 2 * tail), len(counts))


def _doubled_ranks(values: IntArray) -> IntArray:
    _, codes, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    # ranks first..last of a tie share their mean, (first + last) / 2
    return np.asarray((2 * last - sizes + 1)[codes.reshape(-1)], dtype=np.int64)
