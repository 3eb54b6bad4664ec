"""E0 of a metric without bounds: the t over the items of one pair of checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import ROUNDING, FloatArray, as_deltas
from talan_eval.stats.clusters import Labels, as_clusters, robust_mean_variance
from talan_eval.stats.guard import ErrorTerm, Guarded, guarded

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ItemMean:
    """A mean difference over random items.

    Attributes:
        delta: Mean difference.
        guard: Interval and p; None with one item, or where all items differ by the same.
        terms: The error terms that it is made from; none without it.
    """

    delta: float
    guard: Guarded | None
    terms: tuple[ErrorTerm, ...] = ()


def mean_of_items(
    row: FloatArray, alpha: float, clusters: Labels | Sequence[str] | Sequence[int] | None = None
) -> ItemMean:
    """Compare one pair of checkpoints item by item.

    Args:
        row: Differences of one seed, shape (N,).
        alpha: Two-sided error rate.
        clusters: One cluster id per item, where items are not independent.

    Returns:
        The t interval on N - 1 degrees of freedom; with G clusters the wider of it and the cluster-robust one on G - 1.
        Approximate where items' differences have heavy tails; nothing is said about re-training.
    """
    values = as_deltas(np.asarray(row)[None, :])[0]
    delta, size = float(values.mean()), len(values)
    if size < 2 or float(np.ptp(values)) <= ROUNDING * float(np.abs(values).max()):  # noqa: PLR2004 - a variance
        return ItemMean(delta, None)
    terms = [ErrorTerm("t", math.sqrt(float(values.var(ddof=1)) / size), size - 1)]
    if clusters is not None:
        members = as_clusters(clusters, size)
        terms.append(ErrorTerm("t", math.sqrt(robust_mean_variance(values, members)), members.count - 1))
    return ItemMean(delta, guarded(delta, terms, alpha), tuple(terms))
