"""Planning: what gain an experiment would see, how many seeds or samples it takes, and what a lucky run exaggerates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from talan_eval.stats.guard import critical_value
from talan_eval.stats.power import increasing_root, minimum_detectable, t_power
from talan_eval.stats.signflip import sign_flip_floor

if TYPE_CHECKING:
    from collections.abc import Callable

    from talan_eval.stats.arrays import FloatArray
    from talan_eval.stats.variance import Components

MAX_SEEDS = 10_000
MAX_SAMPLES = 1024
_NODES = 200  # of the Gauss-Legendre rule over the quantiles of the seed spread


@dataclass(frozen=True)
class Design:
    """One experiment on one benchmark.

    Attributes:
        n_seeds: S, at least 2.
        n_items: N.
        k: Samples per item.
        alpha: Two-sided error rate.
    """

    n_seeds: int
    n_items: int
    k: int = 1
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Refuse a design without degrees of freedom."""
        if self.n_seeds < 2 or self.n_items < 1 or self.k < 1 or not 0 < self.alpha < 1:  # noqa: PLR2004 - S - 1 >= 1
            raise ValueError("a design needs at least 2 seeds, 1 item, 1 sample and an error rate between 0 and 1")


@dataclass(frozen=True)
class DesignAnalysis:
    """What a significant result of this design looks like (Gelman and Carlin 2014).

    Attributes:
        power: Chance of p < alpha.
        type_s: Chance that a significant estimate has the wrong sign.
        type_m: Expected size of a significant estimate over the true size, at least 1.
    """

    power: float
    type_s: float
    type_m: float


def standard_error(components: Components, design: Design) -> float:
    """Return the standard error of the mean difference, ``sqrt((tau^2 + (phi_train + phi_decode/k)/N) / S)``."""
    return math.sqrt(components.seed_variance(design.n_items, design.k) / design.n_seeds)


def t_test_power(components: Components, design: Design, delta: float) -> float:
    """Return the power of the plain paired t for a true difference, from the noncentral t distribution."""
    se = standard_error(components, design)
    if se == 0:
        return 1.0 if delta != 0 else design.alpha
    return t_power(abs(delta) / se, design.n_seeds - 1, design.alpha)


def guarded_power(components: Components, design: Design, delta: float) -> float:
    """Return the power of the guarded t, which is what a verdict rests on.

    The guarded test rejects when ``|dbar| > max(t s / sqrt(S), z sqrt(MS_E / (S N)), floor)``. Given the seed spread s
    the mean is normal, and s^2 is a scaled chi-squared, so the power is a one-dimensional integral. MS_E is put at its
    expectation; it has (S - 1)(N - 1) degrees of freedom and hardly varies.

    Args:
        components: Variance components of the cell.
        design: The experiment.
        delta: True difference, a proportion.

    Returns:
        The rejection probability; below that of the plain t, and by little unless tau is small and seeds are few.
    """
    se = standard_error(components, design)
    limits, weights = _limits(components, design, se)
    if se == 0:
        return float(abs(delta) > limits[0])
    upper = special.ndtr((abs(delta) - limits) / se)
    lower = special.ndtr((-abs(delta) - limits) / se)
    return float(weights @ (upper + lower))


def detectable(components: Components, design: Design, power: float = 0.8) -> float:
    """Return the true difference that the plain t detects with the given power, by the noncentral t (MDE)."""
    return minimum_detectable(standard_error(components, design), design.n_seeds - 1, design.alpha, power)


def guarded_detectable(components: Components, design: Design, power: float = 0.8) -> float:
    """Return the true difference that the guarded t detects with the given power, by root finding."""
    high = max(detectable(components, design, power), 1 / (design.n_seeds * design.n_items))
    while guarded_power(components, design, high) < power:
        high *= 2
    return increasing_root(lambda delta: guarded_power(components, design, delta) - power, high)


def seeds_needed(components: Components, design: Design, delta: float, power: float = 0.8) -> int | None:
    """Return the fewest seeds with which the plain t detects a difference, or None above 10,000.

    Args:
        components: Variance components.
        design: Items, samples and error rate; its number of seeds is ignored.
        delta: True difference, a proportion other than zero.
        power: Wanted detection probability.
    """

    def enough(n_seeds: int) -> bool:
        return t_test_power(components, Design(n_seeds, design.n_items, design.k, design.alpha), delta) >= power

    return _smallest(enough, 2, MAX_SEEDS)


