"""Counts of what was covered, rejected or decided, kept as integers so that runs can be added and resumed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scipy import stats

if TYPE_CHECKING:
    from talan_eval.stats.arrays import Interval


@dataclass(frozen=True)
class Share:
    """A simulated probability.

    Attributes:
        hits: Experiments in which it happened.
        trials: Experiments in which it could.
    """

    hits: int
    trials: int

    @property
    def value(self) -> float:
        """Return hits over trials."""
        return self.hits / self.trials

    @property
    def error(self) -> float:
        """Return the Monte Carlo standard error."""
        return math.sqrt(max(self.value * (1 - self.value), 0.25 / self.trials) / self.trials)

    def exceeds(self, probability: float, level: float = 0.001) -> bool:
        """Return whether so many hits would be a surprise if the true probability were at most this."""
        return self.hits > float(stats.binom.ppf(1 - level, self.trials, probability))

    def falls_below(self, probability: float, level: float = 0.001) -> bool:
        """Return whether so few hits would be a surprise if the true probability were at least this."""
        return self.hits < float(stats.binom.ppf(level, self.trials, probability))


@dataclass
class Counter:
    """Collects shares by name while experiments run."""

    hits: dict[str, int] = field(default_factory=dict)
    trials: dict[str, int] = field(default_factory=dict)

    def note(self, name: str, happened: bool) -> None:  # noqa: FBT001 - what is counted
        """Count one experiment."""
        self.trials[name] = self.trials.get(name, 0) + 1
        self.hits[name] = self.hits.get(name, 0) + bool(happened)

    def covers(self, name: str, interval: Interval | None, truth: float) -> None:
        """Count whether an interval covers the truth; no interval counts as "none" and not as a miss."""
        self.note(f"{name} none", interval is None)
        if interval is not None:
            self.note(name, interval.lo <= truth <= interval.hi)

    def shares(self) -> dict[str, Share]:
        """Return the shares, by name."""
        return {name: Share(self.hits[name], trials) for name, trials in sorted(self.trials.items())}
