"""Where the spread of the seed differences comes from: training, flips of single items, decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import ROUNDING, FloatArray

if TYPE_CHECKING:
    from talan_eval.stats.mean_squares import MeanSquares


@dataclass(frozen=True)
class Components:
    """Variance components of one cell, in squared proportions.

    Attributes:
        tau2: Variance between training seeds of the true mean difference.
        phi_train: Variance per item and seed that re-training causes and that more samples per item do not reduce.
        phi_decode: Variance per item and seed of a single decoded sample, both arms together; divided by k.
    """

    tau2: float
    phi_train: float
    phi_decode: float

    def seed_variance(self, n_items: int, k: int) -> float:
        """Return the variance of one seed's difference, ``tau^2 + (phi_train + phi_decode / k) / N``."""
        return self.tau2 + self.noise(k) / n_items

    def noise(self, k: int) -> float:
        """Return the expected MS_E, ``phi_train + phi_decode / k``."""
        return self.phi_train + self.phi_decode / k


def variance_components(squares: MeanSquares, k: int, phi_decode: float) -> Components:
    """Estimate the components from a stored comparison.

    Method of moments: ``E MS_E = phi_train + phi_decode / k`` and ``E MS_S = N tau^2 + E MS_E``; what would be negative
    is 0.

    Args:
        squares: Mean squares of the cell, with two items or more and independent items.
        k: Samples per item of the stored run.
        phi_decode: Decoding variance, from ``decode_variance``.

    Returns:
        The components. With seven seeds tau is known to within a factor of about two: it is the weak link of a plan.

    Raises:
        ValueError: With a single item, where the error cannot be seen.
    """
    if squares.error is None:
        raise ValueError("variance components need at least two items")
    tau2 = max(squares.seed - squares.error, 0.0) / squares.n_items
    decode = min(phi_decode, squares.error * k)
    return Components(tau2, max(squares.error - decode / k, 0.0), decode)


def component_bounds(squares: MeanSquares, k: int) -> tuple[Components, Components]:
    """Return the two extremes that agree with the mean squares when the decoding variance is not known.

    Args:
        squares: Mean squares of the cell.
        k: Samples per item of the stored run.

    Returns:
        First all noise as decoding noise, where more samples help most; then all of it as training noise, where they do
        not help at all. With the stored k both give the same plan.
    """
    if squares.error is None:
        raise ValueError("variance components need at least two items")
    return variance_components(squares, k, squares.error * k), variance_components(squares, k, 0.0)


def decode_variance(base: FloatArray, treat: FloatArray, k: int) -> float:
    """Estimate the decoding variance of a difference of single samples from right-or-wrong samples.

    ``k / (k - 1) mean(y (1 - y))`` of both arms, unbiased for 0/1 samples that are drawn independently in the arms.

    Args:
        base: Means over k samples of the base arm, shape (S, N).
        treat: Means over k samples of the treat arm, shape (S, N).
        k: Samples per item, 2 or more.

    Returns:
        A squared proportion. Greedy decoding gives 0. Not covered: partial credit, and samples whose random numbers are
        shared by the arms.

    Raises:
        ValueError: With a single sample, where decoding and training cannot be told apart, or for means that no k
            right-or-wrong samples can give.
    """
    if k < 2:  # noqa: PLR2004 - a variance needs two values
        raise ValueError("the decoding variance needs at least two samples per item")
    total = 0.0
    for means in (base, treat):
        counts = np.asarray(means, dtype=np.float64) * k
        if float(np.abs(counts - np.rint(counts)).max()) > 1e6 * ROUNDING or counts.min() < 0 or counts.max() > k:
            raise ValueError(f"the decoding variance needs means of {k} right-or-wrong samples")
        total += float(np.mean(means * (1 - means)))
    return total * k / (k - 1)
