"""The best of several arms: how much its own gain exaggerates, and what fresh seeds say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import ROUNDING, FloatArray

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAWS = 10_000
_BLOCK = 2000


@dataclass(frozen=True)
class Confirmation:
    """A selected arm on fresh seeds.

    Attributes:
        tried: Arms among which it was selected.
        selected: Its gain on the seeds of the selection, a proportion.
        confirmed: Its gain on fresh seeds; its test needs no adjustment, because other seeds chose it.
        exaggeration: ``selected - confirmed``. One noisy number: it can be negative.
    """

    tried: int
    selected: float
    confirmed: float
    exaggeration: float


@dataclass(frozen=True)
class Exaggeration:
    """How much the best arm's own gain is expected to exceed its true one, in proportions.

    Attributes:
        observed: If the observed means were the true ones. They are further apart than the true ones, so this is too
            small when the arms are alike.
        equal: If all arms were equal: the largest that selection alone can do with so much noise.
    """

    observed: float
    equal: float


@dataclass(frozen=True)
class GridRate:
    """In how many trainings of a grid nothing was lost and something gained.

    Attributes:
        hits: (Configuration, seed) pairs with no cell lost and at least one gained.
        pairs: Complete pairs.
    """

    hits: int
    pairs: int

    @property
    def share(self) -> float | None:
        """Return hits over pairs; None without a complete pair."""
        return self.hits / self.pairs if self.pairs else None


def best_arm(gains: Sequence[float] | FloatArray) -> int:
    """Return the position of the largest primary mean; the first of equal ones.

    Raises:
        ValueError: Without arms, or where a gain is no number.
    """
    means = np.asarray(gains, dtype=np.float64)
    if means.ndim != 1 or len(means) == 0 or not np.isfinite(means).all():
        raise ValueError("the best arm is selected among one finite mean per arm")
    # means that differ by rounding are equal
    return int(np.flatnonzero(means >= means.max() - ROUNDING)[0])


def confirmation(gains: Sequence[float] | FloatArray, confirmed: float) -> Confirmation:
    """Set the selected gain beside the confirmed one.

    Args:
        gains: Primary mean of every arm on the seeds of the selection, shape (A,).
        confirmed: Primary mean of ``best_arm(gains)`` on fresh seeds, against its base trained on the same. Test it
            with E1 of those seeds alone. The items are the same as in the selection, so E2 is not confirmed.

    Returns:
        Both gains and their difference.
    """
    selected = float(np.asarray(gains, dtype=np.float64)[best_arm(gains)])
    return Confirmation(len(gains), selected, confirmed, selected - confirmed)


def gain_covariance(per_seed: FloatArray) -> FloatArray:
    """Return the covariance of the arms' mean gains over paired seeds.

    Args:
        per_seed: Gain of every arm and seed over the common base, shape (A, S), S >= 2.

    Returns:
        Shape (A, A). A common base makes gains of different arms correlated, and their selection milder. Over several
        backbones the covariances add, each times the squared weight of its backbone.

    Raises:
        ValueError: With fewer than two seeds.
    """
    if per_seed.ndim != 2 or per_seed.shape[1] < 2:  # noqa: PLR2004 - arms and seeds; a variance needs two values
        raise ValueError("the covariance of gains needs arms x at least two seeds")
    return np.asarray(np.atleast_2d(np.cov(per_seed)) / per_seed.shape[1], dtype=np.float64)


def expected_exaggeration(gains: FloatArray, covariance: FloatArray, draws: int = DRAWS, seed: int = 0) -> Exaggeration:
    """Bootstrap the selection parametrically: draw all means anew, select, compare with the selected arm's truth.

    Args:
        gains: Observed primary means, shape (A,).
        covariance: Of these means, shape (A, A).
        draws: Simulated selections.
        seed: Of the draws.

    Returns:
        Expected exaggeration with the observed means as truths, and with all arms equal. Normal, with the estimated
        covariance taken as known: with few seeds both are rough. Of a single arm both are 0.

    Raises:
        ValueError: If the covariance has another shape.
    """
    means = np.asarray(gains, dtype=np.float64)
    if covariance.shape != (len(means), len(means)):
        raise ValueError(f"the covariance of {len(means)} means has shape {covariance.shape}")
    if len(means) == 1:
        return Exaggeration(0.0, 0.0)
    values, vectors = np.linalg.eigh(covariance)
    # with fewer seeds than arms the covariance is singular, which Cholesky refuses
    factor = vectors * np.sqrt(np.maximum(values, 0.0))
    rng = np.random.default_rng(seed)
    totals = np.zeros(2)
    for start in range(0, draws, _BLOCK):
        noise = rng.standard_normal((min(_BLOCK, draws - start), len(means))) @ factor.T
        chosen = (means + noise).argmax(axis=1)
        totals += [float(noise[np.arange(len(noise)), chosen].sum()), float(noise.max(axis=1).sum())]
    observed, equal = totals / draws
    return Exaggeration(float(observed), float(equal))


def grid_rate(deltas: FloatArray) -> GridRate:
    """Count the trainings of a grid that lost nothing and gained something (the rate G1 of arXiv 2606.06902).

    Args:
        deltas: Difference of every configuration, seed and cell to the base of the same seed, shape (K, S, C), or
            (S, C) for one arm such as the noise control; NaN where a cell is missing.

    Returns:
        The count over pairs without a missing cell. It rises with the number of seeds that pass by luck: read it beside
        the rate of the noise control and ``reseeded_rate``. The pairs share seeds and items, so no interval is given.
    """
    cells = np.atleast_2d(deltas)
    complete = np.isfinite(cells).all(axis=-1)
    rounded = np.where(np.abs(cells) <= ROUNDING, 0.0, cells)
    hits = (rounded >= 0).all(axis=-1) & (rounded > 0).any(axis=-1)  # a missing cell is not at least zero
    return GridRate(int(hits.sum()), int(complete.sum()))


def reseeded_rate(base: FloatArray) -> GridRate:
    """Count the same for the base arm against itself, trained with another seed.

    Args:
        base: Mean score of every seed and cell, shape (S, C); NaN where a cell is missing.

    Returns:
        The count over all ordered pairs of different seeds: what the rate is when the arms differ in nothing but luck.
    """
    n_seeds = len(base)
    apart = ~np.eye(n_seeds, dtype=bool)
    return grid_rate((base[:, None, :] - base[None, :, :])[apart])
