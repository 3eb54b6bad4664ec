"""Mean squares of the crossed seed-by-item layout, one observation per cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from talan_eval.stats.arrays import ROUNDING, FloatArray, as_deltas


@dataclass(frozen=True)
class MeanSquares:
    """Two-way mean squares of a difference matrix, in squared proportions.

    Attributes:
        n_seeds: S, at least 2.
        n_items: N, at least 1.
        seed: MS_S, on S - 1 degrees of freedom.
        item: MS_I, on N - 1 degrees of freedom; None with a single item.
        error: MS_E, interaction and noise together, on (S - 1)(N - 1) degrees of freedom; None with a single item.
    """

    n_seeds: int
    n_items: int
    seed: float
    item: float | None
    error: float | None

    @property
    def size(self) -> int:
        """Return S * N."""
        return self.n_seeds * self.n_items


def mean_squares(deltas: FloatArray) -> MeanSquares:
    """Compute MS_S, MS_I and MS_E.

    MS_E is summed from the residuals; the textbook subtraction of sums of squares can come out negative in float64.

    Args:
        deltas: Shape (S, N) with S >= 2, values in [-1, 1].

    Returns:
        The mean squares. MS_S is exactly zero when the seed means differ by rounding only.

    Raises:
        ValueError: With a single seed, where no between-seed variation can be seen.
    """
    matrix = as_deltas(deltas)
    n_seeds, n_items = matrix.shape
    if n_seeds < 2:  # noqa: PLR2004 - a variance needs two values
        raise ValueError("mean squares need at least two seeds; one seed supports E0 only")
    seed_means = matrix.mean(axis=1)
    constant = float(np.ptp(seed_means)) <= ROUNDING * float(np.abs(matrix).max())
    seed = 0.0 if constant else n_items * float(seed_means.var(ddof=1))
    if n_items == 1:
        return MeanSquares(n_seeds, n_items, seed, None, None)
    item_means = matrix.mean(axis=0)
    item = n_seeds * float(item_means.var(ddof=1))
    residual = matrix - seed_means[:, None] - item_means[None, :] + seed_means.mean()
    error = float(np.square(residual).sum()) / ((n_seeds - 1) * (n_items - 1))
    return MeanSquares(n_seeds, n_items, seed, item, error)
