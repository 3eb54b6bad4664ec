"""Adding seeds after a look: a t test that stays valid however often it is read, as e-value and confidence sequence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import ROUNDING, FloatArray, Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_SCALE = 1.0  # prior variance of the standardised effect under the alternative, g
MIN_SEEDS = 2


@dataclass(frozen=True)
class Look:
    """What one look at the first seeds gives.

    Attributes:
        n_seeds: Seeds read at this look.
        e_value: Evidence against "no difference"; at least 1/alpha with probability at most alpha, over all looks.
        p: Anytime-valid p-value, ``min(1, 1 / largest e-value so far)``.
        ci: Confidence sequence at this look, intersected with all earlier ones; None while it is unbounded.
    """

    n_seeds: int
    e_value: float
    p: float
    ci: Interval | None


def t_e_value(statistic: float, n_seeds: int, scale: float = DEFAULT_SCALE) -> float:
    """Return the t e-value of a Gaussian mixture over the standardised effect.

    ``e = (1 + S g)^(-1/2) [(1 + t^2/nu) / (1 + t^2 / (nu (1 + S g)))]^(S/2)`` with nu = S - 1: the right-Haar mixture
    over the unknown scale with effect / sigma ~ N(0, g) (Perez-Ortiz, Lardy, de Heide and Grunwald 2024). It is an
    e-process over S when seeds arrive one by one.

    Args:
        statistic: One-sample t of the seed differences; infinite when all seeds agree, where e has a finite limit.
        n_seeds: S; a single seed gives e = 1.
        scale: g, chosen before the data are seen.

    Returns:
        The e-value, positive.
    """
    if n_seeds < MIN_SEEDS:
        return 1.0
    nu, inflation = n_seeds - 1, 1 + n_seeds * scale
    square = statistic * statistic / nu
    # log1p of the ratio, which tends to `inflation` for an infinite t
    gain = math.log(inflation) if math.isinf(square) else math.log1p(square) - math.log1p(square / inflation)
    return math.exp(n_seeds / 2 * gain - math.log(inflation) / 2)


def confidence_interval(per_seed: FloatArray, alpha: float, scale: float = DEFAULT_SCALE) -> Interval | None:
    """Return the differences that the e-value of these seeds does not reject: one member of the sequence.

    Args:
        per_seed: Seed differences, shape (S,).
        alpha: Two-sided error rate over all looks.
        scale: g.

    Returns:
        ``dbar +- sqrt(nu (R - 1) / (1 - R / (1 + S g))) s / sqrt(S)`` with ``R = (sqrt(1 + S g) / alpha)^(2/S)``; None
        where no difference can be rejected yet (R >= 1 + S g: with g = 1 and alpha = .05 up to four seeds), or where
        equal seeds leave it without width.
    """
    n_seeds = len(per_seed)
    half = _t_limit(n_seeds, alpha, scale) if n_seeds >= MIN_SEEDS else math.inf
    se = _standard_error(per_seed)
    if math.isinf(half) or se == 0:
        return None
    centre = float(per_seed.mean())
    return Interval(centre - half * se, centre + half * se)


def looks(
    per_seed: FloatArray,
    at: Sequence[int],
    alpha: float,
    *,
    least_se: Sequence[float] | None = None,
    scale: float = DEFAULT_SCALE,
) -> tuple[Look, ...]:
    """Follow the e-value and the confidence sequence over the looks of a growing experiment.

    Args:
        per_seed: Seed differences in the order in which the seeds were added, shape (S,).
        at: Numbers of seeds at which results were read, increasing, each from 1 to S.
        alpha: Two-sided error rate over all looks.
        least_se: Smallest standard error to believe at each look (the guard's flip term and floor): a seed spread below
            it is luck, or scores that are too coarse to differ. It can only lower the e-value and widen the interval.
        scale: g.

    Returns:
        One entry per look. p and interval agree: p <= alpha exactly when some look's own interval excludes zero.

    Raises:
        ValueError: If the looks are not increasing or outside 1..S.
    """
    if list(at) != sorted(set(at)) or (at and not 1 <= min(at) <= max(at) <= len(per_seed)):
        raise ValueError(f"looks must increase and lie between 1 and {len(per_seed)} seeds, got {list(at)}")
    floors = [0.0] * len(at) if least_se is None else list(least_se)
    found: list[Look] = []
    best, lo, hi = 1.0, -math.inf, math.inf
    for n_seeds, floor in zip(at, floors, strict=True):
        values = per_seed[:n_seeds]
        centre = float(values.mean())
        se = max(_standard_error(values) if n_seeds >= MIN_SEEDS else 0.0, floor)
        value = t_e_value(_ratio(centre, se), n_seeds, scale)
        best = max(best, value)
        half = _t_limit(n_seeds, alpha, scale) * se if n_seeds >= MIN_SEEDS and se > 0 else math.inf
        lo, hi = max(lo, centre - half), min(hi, centre + half)
        # disjoint members of a sequence are evidence against the model itself; no interval is better than an empty one
        bounded = math.isfinite(lo) and math.isfinite(hi) and lo < hi
        found.append(Look(n_seeds, value, min(1.0, 1 / best), Interval(lo, hi) if bounded else None))
    return tuple(found)


def _t_limit(n_seeds: int, alpha: float, scale: float) -> float:
    """Return the |t| at which the e-value reaches 1/alpha; infinite where it never does."""
    inflation = 1 + n_seeds * scale
    ratio = (math.sqrt(inflation) / alpha) ** (2 / n_seeds)
    if ratio >= inflation:
        return math.inf
    return math.sqrt((n_seeds - 1) * (ratio - 1) / (1 - ratio / inflation))


def _standard_error(values: FloatArray) -> float:
    if len(values) < MIN_SEEDS or float(np.ptp(values)) <= ROUNDING * float(np.abs(values).max()):
        return 0.0
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _ratio(centre: float, se: float) -> float:
    if centre == 0:
        return 0.0
    return abs(centre) / se if se > 0 else math.inf
