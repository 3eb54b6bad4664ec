"""E1 bootstrap intervals over seeds, from the exact bootstrap law wherever it can be enumerated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import combinations

import numpy as np
from scipy import special

from talan_eval.stats.arrays import ROUNDING, FloatArray, Interval, lower_quantile, upper_quantile
from talan_eval.stats.guard import critical_value

MAX_EXACT_SEEDS = 10  # C(19, 10) = 92,378 multisets
MIN_SEEDS_T = 5
MIN_SEEDS_EXPANDED = 7
_ONE_SIDED_DRAWS = 20_000  # above MAX_EXACT_SEEDS, from a fixed seed: a gate must say the same twice


class BootstrapMethod(StrEnum):
    """The intervals by name. The last three under-cover with few seeds and are never a default."""

    BOOTSTRAP_T = "bootstrap_t"
    EXPANDED = "expanded_percentile"
    PERCENTILE = "percentile"
    BASIC = "basic"
    BCA = "bca"

    @property
    def label(self) -> str:
        """Return the name in running text."""
        return self.value.replace("_", "-")

    @property
    def under_covers(self) -> bool:
        """Return whether the nominal 95 % interval covers clearly less with ten seeds or fewer."""
        return self in {BootstrapMethod.PERCENTILE, BootstrapMethod.BASIC, BootstrapMethod.BCA}


@dataclass(frozen=True)
class SeedLaw:
    """Distribution of resampled seeds.

    Attributes:
        counts: Shape (M, S), how often each seed is drawn; each row sums to S.
        weights: Shape (M,), multinomial coefficients (they sum to S^S), or ones for Monte Carlo draws.
        exact: Whether all multisets are listed.
    """

    counts: FloatArray
    weights: FloatArray
    exact: bool


@dataclass(frozen=True)
class BootstrapInterval:
    """A bootstrap interval, or the reason why there is none.

    Attributes:
        method: Which interval.
        ci: The interval in proportions, or None.
        reason: Empty when there is an interval.
    """

    method: BootstrapMethod
    ci: Interval | None
    reason: str = ""


@lru_cache(maxsize=8)
def exact_law(n_seeds: int) -> SeedLaw:
    """List the exact bootstrap law: C(2S-1, S) multisets with multinomial weights (1,716 at S = 7).

    Args:
        n_seeds: S, from 1 to 10.

    Returns:
        The law, read-only; no Monte Carlo noise.

    Raises:
        ValueError: Outside 1..10; use ``monte_carlo_law`` there.
    """
    if not 1 <= n_seeds <= MAX_EXACT_SEEDS:
        raise ValueError(f"the exact law is listed for 1 to {MAX_EXACT_SEEDS} seeds, got {n_seeds}")
    bars = np.array(list(combinations(range(2 * n_seeds - 1), n_seeds - 1)), dtype=np.int64)
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, 2 * n_seeds - 1)))
    counts = np.diff(edges, axis=1) - 1
    factorials = np.array([math.factorial(n) for n in range(n_seeds + 1)], dtype=np.float64)
    weights = np.rint(factorials[n_seeds] / factorials[counts].prod(axis=1))
    return _read_only(counts.astype(np.float64), weights, exact=True)


def monte_carlo_law(n_seeds: int, resamples: int, rng: np.random.Generator) -> SeedLaw:
    """Draw seed resamples for more seeds than can be enumerated.

    Args:
        n_seeds: S.
        resamples: Number of draws.
        rng: Source of randomness.

    Returns:
        A law with equal weights.
    """
    counts = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=resamples)
    return _read_only(counts.astype(np.float64), np.ones(resamples), exact=False)


def default_interval(per_seed: FloatArray, law: SeedLaw, alpha: float) -> BootstrapInterval:
    """Return the bootstrap-t interval (S >= 5); where it is unbounded, the expanded percentile interval (S >= 7)."""
    first = bootstrap_interval(per_seed, law, BootstrapMethod.BOOTSTRAP_T, alpha)
    if first.ci is not None or len(per_seed) < MIN_SEEDS_EXPANDED:
        return first
    second = bootstrap_interval(per_seed, law, BootstrapMethod.EXPANDED, alpha)
    return second if second.ci is not None else first


def bootstrap_interval(per_seed: FloatArray, law: SeedLaw, method: BootstrapMethod, alpha: float) -> BootstrapInterval:
    """Bootstrap interval of the mean over seeds.

    Quantiles are inverted-CDF order statistics of the law. Bootstrap-t studentises by the resample's own standard
    error; a resample of a single seed counts as plus or minus infinity. The expanded percentile interval widens the
    tail to ``Phi(-sqrt(S/(S-1)) t_{1-alpha/2, S-1})`` (Hesterberg 2015). BCa follows Efron (1987), half weight on ties.

    Args:
        per_seed: Mean difference of each seed, shape (S,).
        law: Resampling law for S seeds.
        method: Which interval.
        alpha: Two-sided error rate.

    Returns:
        The interval, or None with the reason: too few seeds, equal seeds, or an unbounded quantile.
    """
    n_seeds = len(per_seed)
    needed = {BootstrapMethod.BOOTSTRAP_T: MIN_SEEDS_T, BootstrapMethod.EXPANDED: MIN_SEEDS_EXPANDED}.get(method, 2)
    if n_seeds < needed:
        return BootstrapInterval(method, None, f"the {method.label} interval over seeds needs at least {needed} seeds")
    if float(np.ptp(per_seed)) <= ROUNDING * float(np.abs(per_seed).max()):
        reason = "all seeds gave the same difference, so a bootstrap over seeds has no width"
        return BootstrapInterval(method, None, reason)
    ci = _quantiles(per_seed, law, method, alpha)
    if not (math.isfinite(ci.lo) and math.isfinite(ci.hi)):
        return BootstrapInterval(
            method, None, f"the {method.label} interval over seeds is unbounded for these differences"
        )
    if ci.lo == ci.hi:
        return BootstrapInterval(
            method, None, f"the {method.label} interval over seeds has no width for these differences"
        )
    return BootstrapInterval(method, ci)


def bootstrap_t_lower(per_seed: FloatArray, alpha: float, least_se: float = 0.0) -> float | None:
    """Return the one-sided bootstrap-t lower bound of error rate alpha; minus infinity where it is unbounded.

    Seeds that differ by an item or two have few values, and many a resample of them has no spread: its t would be
    infinite. So no resample's standard error counts as less than the floor that is left where nothing was seen to
    differ, and the sample's own does not either. The noise of flipping items is no such floor: held to it, the
    bootstrap-t would see hardly any skewness (measured at seven seeds, exponential losses, twice the items' noise).

    Args:
        per_seed: Mean difference of each seed, shape (S,).
        alpha: One-sided error rate.
        least_se: That floor, as a standard error; 0 for none.

    Returns:
        The bound, or None below five seeds and for equal seeds. The law is exact up to ten seeds; above, 20,000
        resamples of a fixed seed.
    """
    law = _one_sided_law(per_seed)
    if law is None:
        return None
    se = _se(per_seed, least_se)
    return float(per_seed.mean()) - upper_quantile(_pivots(per_seed, law, least_se), law.weights, alpha) * se


def bootstrap_t_p_above(per_seed: FloatArray, value: float, least_se: float = 0.0) -> float | None:
    """Return the bootstrap-t p of "the true difference exceeds value".

    Args:
        per_seed: Mean difference of each seed, shape (S,).
        value: What it is to exceed.
        least_se: As in ``bootstrap_t_lower``.

    Returns:
        A p that is below alpha exactly when ``bootstrap_t_lower(per_seed, alpha)`` exceeds the value; None where there
        is no such bound.
    """
    law = _one_sided_law(per_seed)
    if law is None:
        return None
    reached = _pivots(per_seed, law, least_se) >= (float(per_seed.mean()) - value) / _se(per_seed, least_se)
    return float(law.weights[reached].sum() / law.weights.sum())


def _se(per_seed: FloatArray, least: float) -> float:
    return max(float(per_seed.std(ddof=1)) / math.sqrt(len(per_seed)), least)


def _one_sided_law(per_seed: FloatArray) -> SeedLaw | None:
    n_seeds = len(per_seed)
    if n_seeds < MIN_SEEDS_T or float(np.ptp(per_seed)) <= ROUNDING * float(np.abs(per_seed).max()):
        return None
    return exact_law(n_seeds) if n_seeds <= MAX_EXACT_SEEDS else _drawn_law(n_seeds)


@lru_cache(maxsize=8)
def _drawn_law(n_seeds: int) -> SeedLaw:
    return monte_carlo_law(n_seeds, _ONE_SIDED_DRAWS, np.random.default_rng(0))


def expanded_tail(n_seeds: int, alpha: float) -> float:
    """Return the one-sided tail of the expanded percentile interval (Hesterberg 2015)."""
    return float(special.ndtr(-math.sqrt(n_seeds / (n_seeds - 1)) * critical_value(n_seeds - 1, alpha)))


def bca_tails(per_seed: FloatArray, law: SeedLaw, alpha: float) -> tuple[float, float]:
    """Return the two quantile levels of the BCa interval (Efron 1987): ties at half weight, jackknife skewness."""
    means = law.counts @ per_seed / len(per_seed)
    centre = float(per_seed.mean())
    tie = ROUNDING * float(np.abs(per_seed).max())
    below = np.where(means < centre - tie, 1.0, np.where(means <= centre + tie, 0.5, 0.0))
    share = float(below @ law.weights) / float(law.weights.sum())
    # a short Monte Carlo law can fall on one side entirely, where the normal quantile would be infinite
    bias = float(special.ndtri(min(max(share, 0.5 / len(means)), 1 - 0.5 / len(means))))
    spread = per_seed - centre
    spread = spread / np.abs(spread).max()  # the skewness has no unit, and cubes of tiny differences would underflow
    skew = float(np.power(spread, 3).sum()) / (6 * float(np.square(spread).sum()) ** 1.5)
    z = critical_value(math.inf, alpha)
    low, high = (float(special.ndtr(bias + (bias + end) / (1 - skew * (bias + end)))) for end in (-z, z))
    return low, high


def _quantiles(per_seed: FloatArray, law: SeedLaw, method: BootstrapMethod, alpha: float) -> Interval:
    n_seeds = len(per_seed)
    centre = float(per_seed.mean())
    means = law.counts @ per_seed / n_seeds
    if method is BootstrapMethod.BOOTSTRAP_T:
        pivots = _pivots(per_seed, law)
        se = float(per_seed.std(ddof=1)) / math.sqrt(n_seeds)
        low, high = (quantile(pivots, law.weights, alpha / 2) for quantile in (lower_quantile, upper_quantile))
        return Interval(centre - high * se, centre - low * se)
    if method is BootstrapMethod.BCA:
        below, above = bca_tails(per_seed, law, alpha)
        return Interval(lower_quantile(means, law.weights, below), upper_quantile(means, law.weights, 1 - above))
    tail = expanded_tail(n_seeds, alpha) if method is BootstrapMethod.EXPANDED else alpha / 2
    low, high = lower_quantile(means, law.weights, tail), upper_quantile(means, law.weights, tail)
    if method is BootstrapMethod.BASIC:
        return Interval(2 * centre - high, 2 * centre - low)
    return Interval(low, high)


def _pivots(per_seed: FloatArray, law: SeedLaw, least_se: float = 0.0) -> FloatArray:
    n_seeds = len(per_seed)
    centred = per_seed - per_seed.mean()
    scale = float(np.abs(centred).max())
    shifts = law.counts @ centred / n_seeds
    squares = law.counts @ np.square(centred) / n_seeds - np.square(shifts)
    # a resample of equal seeds: what is left of its spread or of its distance from the centre is rounding
    shifts[np.abs(shifts) <= ROUNDING * scale] = 0.0
    spread = np.sqrt(np.where(squares > ROUNDING * scale * scale, squares, 0.0) / (n_seeds - 1))
    np.maximum(spread, least_se, out=spread)
    pivots = np.where(shifts == 0, 0.0, np.copysign(np.inf, shifts))
    np.divide(shifts, spread, out=pivots, where=spread > 0)
    return pivots


def _read_only(counts: FloatArray, weights: FloatArray, *, exact: bool) -> SeedLaw:
    counts.flags.writeable = False
    weights.flags.writeable = False
    return SeedLaw(counts, weights, exact)
