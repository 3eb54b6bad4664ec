"""The guard: the widest of several error terms, applied to the interval and to the p-value alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scipy import special

from talan_eval.stats.arrays import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

Binding = Literal["t", "flip", "floor"]


@dataclass(frozen=True)
class ErrorTerm:
    """One way of estimating the standard error of a mean difference.

    Attributes:
        name: "t" for observed variation between seeds (or seeds and items), "flip" for the noise of single items
            flipping right or wrong, "floor" for the width that remains when nothing was seen to differ.
        se: Standard error, a proportion.
        df: Degrees of freedom of its t distribution; ``math.inf`` for the normal.
    """

    name: Binding
    se: float
    df: float = math.inf

    def half_width(self, alpha: float) -> float:
        """Return the half-width of the two-sided 1 - alpha interval."""
        return critical_value(self.df, alpha) * self.se

    def p_value(self, delta: float) -> float:
        """Return the two-sided p-value of a difference; 1 for a difference of exactly zero."""
        if delta == 0:
            return 1.0
        return tail_p(abs(delta) / self.se, self.df) if self.se > 0 else 0.0


@dataclass(frozen=True)
class Guarded:
    """A guarded interval and p-value.

    Attributes:
        ci: Interval of level 1 - alpha.
        p: Two-sided p-value, the largest over the terms; ``p < alpha`` exactly when the interval excludes zero.
        binding: The term that sets the width of the interval.
        se: The largest standard error over the terms.
    """

    ci: Interval
    p: float
    binding: Binding
    se: float


def critical_value(df: float, alpha: float) -> float:
    """Return the two-sided critical value of the t distribution with df degrees of freedom (normal for infinity)."""
    if math.isinf(df):
        return float(-special.ndtri(alpha / 2))
    return float(-special.stdtrit(df, alpha / 2))


def tail_p(statistic: float, df: float) -> float:
    """Return the two-sided tail probability of a non-negative t (or normal, for infinite df) statistic."""
    if math.isinf(statistic):
        return 0.0
    cdf = special.ndtr(-statistic) if math.isinf(df) else special.stdtr(df, -statistic)
    return min(1.0, 2 * float(cdf))


def guarded(delta: float, terms: Sequence[ErrorTerm], alpha: float) -> Guarded:
    """Combine error terms by taking the widest interval and the largest p-value.

    Args:
        delta: Mean difference, a proportion.
        terms: At least one; the last tie-break is the order given.
        alpha: Two-sided error rate.

    Returns:
        The guarded result. Each term rejects at alpha exactly when its own interval excludes zero, so the maximum of
        the p-values and the maximum of the half-widths agree.
    """
    widest = max(terms, key=lambda term: term.half_width(alpha))
    half = widest.half_width(alpha)
    return Guarded(
        ci=Interval(delta - half, delta + half),
        p=max(term.p_value(delta) for term in terms),
        binding=widest.name,
        se=max(term.se for term in terms),
    )
