"""E0 of right-or-wrong answers: the table of items that one pair of checkpoints lost and gained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from talan_eval.stats.arrays import Interval
from talan_eval.stats.guard import critical_value
from talan_eval.stats.noninferiority import OneSided

_MOST_STEPS = 100
_CLOSE = 1e-13  # of the error rate


@dataclass(frozen=True)
class PairTable:
    """How many of N items a pair of checkpoints lost and gained; items are random and independent.

    Two tests of the true difference delta, of which the weaker counts, so that p and interval are one thing:

    * the adjusted Wald test of Bonett and Price (2012), which adds one lost and one gained pseudo-item;
    * the conditional mid-p test of ``theta = gained / (lost + gained)`` (Fagerland, Lydersen and Laake 2013), whose
      limits (Clopper and Pearson 1934, at mid-p) map to ``(2 theta - 1) (lost + gained) / N``.

    An interval is the union of both intervals, and p the larger p. At zero the two-sided conditional p is McNemar's
    mid-p.

    Attributes:
        n_items: N, at least 1.
        lost: Items on which the treated checkpoint scores less.
        gained: Items on which it scores more.
    """

    n_items: int
    lost: int
    gained: int

    @property
    def delta(self) -> float:
        """Return the mean difference, a proportion."""
        return (self.gained - self.lost) / self.n_items

    @property
    def p(self) -> float:
        """Return the two-sided p of no difference: below alpha exactly when ``interval(alpha)`` excludes zero."""
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0)))

    @property
    def wald(self) -> tuple[float, float]:
        """Return centre and standard error of Bonett and Price."""
        size = self.n_items + 2
        centre = (self.gained - self.lost) / size
        variance = (self.gained + self.lost + 2) / size - centre * centre
        return centre, math.sqrt(max(variance, 0.0) / size)

    def interval(self, alpha: float) -> Interval:
        """Return the two-sided 1 - alpha interval, within [-1, 1]; never without width."""
        bounds = self.bounds(alpha / 2)
        return Interval(max(-1.0, bounds.lower), min(1.0, bounds.upper))

    def bounds(self, alpha: float) -> OneSided:
        """Return the one-sided bounds of error rate alpha each."""
        centre, se = self.wald
        half = critical_value(math.inf, 2 * alpha) * se
        low, high = (share * 2 - 1 for share in self._limits(alpha))
        changed = (self.lost + self.gained) / self.n_items
        return OneSided(min(centre - half, low * changed), max(centre + half, high * changed), alpha)

    def p_above(self, value: float) -> float:
        """Return the one-sided p of "delta > value"; below alpha exactly when ``bounds(alpha).lower > value``."""
        centre, se = self.wald
        return max(float(special.ndtr(-(centre - value) / se)), self._conditional(value, self.gained))

    def p_below(self, value: float) -> float:
        """Return the one-sided p of "delta < value"; below alpha exactly when ``bounds(alpha).upper < value``."""
        centre, se = self.wald
        return max(float(special.ndtr((centre - value) / se)), self._conditional(-value, self.lost))

    def swapped(self) -> PairTable:
        """Return the table with the arms swapped."""
        return PairTable(self.n_items, self.gained, self.lost)

    def _conditional(self, value: float, successes: int) -> float:
        """Return the mid-p of so many successes or more, where the difference is at its null value."""
        changed = self.lost + self.gained
        if changed == 0:
            return float(value >= 0)
        theta = (1 + value * self.n_items / changed) / 2
        return _upper_tail(successes, changed, theta)

    def _limits(self, alpha: float) -> tuple[float, float]:
        """Return the mid-p limits of theta."""
        changed = self.lost + self.gained
        if changed == 0:
            return 0.5, 0.5
        return _smallest_share(self.gained, changed, alpha), 1 - _smallest_share(self.lost, changed, alpha)


def _upper_tail(successes: int, trials: int, theta: float) -> float:
    """Return ``P(X > successes) + P(X = successes) / 2`` of a binomial."""
    if not 0 < theta < 1:  # beyond the range of a probability nothing is left to doubt
        at_end = 0.5 if (theta, successes) in {(0.0, 0), (1.0, trials)} else 0.0
        return at_end if theta <= 0 else 1 - at_end
    beyond = float(special.betainc(successes + 1, trials - successes, theta)) if successes < trials else 0.0
    reached = float(special.betainc(successes, trials - successes + 1, theta)) if successes > 0 else 1.0
    return 0.5 * (beyond + reached)


def _smallest_share(successes: int, trials: int, alpha: float) -> float:
    """Return the smallest theta at which so many successes or more have a mid-p of at least alpha.

    The tail rises with theta. False position with Illinois weights closes the bracket in a dozen steps where halving
    takes sixty.
    """
    low, high = 0.0, 1.0
    at_low, at_high = (_upper_tail(successes, trials, end) - alpha for end in (low, high))
    if at_low >= 0:
        return 0.0
    kept = 0
    for _ in range(_MOST_STEPS):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        found = _upper_tail(successes, trials, middle) - alpha
        if abs(found) <= _CLOSE * alpha or not low < middle < high:
            return middle
        side = 1 if found > 0 else -1
        if side > 0:
            high, at_high, at_low = middle, found, at_low / (2 if kept > 0 else 1)
        else:
            low, at_low, at_high = middle, found, at_high / (2 if kept < 0 else 1)
        kept = side
    return high
