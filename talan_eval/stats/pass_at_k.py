"""pass@k: the chance that at least one of k answers is right, estimated without bias from n answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray

_ROUNDING = 1e-6  # far above the rounding of a mean over answers, far below one answer


def pass_at_k(shares: FloatArray, n: int, k: int) -> FloatArray:
    """Estimate pass@k of each item as ``1 - C(n - c, k) / C(n, k)`` (Chen et al. 2021, arXiv 2107.03374, equation 1).

    Args:
        shares: Share c / n of right answers of each item, any shape.
        n: Answers to each item.
        k: Answers of which one must be right, 1 to n; 1 gives the shares themselves.

    Returns:
        The estimates, in the shape of ``shares``. They are unbiased for answers drawn independently; greedy answers are
        one and the same, of which nothing follows.

    Raises:
        ValueError: If k is not from 1 to n, or a share is no share of n right-or-wrong answers.
    """
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs from {k} answers on, and there are {n}")
    counts = np.rint(shares * n)
    if float(np.abs(shares * n - counts).max(initial=0.0)) > _ROUNDING or counts.min() < 0 or counts.max() > n:
        raise ValueError(f"pass@{k} needs answers that are right or wrong, and some score between")
    wrong = n - counts
    none_right = np.ones_like(shares, dtype=np.float64)
    for drawn in range(k):
        none_right *= np.maximum(wrong - drawn, 0.0) / (n - drawn)
    return np.asarray(1.0 - none_right, dtype=np.float64)
