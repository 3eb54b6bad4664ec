"""Averages of simulated numbers, beside the shares: what a selection exaggerates, how wide an interval is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from talan_eval.calibration.counting import Counter

if TYPE_CHECKING:
    from talan_eval.calibration.counting import Share


@dataclass(frozen=True)
class Average:
    """A simulated mean.

    Attributes:
        total: Sum over experiments.
        squares: Sum of squares.
        trials: Experiments.
    """

    total: float
    squares: float
    trials: int

    @property
    def value(self) -> float:
        """Return the mean."""
        return self.total / self.trials

    @property
    def error(self) -> float:
        """Return the Monte Carlo standard error."""
        return math.sqrt(max(self.squares / self.trials - self.value**2, 0.0) / self.trials)


@dataclass(frozen=True)
class Outcome:
    """What a setting counted and averaged, by name."""

    shares: dict[str, Share]
    averages: dict[str, Average]


@dataclass
class Tally(Counter):
    """Collects averages as well as shares while experiments run."""

    sums: dict[str, tuple[float, float, int]] = field(default_factory=dict)

    def average(self, name: str, value: float) -> None:
        """Add one experiment's number."""
        total, squares, trials = self.sums.get(name, (0.0, 0.0, 0))
        self.sums[name] = (total + value, squares + value * value, trials + 1)

    def outcome(self) -> Outcome:
        """Return everything collected."""
        return Outcome(self.shares(), {name: Average(*found) for name, found in sorted(self.sums.items())})
