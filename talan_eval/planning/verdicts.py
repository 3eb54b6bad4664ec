"""What the verdict of a comparison and the PASS of a gate need: their power, and what reaches it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_eval.stats.gate_power import GateNoise, pass_power, passing_margin
from talan_eval.stats.guard import critical_value
from talan_eval.stats.verdict_power import (
    ALONE,
    CELL_SEEDS,
    LEAST_SEEDS,
    FamilySize,
    SeedNoise,
    cell_detectable,
    cell_power,
    lattice_step,
    mean_detectable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from talan_eval.stats.variance import Components

MOST_SEEDS: Final = 1000
MOST_SAMPLES: Final = 1024
_RISING: Final = 7  # seeds from which on more seeds never help less; at six the sign-flip test begins to count
_LEAST_SIGMA: Final = 1e-9


@dataclass(frozen=True)
class KnownNoise:
    """What a plan knows about one benchmark, or about the mean over several.

    Attributes:
        name: Benchmark, with its backbone where there are several.
        items: Items of each benchmark that it is the mean of; one number for a single benchmark.
        parts: Variance components: two extremes where decoding and training cannot be told apart, else one.
        divisor: By how many items the noise of single items is still to be divided: those of the benchmark, or 1 for a
            mean, whose components are already divided.
        family: What its verdict is adjusted for: the mean of the first contrast for nothing.
        floor: Size of the guard's floor beside that of an equal-weight mean of shares in points: 1 for these, 0 for
            scores without bounds, more for a mean in which one benchmark weighs more than the others.
    """

    name: str
    items: tuple[int, ...]
    parts: tuple[Components, ...]
    divisor: int = 1
    family: FamilySize = ALONE
    floor: float = 1.0


@dataclass(frozen=True)
class VerdictPlan:
    """The verdict about one benchmark or mean, as it is planned.

    Attributes:
        source: Its noise.
        part: Variance components.
        alpha: Two-sided error rate.
        power: Wanted chance of the verdict.
    """

    source: KnownNoise
    part: Components
    alpha: float
    power: float

    def noise(self, n_seeds: int, k: int) -> SeedNoise:
        """Return the noise of one seed, and the guard's least half-width with so many."""
        found = self._of_gate(n_seeds, k)
        step = lattice_step(self.source.items, k) * self.source.floor  # 0 for scores without bounds
        return SeedNoise(found.sigma, critical_value(math.inf, self.alpha) * max(found.items, found.floor), step)

    def _of_gate(self, n_seeds: int, k: int) -> GateNoise:
        sigma = math.sqrt(self.part.seed_variance(self.source.divisor, k))
        flip = math.sqrt(self.part.noise(k) / self.source.divisor / n_seeds)
        floor = math.sqrt(sum(2 / (n_seeds * items + 2) ** 2 for items in self.source.items)) / len(self.source.items)
        return GateNoise(max(sigma, _LEAST_SIGMA), flip, floor * self.source.floor)

    def passes(self, n_seeds: int, k: int, margin: float, delta: float = 0.0) -> float:
        """Return the chance that a gate with a margin says PASS, at the same error rate in its one direction."""
        return pass_power(self._of_gate(n_seeds, k), n_seeds, self.alpha, margin, delta)

    def margin(self, n_seeds: int, k: int) -> float | None:
        """Return the margin at which a gate passes what did not change with the wanted chance; None where none is."""
        found = passing_margin(self._of_gate(n_seeds, k), n_seeds, self.alpha, self.power)
        return found if math.isfinite(found) else None

    def chance(self, n_seeds: int, k: int, delta: float) -> float:
        """Return the chance that a true gain is called better."""
        return cell_power(self.noise(n_seeds, k), n_seeds, self.alpha, delta, self.source.family)

    def detectable(self, n_seeds: int, k: int) -> float | None:
        """Return the true gain that is called better with the wanted chance; None where none is."""
        found = cell_detectable(self.noise(n_seeds, k), n_seeds, self.alpha, self.power, self.source.family)
        return found if math.isfinite(found) else None

    def detectable_alone(self, n_seeds: int, k: int) -> float | None:
        """Return the same before adjustment for a family."""
        found = mean_detectable(self.noise(n_seeds, k), n_seeds, self.alpha, self.power)
        return found if math.isfinite(found) else None

    def seeds(self, k: int, delta: float) -> int | None:
        """Return the fewest seeds with which a gain is called better with the wanted chance, or None above 1,000.

        Below six seeds the t decides alone, so five seeds may do where six do not: the fewest are given.
        """
        first = LEAST_SEEDS if self.source.family.size == 1 else CELL_SEEDS

        def enough(n_seeds: int) -> bool:
            return self.chance(n_seeds, k, delta) >= self.power

        few = next((n_seeds for n_seeds in range(first, _RISING) if enough(n_seeds)), None)
        return few if few is not None else _fewest(enough, _RISING, MOST_SEEDS)

    def samples(self, n_seeds: int, delta: float) -> int | None:
        """Return the fewest samples per item with which a gain is called better, or None above 1,024."""
        return _fewest(lambda k: self.chance(n_seeds, k, delta) >= self.power, 1, MOST_SAMPLES)


def _fewest(enough: Callable[[int], bool], low: int, most: int) -> int | None:
    """Return the smallest number that is enough, by doubling and halving; None above ``most``."""
    high = low
    while not enough(high):
        if high >= most:
            return None
        low, high = high + 1, min(2 * high, most)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high
