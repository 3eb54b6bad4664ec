"""Trainings that diverged are outcomes of their arm: how often, and whether the arms differ in it. All exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy import special

from talan_eval.stats.arrays import Interval
from talan_eval.stats.mcnemar import mcnemar_exact

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Rate:
    """How many trainings of an arm diverged.

    Attributes:
        count: Diverged trainings.
        trainings: All trainings that ended, diverged or not. A crash of the machine is no outcome and not counted.
        ci: Interval of Clopper and Pearson (1934) for the chance that a training diverges.
    """

    count: int
    trainings: int
    ci: Interval


@dataclass(frozen=True)
class RateComparison:
    """The rates of two arms.

    Attributes:
        treat: Of the treat arm.
        base: Of the base arm.
        p: Exact two-sided p-value of "both arms diverge alike".
        paired: Whether p compares the arms seed by seed (McNemar) or as two groups (Fisher).
    """

    treat: Rate
    base: Rate
    p: float
    paired: bool


def diverged_rate(count: int, trainings: int, alpha: float) -> Rate:
    """Return an arm's rate with its exact interval.

    Args:
        count: Diverged trainings.
        trainings: All trainings, at least 1.
        alpha: Two-sided error rate; each side alpha / 2, also at the ends.

    Returns:
        The rate. With none of seven diverged the interval still reaches to 41 %.

    Raises:
        ValueError: If the counts do not fit together.
    """
    if not 0 <= count <= trainings or trainings < 1:
        raise ValueError(f"{count} of {trainings} trainings cannot have diverged")
    lo = 0.0 if count == 0 else float(special.betaincinv(count, trainings - count + 1, alpha / 2))
    hi = 1.0 if count == trainings else float(special.betaincinv(count + 1, trainings - count, 1 - alpha / 2))
    return Rate(count, trainings, Interval(lo, hi))


def compare_paired_rates(treat: Sequence[bool], base: Sequence[bool], alpha: float) -> RateComparison:
    """Compare the rates of arms that were trained on the same seeds, by exact McNemar.

    Args:
        treat: For each seed whether the treat arm diverged.
        base: The same of the base arm, seeds in the same order.
        alpha: Error rate of the arms' intervals.

    Returns:
        The comparison; only seeds on which the arms differ count in p, so that it needs six of them to fall below .05.

    Raises:
        ValueError: If the arms have different numbers of seeds, or none.
    """
    if len(treat) != len(base):
        raise ValueError("paired arms have the same seeds")
    worse = sum(one and not other for one, other in zip(treat, base, strict=True))
    better = sum(other and not one for one, other in zip(treat, base, strict=True))
    rates = [diverged_rate(sum(map(bool, arm)), len(arm), alpha) for arm in (treat, base)]
    return RateComparison(rates[0], rates[1], mcnemar_exact(better, worse), paired=True)


def compare_independent_rates(treat: Sequence[bool], base: Sequence[bool], alpha: float) -> RateComparison:
    """Compare the rates of arms with other seeds, by Fisher's exact test (1935).

    Args:
        treat: For each training of the treat arm whether it diverged.
        base: The same of the base arm.
        alpha: Error rate of the arms' intervals.

    Returns:
        The comparison. Fisher's test is conditional on the total and therefore cautious with few trainings.

    Raises:
        ValueError: If an arm has no training.
    """
    one, other = (diverged_rate(sum(map(bool, arm)), len(arm), alpha) for arm in (treat, base))
    total, size = one.count + other.count, one.trainings + other.trainings
    # tables with these margins, counted in integers: equally likely ones are exact ties
    ways = [math.comb(one.trainings, k) * math.comb(other.trainings, total - k) for k in range(total + 1)]
    rare = sum(way for way in ways if way <= ways[one.count])
    return RateComparison(one, other, rare / math.comb(size, total), paired=False)
