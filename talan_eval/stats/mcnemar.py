"""E0: one trained pair of checkpoints, items random. Nothing here speaks of re-training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from talan_eval.stats.arrays import FloatArray, Interval, as_deltas
from talan_eval.stats.clusters import Clusters, Labels, as_clusters, robust_mean_variance
from talan_eval.stats.guard import ErrorTerm, critical_value, guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_EXACT = 1000  # discordant items up to which the exact test is used


@dataclass(frozen=True)
class CheckpointPair:
    """E0 of one seed.

    Attributes:
        delta: Mean difference, a proportion.
        lost: Items on which the treated checkpoint scores less.
        gained: Items on which it scores more.
        p: McNemar p-value, exact up to 1,000 discordant items, mid-p above; the sign test of the changed items. With
            clusters the p-value of ``ci``.
        ci: Bonett-Price interval, or the cluster-robust one.
    """

    delta: float
    lost: int
    gained: int
    p: float
    ci: Interval


def checkpoint_pair(
    row: FloatArray, alpha: float, clusters: Labels | Sequence[str] | Sequence[int] | None = None
) -> CheckpointPair:
    """Describe one seed's pair of checkpoints.

    McNemar's test takes items as independent. With clusters the interval is the widest of the cluster-robust
    ``t_{G-1}`` one, the one of independent items and the Bonett-Price floor ``z sqrt(2) / (N + 2)``, and p is its own.

    Args:
        row: Differences of one seed, shape (N,). For means over k samples an item counts as lost or gained by its sign.
        alpha: Two-sided error rate.
        clusters: One cluster id per item, where items are not independent.

    Returns:
        Flips, p-value and interval.

    Raises:
        ValueError: With fewer than two clusters.
    """
    values = as_deltas(np.asarray(row)[None, :])[0]
    lost, gained = int((values < 0).sum()), int((values > 0).sum())
    if clusters is not None:
        delta = float(values.mean())
        guard = guarded(delta, _clustered_terms(values, as_clusters(clusters, len(values))), alpha)
        return CheckpointPair(delta, lost, gained, guard.p, guard.ci)
    p = mcnemar_exact(lost, gained) if lost + gained <= MAX_EXACT else mcnemar_midp(lost, gained)
    return CheckpointPair(float(values.mean()), lost, gained, p, bonett_price_interval(values, alpha))


def mcnemar_exact(lost: int, gained: int) -> float:
    """Exact two-sided McNemar p-value (binomial, one half) in integer arithmetic; 1 without discordant items."""
    total = lost + gained
    term, tail = 1, 1
    for successes in range(min(lost, gained)):
        term = term * (total - successes) // (successes + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << total))


def mcnemar_midp(lost: int, gained: int) -> float:
    """Mid-p two-sided McNemar p-value (Fagerland, Lydersen and Laake 2013); 1 without discordant items."""
    total, smaller = lost + gained, min(lost, gained)
    point = math.comb(total, smaller) / (1 << total)
    return min(1.0, 2 * float(special.bdtr(smaller, total, 0.5)) - point)


def bonett_price_interval(row: FloatArray, alpha: float) -> Interval:
    """Adjusted Wald interval of a paired difference of proportions (Bonett and Price 2012).

    With b lost and c gained items, ``p10 = (b+1)/(N+2)`` and ``p01 = (c+1)/(N+2)``, the interval is
    ``(p01 - p10) +- z sqrt((p10 + p01 - (p01 - p10)^2) / (N+2))``: one lost and one gained pseudo-item are added. The
    same two pseudo-items serve for fractional differences, where the formula below reduces to the published one for
    -1, 0, 1.

    Args:
        row: Differences of one seed, shape (N,).
        alpha: Two-sided error rate.

    Returns:
        The interval, clipped to [-1, 1]; never without width. It is centred on a slightly shrunken difference.
    """
    size = len(row) + 2
    centre = float(row.sum()) / size
    variance = (float(np.square(row).sum()) + 2) / size - centre * centre
    half = critical_value(math.inf, alpha) * math.sqrt(max(variance, 0.0) / size)
    return Interval(max(-1.0, centre - half), min(1.0, centre + half))


def _clustered_terms(values: FloatArray, clusters: Clusters) -> tuple[ErrorTerm, ...]:
    size = len(values)
    robust = robust_mean_variance(values, clusters)
    independent = float(values.var(ddof=1)) / size
    return (
        ErrorTerm("t", math.sqrt(robust), clusters.count - 1),
        ErrorTerm("flip", math.sqrt(independent)),
        ErrorTerm("floor", math.sqrt(2) / (size + 2)),
    )
