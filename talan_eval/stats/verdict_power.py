"""Power of the verdict: the chance that the procedure which a comparison runs calls a true gain better.

A verdict asks more than the t test that planners know: the guarded t must reject, from six seeds on the sign-flip test
too, and a single benchmark is adjusted for all others by Holm and by the joint sign-flip max-T. What that costs depends
on the number of seeds alone, up to the unit of the noise: seeds are ``delta + sigma z`` with normal z. So the z are
drawn once from a fixed seed, and what the mean of a set of seeds must reach for a verdict follows from its residuals:

    h = max(t s / sqrt(S), guard, -(m-th smallest mean of a subset of the residuals) + half a step)

where m is the rank at which the sign-flip test stops to reject: a subset A of seeds whose signs are turned reaches the
observed sum exactly if the mean over A is below zero. The mean itself is normal and independent of the residuals, so it
is integrated, not drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from talan_eval.stats.guard import critical_value
from talan_eval.stats.power import increasing_root
from talan_eval.stats.signflip import sign_flip_floor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.arrays import FloatArray

LEAST_SEEDS: Final = 3
CELL_SEEDS: Final = 5
RUNS: Final = 6000  # drawn sets of residuals: the power is known to within half a point
FAMILY_RUNS: Final = 2000  # the same of whole families
_LISTED: Final = 12  # seeds up to which all subsets are listed; above, so many are drawn
_SUBSETS: Final = 2048
_FEWER_RUNS: Final = 3000  # above that number of seeds, where residuals differ less
_MOST: Final = 60  # seeds from which on the sign-flip test agrees with the t
_SIGNS: Final = 512  # sign patterns of a family, listed up to ten seeds
_TABLE: Final = 2**24  # numbers that are held for a family
_FEWEST: Final = 200
_AT_ONCE: Final = 2**22
_FAR: Final = 50.0  # sigmas
_HALVINGS: Final = 24
_ENDLESS: Final = 1e6
_TIE: Final = 1e-6  # of numbers with seven digits

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class SeedNoise:
    """The noise of one seed's difference, and what guards the t against a spread that is small by luck.

    Attributes:
        sigma: Standard deviation of one seed's difference, a proportion; positive.
        least: The half-width below which the guard lets no interval fall, with this number of seeds: the larger of
            ``z sqrt(MS_E / (S N))`` and the floor; a proportion.
        step: Least distance of two differences of a seed, of which all are multiples, a proportion: sums of signed
            seeds then tie with positive probability, and ties count against a verdict. 0 where there is none.
    """

    sigma: float
    least: float
    step: float = 0.0


def mean_power(noise: SeedNoise, n_seeds: int, alpha: float, delta: float) -> float:
    """Return the chance of a verdict "better" about a mean that is judged on its own.

    Args:
        noise: Of one seed's mean difference.
        n_seeds: S; below three there is no verdict.
        alpha: Two-sided error rate.
        delta: True difference, a positive proportion.
    """
    if n_seeds < LEAST_SEEDS:
        return 0.0
    needed = np.maximum(_needed(n_seeds, alpha).mean(noise.step / noise.sigma), noise.least / noise.sigma)
    return float(np.mean(special.ndtr(math.sqrt(n_seeds) * (delta / noise.sigma - needed))))


def mean_detectable(noise: SeedNoise, n_seeds: int, alpha: float, power: float = 0.8) -> float:
    """Return the true difference that the verdict about a mean finds with a given power; infinity below three seeds."""
    if n_seeds < LEAST_SEEDS:
        return math.inf
    high = max(noise.sigma, noise.least)
    while mean_power(noise, n_seeds, alpha, high) < power:
        high *= 2
    return increasing_root(lambda delta: mean_power(noise, n_seeds, alpha, delta) - power, high)


def cell_power(noise: SeedNoise, n_seeds: int, alpha: float, delta: float, family: FamilySize) -> float:
    """Return the chance of a verdict "better" about one benchmark of a family in which nothing else differs.

    Holm over the guarded p and the joint sign-flip max-T over the whole family must both reject. Benchmarks are taken
    as independent, contrasts as sharing their base arm. Where other benchmarks gain as well, Holm rejects a little more
    often.

    Args:
        noise: Of one seed's difference on this benchmark.
        n_seeds: S; below five no single benchmark is judged.
        alpha: Two-sided family-wise error rate.
        delta: True difference on it, a positive proportion.
        family: Size of the family.
    """
    if family.size == 1:
        return mean_power(noise, n_seeds, alpha, delta)
    if n_seeds < CELL_SEEDS:
        return 0.0
    needed = _needed_among(n_seeds, alpha, family, noise.least / noise.sigma)
    return float(np.mean(special.ndtr(math.sqrt(n_seeds) * (delta / noise.sigma - needed))))


def cell_detectable(noise: SeedNoise, n_seeds: int, alpha: float, power: float, family: FamilySize) -> float:
    """Return the true difference that the verdict about one benchmark of a family finds with a given power."""
    if family.size == 1:
        return mean_detectable(noise, n_seeds, alpha, power)
    high = max(noise.sigma, noise.least)
    while n_seeds >= CELL_SEEDS and cell_power(noise, n_seeds, alpha, high, family) < power:
        high *= 2
        if high > _ENDLESS * noise.sigma:
            return math.inf
    if n_seeds < CELL_SEEDS:
        return math.inf
    return increasing_root(lambda delta: cell_power(noise, n_seeds, alpha, delta, family) - power, high)


@dataclass(frozen=True)
class FamilySize:
    """How many benchmarks and contrasts are adjusted together.

    Attributes:
        cells: Benchmarks (and backbones) of one contrast.
        contrasts: Contrasts with one base arm.
    """

    cells: int
    contrasts: int = 1

    @property
    def size(self) -> int:
        """Return the number of tests."""
        return self.cells * self.contrasts


ALONE: Final = FamilySize(1)
"""Nothing to be adjusted for."""


def lattice_step(sizes: Sequence[int], k: int) -> float:
    """Return the step of the equal-weight mean of shares of right answers.

    Args:
        sizes: Items of each benchmark.
        k: Answers to each item.
    """
    return 1 / (len(sizes) * math.lcm(*sizes) * k)


@dataclass(frozen=True, eq=False)
class _Needed:
    """What the mean must reach, in units of sigma, of each drawn set of residuals; all of shape (R,).

    Attributes:
        t: For the t test without its guard.
        flips: For the sign flips; minus infinity where they do not decide.
        seeds: How many seeds are turned in the flip that ``flips`` is about.
    """

    t: FloatArray
    flips: FloatArray
    seeds: FloatArray

    def mean(self, step: float) -> FloatArray:
        """Return what both tests need, where differences are multiples of a step.

        A turned subset ties where its sum is zero, and a continuous sum stands for the multiple next to it: so the sum
        must exceed half a step.
        """
        return np.maximum(self.t, self.flips + step / 2 / self.seeds)


@dataclass(frozen=True, eq=False)
class _Rivals:
    """Experiments in which nothing but the benchmark in question differs.

    Attributes:
        own: Residual noise of that benchmark in units of its sigma, shape (R, S).
        flips: ``own`` under the sign patterns, shape (R, F).
        sums: Sum of each sign pattern, shape (F,).
        highest: Largest statistic under each pattern of the j smallest rivals, shape (R, M, F), j from 0.
        observed: Statistics of the rivals, ascending, shape (R, M - 1).
        p: Their t p-values, shape (R, M - 1).
        means: Sizes of their means, shape (R, M - 1).
    """

    own: FloatArray
    flips: FloatArray
    sums: FloatArray
    highest: NDArray[np.float32]
    observed: FloatArray
    p: FloatArray
    means: FloatArray


@lru_cache(maxsize=64)
def _needed(n_seeds: int, alpha: float) -> _Needed:
    """Return what the mean must reach for each drawn set of residuals."""
    rng = np.random.default_rng([n_seeds, RUNS])
    noise = residuals(rng.normal(size=(RUNS if n_seeds <= _LISTED else _FEWER_RUNS, n_seeds)), rng)
    spread = np.asarray(noise.std(axis=1, ddof=1), dtype=np.float64)
    limits, turned = np.full(len(noise), -np.inf), np.ones(len(noise))
    if sign_flip_floor(n_seeds) < alpha and n_seeds < _MOST:
        limits, turned = _flip_limits(noise, alpha, rng)
    found = _Needed(critical_value(n_seeds - 1, alpha) / math.sqrt(n_seeds) * spread, limits, turned)
    for column in (found.t, found.flips, found.seeds):
        column.flags.writeable = False
    return found


def residuals(noise: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return residuals whose directions are those of the noise and whose sizes are the quantiles of their law.

    The size of normal residuals is independent of their direction. Drawn sizes would be the larger part of the error of
    a power, which rises steeply with them; quantiles in random order leave that of the directions alone.

    Args:
        noise: Normal, shape (R, S).
        rng: Source of the order.
    """
    runs, n_seeds = noise.shape
    residuals = noise - noise.mean(axis=1, keepdims=True)
    share = (rng.permutation(runs) + 0.5) / runs
    size = np.sqrt(2 * special.gammaincinv((n_seeds - 1) / 2, share))
    return np.asarray(residuals * (size / np.sqrt(np.square(residuals).sum(axis=1)))[:, None], dtype=np.float64)


