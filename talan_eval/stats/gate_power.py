"""Power of the gate: the chance that it says PASS.

A gate asks other things than a verdict does: the one-sided guarded bound and, from five seeds on, the bootstrap-t bound
must lie above minus the margin, no seed may stand apart, and no loss may be shown. Of normal seeds
``delta + sigma z`` all of that but their mean depends on the residuals alone. So these are drawn once from a fixed
seed, as in ``talan_eval.stats.verdict_power``, and the mean is integrated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

from talan_eval.stats.guard import critical_value
from talan_eval.stats.outliers import outlying_seed
from talan_eval.stats.power import increasing_root
from talan_eval.stats.seed_bootstrap import MIN_SEEDS_T, exact_law, monte_carlo_law
from talan_eval.stats.verdict_power import LEAST_SEEDS, residuals

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray
    from talan_eval.stats.seed_bootstrap import SeedLaw

RUNS: Final = 2000  # drawn sets of residuals: the chance is known to within half a point
_LISTED: Final = 7  # seeds up to which all resamples are listed
_RESAMPLES: Final = 1024  # drawn above
_ALIKE: Final = 100  # sets of residuals that share the drawn resamples, whose own error averages out over the others
_ENDLESS: Final = 1e6  # sigmas
_ROUNDING: Final = 1e-12


@dataclass(frozen=True)
class GateNoise:
    """What a gate with a given number of seeds has to see through.

    Attributes:
        sigma: Standard deviation of one seed's difference, a proportion; positive.
        items: Standard error that items which flip at random give the mean, ``sqrt(MS_E / (S N))``; a proportion.
        floor: Standard error that is left where nothing was seen to differ; a proportion.
    """

    sigma: float
    items: float
    floor: float


@dataclass(frozen=True, eq=False)
class _Bounds:
    """Half-widths of the bounds in units of sigma, of each drawn set of residuals, shape (R,).

    Attributes:
        below: From the mean to the lower bound; infinite where a seed stands apart.
        above: From the mean to the upper bound.
    """

    below: FloatArray
    above: FloatArray


def pass_power(noise: GateNoise, n_seeds: int, alpha: float, margin: float, delta: float = 0.0) -> float:
    """Return the chance that a gate says PASS.

    Args:
        noise: Of the mean that is gated.
        n_seeds: S; below three a gate decides nothing.
        alpha: One-sided error rate of each bound.
        margin: Tolerated loss, a proportion, 0 or more.
        delta: True difference, a proportion; 0 where nothing changed.

    Returns:
        The chance for normal seeds, where any shown loss fails. Not covered: several backbones and independent seeds.
    """
    if n_seeds < LEAST_SEEDS:
        return 0.0
    bounds = _bounds(n_seeds, alpha, noise.items / noise.sigma, noise.floor / noise.sigma)
    least = np.maximum(bounds.below - margin / noise.sigma, -bounds.above)  # of a mean that passes
    return float(np.mean(special.ndtr(math.sqrt(n_seeds) * (delta / noise.sigma - least))))


def passing_margin(noise: GateNoise, n_seeds: int, alpha: float, power: float = 0.8) -> float:
    """Return the margin at which a gate passes what did not change with a given chance.

    Infinity where there is none: with fewer than three seeds, and where the gate fails what did not change, or sees a
    seed that stands apart, more often than the chance leaves room for.
    """
    high = max(noise.sigma, noise.items)
    while pass_power(noise, n_seeds, alpha, high) < power:
        high *= 2
        if high > _ENDLESS * noise.sigma:
            return math.inf
    return increasing_root(lambda margin: pass_power(noise, n_seeds, alpha, margin) - power, high)


@lru_cache(maxsize=64)
def _bounds(n_seeds: int, alpha: float, items: float, floor: float) -> _Bounds:
    """Return the half-widths for noise of items and a floor in units of sigma."""
    rng = np.random.default_rng([n_seeds, RUNS, _RESAMPLES])
    drawn = residuals(rng.normal(size=(RUNS, n_seeds)), rng)
    spread = np.asarray(drawn.std(axis=1, ddof=1), dtype=np.float64) / math.sqrt(n_seeds)
    guard = critical_value(math.inf, 2 * alpha) * max(items, floor)
    above = np.maximum(critical_value(n_seeds - 1, 2 * alpha) * spread, guard)
    below = above.copy()
    if n_seeds >= MIN_SEEDS_T:
        parts = [_pivot_quantiles(some, _law(n_seeds, rng), alpha, floor) for some in np.split(drawn, RUNS // _ALIKE)]
        below = np.maximum(below, np.concatenate(parts) * np.maximum(spread, floor))
        found = [outlying_seed(row, items * math.sqrt(n_seeds)) for row in drawn]
        below[[seed is not None and seed.stands_apart for seed in found]] = np.inf
    for column in (below, above):
        column.flags.writeable = False
    return _Bounds(below, above)


def _law(n_seeds: int, rng: np.random.Generator) -> SeedLaw:
    return exact_law(n_seeds) if n_seeds <= _LISTED else monte_carlo_law(n_seeds, _RESAMPLES, rng)


def _pivot_quantiles(drawn: FloatArray, law: SeedLaw, alpha: float, floor: float) -> FloatArray:
    """Return the upper quantile of the studentised resamples of each set of residuals.

    It is that of ``talan_eval.stats.seed_bootstrap.bootstrap_t_lower``, of all sets at once.
    """
    n_seeds = drawn.shape[1]
    shifts = law.counts @ drawn.T / n_seeds
    squares = law.counts @ np.square(drawn).T / n_seeds - np.square(shifts)
    least = max(floor * floor, _ROUNDING)  # a resample of one seed alone has no spread
    pivots = (shifts / np.sqrt(np.maximum(squares / (n_seeds - 1), least))).astype(np.float32)
    order = np.argsort(-pivots, axis=0)
    reached = np.cumsum(law.weights[order], axis=0)
    place = (reached < alpha * law.weights.sum() * (1 - _ROUNDING)).sum(axis=0)
    columns = np.arange(len(drawn))
    return np.asarray(pivots[order[place, columns], columns], dtype=np.float64)
