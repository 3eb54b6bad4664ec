"""Items that come in clusters: passages with several questions, variants of one template, problems of one source.

The answers inside a cluster go together, so N items say less about *new* items than N independent ones. Whatever treats
items as random (E0, E2, the bootstraps over items) takes a cluster id per item and then counts clusters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from talan_eval.stats.arrays import FloatArray, IntArray, as_deltas

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_CLUSTERS = 2

Labels = NDArray[np.int64] | NDArray[np.str_]


@dataclass(frozen=True)
class Clusters:
    """Cluster membership of the items of one benchmark.

    Attributes:
        codes: Shape (N,), the cluster of each item as 0..G-1.
        sizes: Shape (G,), items per cluster, each at least 1.
    """

    codes: IntArray
    sizes: IntArray

    @property
    def count(self) -> int:
        """Return the number of clusters G."""
        return len(self.sizes)

    def totals(self, matrix: FloatArray) -> FloatArray:
        """Sum the columns of each cluster: (R, N) to (R, G)."""
        order = np.argsort(self.codes, kind="stable")
        starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        return np.asarray(np.add.reduceat(matrix[:, order], starts, axis=1), dtype=np.float64)


@dataclass(frozen=True)
class ClusterDiagnostics:
    """How much clustering costs.

    Attributes:
        clusters: G.
        largest: Items in the largest cluster.
        icc: Intraclass correlation of the item means, one-way ANOVA estimator; may be slightly negative by chance. 0
            where the item means do not vary.
        design_effect: Cluster-robust variance of the mean over items divided by that of independent items; above 1 the
            interval that ignores clusters is too narrow. 1 where the item means do not vary.
    """

    clusters: int
    largest: int
    icc: float
    design_effect: float


def as_clusters(labels: Labels | Sequence[str] | Sequence[int], n_items: int) -> Clusters:
    """Number the clusters.

    Args:
        labels: One label per item, strings or integers, in the order of the items.
        n_items: N.

    Returns:
        The membership; relabelling the clusters changes no result.

    Raises:
        ValueError: If the number of labels is not N, or if all items share one cluster, which leaves nothing to
            estimate a variance from.
    """
    array = np.asarray(labels)
    if array.shape != (n_items,):
        raise ValueError(f"expected one cluster id for each of the {n_items} items, got shape {array.shape}")
    _, codes, sizes = np.unique(array, return_inverse=True, return_counts=True)
    if len(sizes) < MIN_CLUSTERS:
        raise ValueError("a variance between clusters needs at least two clusters of items")
    return Clusters(codes.reshape(-1).astype(np.int64), sizes.astype(np.int64))


def robust_mean_variance(values: FloatArray, clusters: Clusters) -> float:
    """Return the cluster-robust variance of the mean over items.

    ``G/(G-1) sum_g (sum_{i in g} (v_i - mean))^2 / N^2`` (Liang and Zeger 1986, with the usual small-sample factor), to
    be used with ``t_{G-1}``. With one item per cluster it is the ordinary ``var(v) / N``.

    Args:
        values: Shape (N,).
        clusters: Membership of the N items.

    Returns:
        A squared proportion. With a handful of very unequal clusters it is biased downwards, and so is every
        sandwich estimator.
    """
    totals = clusters.totals((values - values.mean())[None, :])[0]
    factor = clusters.count / (clusters.count - 1)
    return factor * float(np.square(totals).sum()) / len(values) ** 2


def cluster_diagnostics(deltas: FloatArray, labels: Labels | Sequence[str] | Sequence[int]) -> ClusterDiagnostics:
    """Describe the clustering of the item means.

    Args:
        deltas: Shape (S, N).
        labels: One cluster id per item.

    Returns:
        Number and size of the clusters, ICC ``(MSB - MSW) / (MSB + (n0 - 1) MSW)`` with
        ``n0 = (N - sum n_g^2 / N) / (G - 1)`` (Donner 1986), and the design effect.
    """
    means = as_deltas(deltas).mean(axis=0)
    n_items = len(means)
    clusters = as_clusters(labels, n_items)
    count, sizes = clusters.count, clusters.sizes.astype(np.float64)
    centred = means - means.mean()
    spread = float(np.square(centred).sum())
    if n_items < 2 or spread == 0:  # noqa: PLR2004 - a variance needs two values
        return ClusterDiagnostics(count, int(sizes.max()), 0.0, 1.0)
    cluster_means = clusters.totals(centred[None, :])[0] / sizes
    between = float((sizes * np.square(cluster_means)).sum())
    within = max(spread - between, 0.0)
    effect = robust_mean_variance(means, clusters) / (spread / (n_items - 1) / n_items)
    if count == n_items:
        return ClusterDiagnostics(count, 1, 0.0, effect)
    ms_between, ms_within = between / (count - 1), within / (n_items - count)
    usual_size = (n_items - float(np.square(sizes).sum()) / n_items) / (count - 1)
    denominator = ms_between + (usual_size - 1) * ms_within
    icc = (ms_between - ms_within) / denominator if denominator > 0 else 0.0
    return ClusterDiagnostics(count, int(sizes.max()), icc if math.isfinite(icc) else 0.0, effect)