def samples_needed(components: Components, design: Design, delta: float, power: float = 0.8) -> int | None:
    """Return the fewest samples per item with which the plain t detects a difference, or None.

    Args:
        components: Variance components.
        design: Seeds, items and error rate; its k is ignored.
        delta: True difference, a proportion other than zero.
        power: Wanted detection probability.

    Returns:
        k, or None where even 1,024 samples do not suffice, because what training adds is not averaged away.
    """

    def enough(k: int) -> bool:
        return t_test_power(components, Design(design.n_seeds, design.n_items, k, design.alpha), delta) >= power

    return _smallest(enough, 1, MAX_SAMPLES)


def design_analysis(se: float, df: float, delta: float, alpha: float = 0.05) -> DesignAnalysis:
    """Return power, Type-S and Type-M errors of the two-sided t test (Gelman and Carlin 2014), without simulation.

    Given the estimated standard error the estimate is normal, so its conditional mean beyond the critical value is
    known; the standard error is integrated out.

    Args:
        se: True standard error of the mean difference, positive.
        df: Degrees of freedom, ``math.inf`` for a known standard error.
        delta: True difference, other than zero.
        alpha: Two-sided error rate.

    Raises:
        ValueError: For a true difference of zero, which nothing can exaggerate, or a standard error of zero.
    """
    if delta == 0 or se <= 0:
        raise ValueError("exaggeration needs a true difference other than zero and a positive standard error")
    effect = abs(delta) / se
    ratios, weights = _spread_ratios(df)
    limits = critical_value(df, alpha) * ratios
    above, below = special.ndtr(effect - limits), special.ndtr(-effect - limits)
    power, wrong = float(weights @ (above + below)), float(weights @ below)
    # E[Z; Z > c] + E[-Z; Z < -c] for Z ~ N(effect, 1)
    size = effect * (above - below) + _density(limits - effect) + _density(limits + effect)
    return DesignAnalysis(power, wrong / power, float(weights @ size) / power / effect)


def holm_floor(n_seeds: int, n_cells: int) -> float:
    """Return the smallest Holm-adjusted sign-flip p of a family of cells, ``min(1, C 2/2^S)``."""
    return min(1.0, n_cells * sign_flip_floor(n_seeds))


def seeds_for_holm(n_cells: int, alpha: float = 0.05) -> int:
    """Return the fewest seeds with which Holm over sign-flip p-values can reject anything at all."""
    return 1 + math.ceil(math.log2(n_cells / alpha) - 1e-12)


def _smallest(enough: Callable[[int], bool], low: int, high: int) -> int | None:
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _limits(components: Components, design: Design, se: float) -> tuple[FloatArray, FloatArray]:
    """Return the guarded test's critical mean at each quantile of the seed spread, and the quantiles' weights."""
    size = design.n_seeds * design.n_items
    z = critical_value(math.inf, design.alpha)
    least = max(z * math.sqrt(components.noise(design.k) / size), z * math.sqrt(2) / (size + 2))
    ratios, weights = _spread_ratios(design.n_seeds - 1)
    return np.maximum(critical_value(design.n_seeds - 1, design.alpha) * se * ratios, least), weights


@lru_cache(maxsize=64)
def _spread_ratios(df: float) -> tuple[FloatArray, FloatArray]:
    """Return quantiles of estimated over true standard error and their weights; one point for infinite df."""
    if math.isinf(df):
        return np.ones(1), np.ones(1)
    nodes, weights = _quadrature()
    # two powers of stretching put nodes where the quantile function is steep, at both ends
    place = (nodes + 1) / 2
    share = place * place * (3 - 2 * place)
    slope = 6 * place * (1 - place)
    ratios, weights = np.sqrt(2 * special.gammaincinv(df / 2, share) / df), weights / 2 * slope
    ratios.flags.writeable = weights.flags.writeable = False
    return ratios, weights


@cache
def _quadrature() -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of the Gauss-Legendre rule; they take 40 ms and are the same for all."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


def _density(values: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-values * values / 2) / math.sqrt(2 * math.pi), dtype=np.float64)