def _flip_limits(noise: FloatArray, alpha: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the mean above which the sign-flip test rejects, and how many seeds the flip at that limit turns.

    The limit is minus a low order statistic of the subset means.
    """
    n_seeds = noise.shape[1]
    if n_seeds <= _LISTED:
        turned = (np.arange(1, 2**n_seeds)[:, None] >> np.arange(n_seeds)) & 1
        # p = 2 (1 + number of subsets with a sum of zero or less) / 2^S < alpha
        allowed = math.ceil(alpha * 2 ** (n_seeds - 1)) - 2
    else:
        turned = rng.integers(0, 2, size=(_SUBSETS, n_seeds))
        turned = turned[turned.any(axis=1)]
        allowed = math.ceil(alpha / 2 * len(turned)) - 1
    sizes = turned.sum(axis=1)
    means, short = (turned.T / sizes).astype(np.float32), noise.astype(np.float32)
    step = max(1, _AT_ONCE // len(turned))
    limits, chosen = np.empty(len(noise)), np.empty(len(noise))
    for start in range(0, len(noise), step):
        found = short[start : start + step] @ means
        place = np.argpartition(found, allowed, axis=1)[:, allowed]
        limits[start : start + step] = -found[np.arange(len(found)), place]
        chosen[start : start + step] = sizes[place]
    return limits, chosen


@lru_cache(maxsize=32)
def _needed_among(n_seeds: int, alpha: float, family: FamilySize, least: float) -> FloatArray:
    """Return what the mean of the benchmark in question must reach, for each drawn set of residuals and rivals."""
    rivals = _rivals(n_seeds, family)
    p = np.sort(np.maximum(rivals.p, _guard_p(rivals.means, alpha, least)), axis=1)
    rivals = replace(rivals, p=p)
    low, high = np.zeros(len(rivals.own)), np.full(len(rivals.own), _FAR)
    reached = _rejected(high, rivals, alpha, least)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = _rejected(middle, rivals, alpha, least)
        low, high = np.where(found, low, middle), np.where(found, middle, high)
    high[~reached] = np.inf
    high.flags.writeable = False
    return high


@lru_cache(maxsize=4)
def _rivals(n_seeds: int, family: FamilySize) -> _Rivals:
    rng = np.random.default_rng([n_seeds, family.cells, family.contrasts, FAMILY_RUNS])
    listed = 2 ** (n_seeds - 1) <= _SIGNS
    if listed:
        bits = (np.arange(2 ** (n_seeds - 1))[None, :] >> np.arange(n_seeds - 1)[:, None]) & 1
    else:
        bits = rng.integers(0, 2, size=(n_seeds - 1, _SIGNS))
        bits[:, 0] = 0  # the observed signs are one of the drawn
    signs = np.vstack([np.ones(bits.shape[1]), 1.0 - 2.0 * bits])
    runs = max(_FEWEST, min(FAMILY_RUNS, _TABLE // (family.size * signs.shape[1])))
    arms = rng.normal(size=(runs, family.contrasts + 1, family.cells, n_seeds))
    # contrasts share the base's noise, half of the variance of each
    gains = (arms[:, 1:] - arms[:, :1]) / math.sqrt(2) if family.contrasts > 1 else arms[:, 1:]
    flat = gains.reshape(runs, family.size, n_seeds)
    own, others = flat[:, 0], flat[:, 1:]
    own = residuals(own, rng)
    t = np.abs(others.mean(axis=2)) * math.sqrt(n_seeds) / others.std(axis=2, ddof=1)
    norms = np.sqrt(np.square(others).sum(axis=2))
    observed = np.abs(others.sum(axis=2)) / norms
    order = np.argsort(observed, axis=1)
    rows = np.arange(runs)[:, None]
    standard = (others / norms[:, :, None])[rows, order].astype(np.float32)
    flips = np.abs(standard @ signs.astype(np.float32))
    highest = np.concatenate(
        [np.zeros((runs, 1, signs.shape[1]), dtype=np.float32), np.maximum.accumulate(flips, axis=1)], axis=1
    )
    p, means = 2 * special.stdtr(n_seeds - 1, -t), np.abs(others.mean(axis=2))
    return _Rivals(own, own @ signs, signs.sum(axis=0), highest, observed[rows, order], p, means)


def _guard_p(means: FloatArray, alpha: float, least: float) -> FloatArray | float:
    """Return the p of the guard's widest normal term, whose half-width is known; the noise of all is taken as alike."""
    return 2 * special.ndtr(-means / least * critical_value(math.inf, alpha)) if least > 0 else 0.0


def _rejected(mean: FloatArray, rivals: _Rivals, alpha: float, least: float) -> BoolArray:
    """Return in which experiments both Holm and max-T reject, with these means of the benchmark in question."""
    n_seeds, size = rivals.own.shape[1], rivals.p.shape[1] + 1
    square = np.square(rivals.own).sum(axis=1)
    spread = np.sqrt(square / (n_seeds - 1))
    p = 2 * special.stdtr(n_seeds - 1, -mean * math.sqrt(n_seeds) / spread)
    p = np.maximum(p, _guard_p(mean, alpha, least))
    # Holm: the j-th smallest p is held to alpha / (M - j + 1), and all before it must have been rejected
    rank = (rivals.p < p[:, None]).sum(axis=1)
    kept = np.logical_and.accumulate(rivals.p < alpha / (size - np.arange(size - 1)), axis=1)
    kept = np.concatenate([np.ones((len(p), 1), dtype=bool), kept], axis=1)
    holm = (p < alpha / (size - rank)) & kept[np.arange(len(p)), rank]
    if sign_flip_floor(n_seeds) >= alpha:
        return np.asarray(holm, dtype=bool)
    norm = np.sqrt(square + n_seeds * mean * mean)
    flips = np.abs(rivals.flips + mean[:, None] * rivals.sums) / norm[:, None]
    observed = n_seeds * mean / norm
    place = (rivals.observed < observed[:, None]).sum(axis=1)
    below = rivals.highest[np.arange(len(p)), place]
    joint = (np.maximum(flips, below) >= observed[:, None] * (1 - _TIE)).mean(axis=1)
    for rival in range(size - 1):  # step-down: no smaller than the p of any with a larger statistic
        above = np.flatnonzero(place <= rival)
        reached = np.maximum(flips[above], rivals.highest[above, rival + 1])
        share = (reached >= rivals.observed[above, rival, None] * (1 - _TIE)).mean(axis=1)
        joint[above] = np.maximum(joint[above], share)
    return np.asarray(holm & (joint < alpha), dtype=bool)
