"""E0: trained pairs of checkpoints as they are, items random. Nothing here speaks of re-training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import special

from talan_eval.stats.arrays import FloatArray, Interval, as_deltas
from talan_eval.stats.clusters import Clusters, Labels, as_clusters, robust_mean_variance
from talan_eval.stats.guard import ErrorTerm, critical_value, guarded
from talan_eval.stats.noninferiority import GuardedDifference
from talan_eval.stats.pair_table import PairTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.noninferiority import Evidence

MAX_EXACT = 1000  # discordant items up to which the exact test is used
PairMethod = Literal["table", "t", "clusters"]


@dataclass(frozen=True)
class CheckpointPair:
    """E0 of one pair of checkpoints, or of the mean over several pairs whose seeds are fixed.

    Attributes:
        evidence: Bounds and one-sided p-values, of the same test as ``p`` and ``ci``.
        lost: Items on which the treated checkpoint scores less.
        gained: Items on which it scores more.
        p: Two-sided p of no mean difference; below alpha exactly when ``ci`` excludes zero.
        ci: Interval of the mean difference.
        sign_p: Sign test of the changed items, which is McNemar's test for right-or-wrong answers: exact up to 1,000 of
            them, mid-p above. It stands beside, by name, and decides nothing: with partial credit it may point the
            other way than the mean.
        method: Which test: of the table of right-or-wrong answers, t over items, or cluster-robust.
    """

    evidence: Evidence
    lost: int
    gained: int
    p: float
    ci: Interval
    sign_p: float
    method: PairMethod

    @property
    def delta(self) -> float:
        """Return the mean difference, a proportion."""
        return self.evidence.delta


def checkpoint_pair(
    row: FloatArray, alpha: float, clusters: Labels | Sequence[str] | Sequence[int] | None = None
) -> CheckpointPair:
    """Describe one pair of checkpoints.

    Right-or-wrong answers give the table of lost and gained items (``PairTable``). Partial credit gives the paired t
    over items, guarded by the Bonett-Price floor ``z sqrt(2) / (N + 2)``; with a single item nothing but that items
    lie between -1 and 1 is known. With clusters the widest of the cluster-robust ``t_{G-1}``, the t of independent
    items and the floor counts.

    Args:
        row: Differences of one seed, or their mean over seeds, shape (N,). The sign says whether an item is lost.
        alpha: Two-sided error rate.
        clusters: One cluster id per item, where items are not independent.

    Returns:
        Flips, p-value and interval, and what gates read.

    Raises:
        ValueError: With fewer than two clusters.
    """
    values = as_deltas(np.asarray(row)[None, :])[0]
    lost, gained = int((values < 0).sum()), int((values > 0).sum())
    sign_p = mcnemar_exact(lost, gained) if lost + gained <= MAX_EXACT else mcnemar_midp(lost, gained)
    if clusters is None and np.isin(values, (-1.0, 0.0, 1.0)).all():
        table = PairTable(len(values), lost, gained)
        return CheckpointPair(table, lost, gained, table.p, table.interval(alpha), sign_p, "table")
    members = None if clusters is None else as_clusters(clusters, len(values))
    difference = GuardedDifference(float(values.mean()), item_terms(values, members))
    found = guarded(difference.delta, difference.terms, alpha)
    ci = Interval(max(-1.0, found.ci.lo), min(1.0, found.ci.hi))
    return CheckpointPair(difference, lost, gained, found.p, ci, sign_p, "t" if members is None else "clusters")


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
    # tails of the binomial, up to and below the smaller, as incomplete beta functions, which take numbers of any size
    at_most = float(special.betainc(total - smaller, smaller + 1, 0.5)) if total > 0 else 1.0
    fewer = float(special.betainc(total - smaller + 1, smaller, 0.5)) if smaller > 0 else 0.0
    return min(1.0, at_most + fewer)


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


def item_terms(values: FloatArray, clusters: Clusters | None) -> tuple[ErrorTerm, ...]:
    """Return the error terms of a mean over random items: the t over items or clusters, and what guards it.

    Args:
        values: Differences, shape (N,).
        clusters: Membership of the items; None for independent ones.
    """
    size = len(values)
    floor = ErrorTerm("floor", math.sqrt(2) / (size + 2))
    if size < 2:  # noqa: PLR2004 - a variance needs two values
        return ErrorTerm("t", 1.0, 1), floor
    independent = math.sqrt(float(values.var(ddof=1)) / size)
    if clusters is None:
        return ErrorTerm("t", independent, size - 1), floor
    robust = math.sqrt(robust_mean_variance(values, clusters))
    return ErrorTerm("t", robust, clusters.count - 1), ErrorTerm("flip", independent), floor
