"""Mean squares of the crossed seed-by-item layout, one observation per cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import ROUNDING, FloatArray, as_deltas
from talan_eval.stats.clusters import Clusters, Labels, as_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class MeanSquares:
    """Two-way mean squares of a difference matrix, in squared proportions.

    Attributes:
        n_seeds: S, at least 2.
        n_items: N, at least 1.
        seed: MS_S, on S - 1 degrees of freedom.
        item: MS_I, on ``item_df`` degrees of freedom; None with a single item.
        error: MS_E, interaction and noise together, on ``error_df`` degrees of freedom; None with a single item.
        n_clusters: G, when MS_I and MS_E are the cluster-robust ones; None when items are independent.
    """

    n_seeds: int
    n_items: int
    seed: float
    item: float | None
    error: float | None
    n_clusters: int | None = None

    @property
    def size(self) -> int:
        """Return S * N."""
        return self.n_seeds * self.n_items

    @property
    def item_df(self) -> int:
        """Return the degrees of freedom of MS_I: N - 1, or G - 1 with clusters."""
        return (self.n_items if self.n_clusters is None else self.n_clusters) - 1

    @property
    def error_df(self) -> int:
        """Return the degrees of freedom of MS_E: (S - 1)(N - 1), or (S - 1)(G - 1) with clusters."""
        return (self.n_seeds - 1) * self.item_df


def mean_squares(deltas: FloatArray, clusters: Labels | Sequence[str] | Sequence[int] | None = None) -> MeanSquares:
    """Compute MS_S, MS_I and MS_E.

    MS_E is summed from the residuals; the textbook subtraction of sums of squares can come out negative in float64.

    With clusters, MS_I and MS_E are the cluster-robust ones, which estimate the same multiple of the variance of the
    mean without assuming independent items: squared sums over the clusters replace squared values,
    ``MS_I = G/(G-1) S/N sum_g (sum_{i in g} (m_i - dbar))^2`` and
    ``MS_E = G/(G-1) sum_s sum_g (sum_{i in g} r_si)^2 / (N (S-1))``. One item per cluster gives the ordinary ones.

    Args:
        deltas: Shape (S, N) with S >= 2, values in [-1, 1].
        clusters: One cluster id per item, where items are not independent.

    Returns:
        The mean squares. Each is exactly zero where what it measures differs by rounding only.

    Raises:
        ValueError: With a single seed, where no between-seed variation can be seen, or with fewer than two clusters.
    """
    matrix = as_deltas(deltas)
    n_seeds, n_items = matrix.shape
    if n_seeds < 2:  # noqa: PLR2004 - a variance needs two values
        raise ValueError("mean squares need at least two seeds; one seed supports E0 only")
    members = None if clusters is None else as_clusters(clusters, n_items)
    seed_means = matrix.mean(axis=1)
    constant = float(np.ptp(seed_means)) <= ROUNDING * float(np.abs(matrix).max())
    seed = 0.0 if constant else n_items * float(seed_means.var(ddof=1))
    if n_items == 1:
        return MeanSquares(n_seeds, n_items, seed, None, None)
    item_means = matrix.mean(axis=0)
    centred = item_means - seed_means.mean()
    residual = matrix - seed_means[:, None]
    residual -= centred
    least = ROUNDING * float(np.abs(matrix).max())
    for part in (centred, residual):
        if float(np.abs(part).max()) <= least:
            part[:] = 0.0
    if members is None:
        item = n_seeds * float(centred @ centred) / (n_items - 1)
        flat = residual.ravel()
        error = float(flat @ flat) / ((n_seeds - 1) * (n_items - 1))
        return MeanSquares(n_seeds, n_items, seed, item, error)
    item, error = _robust(centred, residual, members)
    return MeanSquares(n_seeds, n_items, seed, item, error, members.count)


def _robust(centred: FloatArray, residual: FloatArray, members: Clusters) -> tuple[float, float]:
    n_seeds, n_items = residual.shape
    factor = members.count / (members.count - 1) / n_items
    totals = members.totals(np.vstack([centred[None, :], residual]))
    item = factor * n_seeds * float(np.square(totals[0]).sum())
    return item, factor * float(np.square(totals[1:]).sum()) / (n_seeds - 1)
