"""Outcomes of a non-inferiority gate, and of adding seeds until something is significant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy import special

from talan_eval.calibration.counting import Counter, Share
from talan_eval.calibration.coverage import ALPHA
from talan_eval.calibration.world import World, run_experiments
from talan_eval.stats.anytime import looks
from talan_eval.stats.guarded_t import GuardedT, guarded_t
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.noninferiority import GateOutcome, GuardedDifference, gate_numbers
from talan_eval.stats.outliers import outlying_seed
from talan_eval.stats.seed_bootstrap import bootstrap_t_p_above

if TYPE_CHECKING:
    import numpy as np

    from talan_eval.stats.arrays import FloatArray

_CHUNK = 4_000_000


@dataclass(frozen=True)
class GateSetting:
    """A gate on one cell whose items do not lean, so that the true gain is ``world.delta`` exactly.

    Attributes:
        world: The cell.
        margin: Tolerated loss, a proportion.
    """

    world: World
    margin: float = 0.01

    def run(self, replicates: int, rng: np.random.Generator) -> dict[str, Share]:
        """Simulate and count."""
        counter = Counter()
        size = max(1, _CHUNK // (self.world.n_seeds * self.world.n_items))
        done = 0
        while done < replicates:
            block = run_experiments(self.world, min(size, replicates - done), rng)
            for base, treat, fixed in zip(block.base, block.treat, block.truth_e1, strict=True):
                # the share of open items varies between draws and the gain with it: put the true gain where it is asked
                deltas = treat - base
                per_seed = deltas.mean(axis=1) - float(fixed) + self.world.delta
                self._count(per_seed, guarded_t(per_seed, [mean_squares(deltas)], ALPHA), counter)
            done += len(block.base)
        return counter.shares()

    def _count(self, per_seed: FloatArray, result: GuardedT, counter: Counter) -> None:
        """Count the gate's outcomes, and whether a loss of the margin is excluded by rules of growing strictness."""
        guard = GuardedDifference(result.delta, result.terms)
        alone = gate_numbers(guard, len(per_seed), self.margin).outcome
        # below alpha exactly when the bound exceeds -margin; the bootstrap-t is costly and seldom needed
        excluded = guard.p_above(-self.margin) < ALPHA
        least = next(term.se for term in result.terms if term.name == "floor")
        p = bootstrap_t_p_above(per_seed, -self.margin, least) if excluded else None
        both = excluded and (p is None or p < ALPHA)
        seed = outlying_seed(per_seed, result.terms[1].se * math.sqrt(len(per_seed)))
        apart = seed is not None and seed.stands_apart
        passed = alone is GateOutcome.PASS and both and not apart
        failed = alone is GateOutcome.FAIL
        counter.note("gate: pass", passed)
        counter.note("gate: fail", failed)
        counter.note("gate: inconclusive", not passed and not failed)
        # a gate that fails only below -margin passes wherever its bound excludes that
        counter.note("excluded: guard", excluded)
        counter.note("excluded: with bootstrap-t", both)
        counter.note("excluded: without an outlying seed", both and not apart)
        counter.note("gate: outlying seed", apart)
        counter.note("gate: mean below zero", result.delta < 0)


@dataclass(frozen=True)
class PeekSetting:
    """Seeds are added from ``first`` to ``last`` without any gain, with a look after each.

    Attributes:
        first: Seeds at the first look.
        last: Seeds at the last.
    """

    first: int
    last: int

    def run(self, replicates: int, rng: np.random.Generator) -> dict[str, Share]:
        """Simulate normal seed differences and count."""
        counter = Counter()
        at = list(range(self.first, self.last + 1))
        for values in rng.normal(0, 0.01, size=(replicates, self.last)):
            counter.note("peeking: t", any(_t_p(values[:count]) < ALPHA for count in at))
            counter.note("peeking: last look only", _t_p(values) < ALPHA)
            found = looks(values, at, ALPHA)
            counter.note("peeking: anytime-valid t", found[-1].p <= ALPHA)
            counter.note("peeking: confidence sequence misses", any(_misses(look.ci) for look in found))
        return counter.shares()


def _misses(interval: tuple[float, float] | None) -> bool:
    return interval is not None and not interval[0] <= 0 <= interval[1]


def _t_p(values: FloatArray) -> float:
    statistic = abs(float(values.mean())) / (float(values.std(ddof=1)) / math.sqrt(len(values)))
    return 2 * float(special.stdtr(len(values) - 1, -statistic))
