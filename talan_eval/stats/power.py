"""The smallest gain that an experiment of this size would have detected."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from scipy import special

from talan_eval.stats.guard import critical_value

if TYPE_CHECKING:
    from collections.abc import Callable

_STEPS: Final = 100
_CLOSE: Final = 1e-14  # of the bracket's upper end


def t_power(noncentrality: float, df: float, alpha: float) -> float:
    """Return the power of the two-sided t test.

    Args:
        noncentrality: True difference over its standard error, non-negative.
        df: Degrees of freedom.
        alpha: Two-sided error rate.

    Returns:
        The rejection probability. The noncentral distribution function can be NaN far in the tail; that is 0 there.
    """
    limit = critical_value(df, alpha)
    upper = float(special.nctdtr(df, noncentrality, limit))
    lower = float(special.nctdtr(df, noncentrality, -limit))
    return 1 - (0.0 if math.isnan(upper) else upper) + (0.0 if math.isnan(lower) else lower)


@lru_cache(maxsize=64)
def required_noncentrality(df: float, alpha: float, power: float) -> float:
    """Return the noncentrality at which the two-sided t test reaches a power, by root finding."""
    high = 2.0
    while t_power(high, df, alpha) < power:
        high *= 2
    return increasing_root(lambda value: t_power(value, df, alpha) - power, high)


def increasing_root(function: Callable[[float], float], high: float) -> float:
    """Return where an increasing function crosses zero between 0 and ``high``, nearly to the last digit.

    Regula falsi with the Illinois rule (Dowell and Jarratt 1971): about ten values of the function, where halving takes
    fifty. Importing scipy's root finders takes longer than a whole table of roots.

    Args:
        function: Continuous, negative at 0.
        high: Where it is zero or more.
    """
    low, below, above = 0.0, function(0.0), function(high)
    root, last, start = high, 0, high
    for _ in range(_STEPS):
        if above <= 0 or below >= 0:
            break
        step = high - above * (high - low) / (above - below)
        settled = abs(step - root) <= _CLOSE * start
        root, value = step, function(step)
        if settled or value == 0:
            break
        if value > 0:
            high, above = root, value
            below /= 2 if last > 0 else 1
            last = 1
        else:
            low, below = root, value
            above /= 2 if last < 0 else 1
            last = -1
    return root


def minimum_detectable(se: float, df: float, alpha: float, power: float = 0.8) -> float:
    """Return the true mean difference that the two-sided t test over seeds detects with the given power.

    Args:
        se: Standard error of the mean difference. Give the largest term of the guard: the guarded test cannot detect
            what lies below its own guard, and a seed spread that is small by luck would promise too much.
        df: S - 1.
        alpha: Two-sided error rate.
        power: Wanted detection probability, above alpha.

    Returns:
        The difference in the unit of ``se``. It is an estimate, as uncertain as ``se`` itself.
    """
    return required_noncentrality(df, alpha, power) * se
