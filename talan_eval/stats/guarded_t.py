"""E1, the headline: paired t over seeds, guarded against a seed spread that is small by luck."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import ROUNDING, FloatArray, Interval
from talan_eval.stats.crossed import satterthwaite
from talan_eval.stats.guard import ErrorTerm, Guarded, guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.mean_squares import MeanSquares


@dataclass(frozen=True)
class PairedT:
    """The plain paired t over seeds.

    Attributes:
        delta: Mean over seeds.
        se: Standard error of the mean, 0 when all seeds gave the same difference.
        df: S - 1.
        ci: Interval; None when ``se`` is 0, where it would have no width.
        p: Two-sided p-value; None when ``se`` is 0, where the statistic is 0/0 or infinite.
    """

    delta: float
    se: float
    df: int
    ci: Interval | None
    p: float | None


@dataclass(frozen=True)
class GuardedT:
    """The guarded t and, beside it, the plain one.

    Attributes:
        delta: Mean over seeds.
        guard: Interval, p-value and the binding term: "t" for the seed spread, "flip" for item-level noise (MS_E),
            "floor" for the Bonett-Price width of a table without discordance.
        plain: The unguarded paired t.
        terms: The three error terms, for one-sided bounds and gates; the first is the t term.
    """

    delta: float
    guard: Guarded
    plain: PairedT
    terms: tuple[ErrorTerm, ...] = ()


def paired_t(per_seed: FloatArray, alpha: float) -> PairedT:
    """Paired t over seeds.

    Args:
        per_seed: Mean difference of each seed, shape (S,), S >= 2.
        alpha: Two-sided error rate.

    Returns:
        The plain t result.

    Raises:
        ValueError: With fewer than two seeds.
    """
    n_seeds = len(per_seed)
    if n_seeds < 2:  # noqa: PLR2004 - a variance needs two values
        raise ValueError("E1 needs at least two training seeds")
    delta = float(per_seed.mean())
    constant = float(np.ptp(per_seed)) <= ROUNDING * float(np.abs(per_seed).max())
    se = 0.0 if constant else float(per_seed.std(ddof=1)) / math.sqrt(n_seeds)
    if se == 0:
        return PairedT(delta, 0.0, n_seeds - 1, None, None)
    term = ErrorTerm("t", se, n_seeds - 1)
    half = term.half_width(alpha)
    return PairedT(delta, se, n_seeds - 1, Interval(delta - half, delta + half), term.p_value(delta))


def guarded_t(per_seed: FloatArray, squares: Sequence[MeanSquares], alpha: float) -> GuardedT:
    """Guarded t for one cell, or for the equal-weight mean of several cells that share their seeds.

    Three terms, of which the widest counts:

    * t: ``t_{S-1} sqrt(MS_S / (S N))``, the spread between seeds;
    * flip: ``z sqrt(MS_E / (S N))``, what items that flip at random contribute. A seed spread below it is luck: among
      the runs with the smallest spread the plain t covers far less than its level;
    * floor: ``z sqrt(2) / (S N + 2)``, the half-width of Bonett and Price (2012) for a table without a discordant pair,
      so that no data give an interval without width.

    For C cells the t term uses the spread of the mean over cells, and the two others add in quadrature with weight 1/C.
    Items are fixed, so clusters of items do not widen the t term. Mean squares that were computed with clusters make
    the flip term cluster-robust, with t on (S - 1)(G - 1) degrees of freedom: what flips may flip by the cluster.

    With all seeds equal the t term has no width, and the p-value is that of the flip term or of the floor.

    Args:
        per_seed: Mean difference of each seed (averaged over the cells), shape (S,), S >= 2.
        squares: Mean squares of each cell; each with the same S.
        alpha: Two-sided error rate.

    Returns:
        The guarded and the plain result, in proportions. The interval is not clipped to [-1, 1].

    Raises:
        ValueError: With fewer than two seeds, or when a cell has other seeds.
    """
    plain = paired_t(per_seed, alpha)
    n_seeds = len(per_seed)
    if not squares or any(cell.n_seeds != n_seeds for cell in squares):
        raise ValueError("the mean squares must come from the same seeds as the differences")
    terms = (ErrorTerm("t", plain.se, plain.df), *flip_and_floor(squares))
    return GuardedT(plain.delta, guarded(plain.delta, terms, alpha), plain, terms)


def flip_and_floor(squares: Sequence[MeanSquares]) -> tuple[ErrorTerm, ErrorTerm]:
    """Return the two terms of the guard that the items supply, for the equal-weight mean of several cells.

    Args:
        squares: Mean squares of each cell, whose noise is independent.

    Returns:
        The flip term (normal, or t with Satterthwaite degrees of freedom where items are clustered) and the floor.
    """
    count = len(squares)
    flips = [((cell.error or 0.0) / cell.size / count**2, max(cell.error_df, 1)) for cell in squares]
    variance = sum(value for value, _ in flips)
    clustered = any(cell.n_clusters is not None for cell in squares)
    flip = ErrorTerm("flip", math.sqrt(variance), satterthwaite(variance, flips) if clustered else math.inf)
    return flip, ErrorTerm("floor", math.sqrt(sum(2 / (cell.size + 2) ** 2 for cell in squares)) / count)
