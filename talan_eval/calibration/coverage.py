"""Coverage of the intervals of one cell, and false claims of tests that answer another question."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.calibration.counting import Counter, Share
from talan_eval.calibration.world import Experiments, World, run_experiments
from talan_eval.stats.arrays import Interval
from talan_eval.stats.cmh import cmh, seed_tables
from talan_eval.stats.crossed import guarded_crossed
from talan_eval.stats.guard import critical_value, tail_p
from talan_eval.stats.guarded_t import GuardedT, guarded_t
from talan_eval.stats.mcnemar import checkpoint_pair, mcnemar_exact, mcnemar_midp
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.pigeonhole import Layout, pigeonhole_interval
from talan_eval.stats.seed_bootstrap import BootstrapMethod, SeedLaw, bootstrap_interval, exact_law, monte_carlo_law
from talan_eval.stats.signflip import SignFlip, hartigan_interval, seed_sums, sign_flip

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray

ALPHA = 0.05
_CHUNK = 4_000_000  # simulated answers held at a time
_ENUMERATED = 7  # seeds up to which the exact bootstrap law is used here; above, the law is sampled for speed
_LISTED = 10  # seeds up to which the sign-flip interval is taken
_LAW_DRAWS = 2000
_BOOTSTRAPPED = 500  # replicates on which the slower bootstraps are tried
_TWO_WAY = 200
_TWO_WAY_DRAWS = 600


@dataclass(frozen=True)
class CoverageSetting:
    """Coverage in one world. With clusters the intervals are also computed as if items were independent."""

    world: World

    def run(self, replicates: int, rng: np.random.Generator) -> dict[str, Share]:
        """Simulate and count."""
        counter, spreads = Counter(), []
        law = _law(self.world.n_seeds, rng)
        size = max(1, _CHUNK // (self.world.n_seeds * self.world.n_items))
        done = 0
        while done < replicates:
            block = run_experiments(self.world, min(size, replicates - done), rng)
            spreads += [
                _one(self.world, block, position, done + position, law, rng, counter)
                for position in range(len(block.base))
            ]
            done += len(block.base)
        _small_spreads(spreads, counter)
        return counter.shares()


@dataclass(frozen=True)
class _Spread:
    """Seed spread of one experiment, and whether the two t intervals covered."""

    spread: float
    plain: bool
    guarded: bool


def _one(
    world: World,
    block: Experiments,
    position: int,
    replicate: int,
    law: SeedLaw,
    rng: np.random.Generator,
    counter: Counter,
) -> _Spread:
    deltas = block.treat[position] - block.base[position]
    truth = float(block.truth_e1[position])
    per_seed = deltas.mean(axis=1)
    clusters = block.clusters if world.cluster > 1 else None
    squares = mean_squares(deltas, clusters)
    e1 = guarded_t(per_seed, [squares], ALPHA)
    counter.covers("E1 guarded t", e1.guard.ci, truth)
    counter.covers("E1 plain t", e1.plain.ci, truth)
    counter.covers("E1 items only", _items_only(deltas), truth)
    if world.n_seeds <= _LISTED:
        counter.covers("E1 sign-flip interval", hartigan_interval(per_seed, ALPHA), truth)
    if replicate < _BOOTSTRAPPED:
        for method in BootstrapMethod:
            counter.covers(f"E1 {method.label}", bootstrap_interval(per_seed, law, method, ALPHA).ci, truth)
    counter.covers("E2 guarded crossed", guarded_crossed(per_seed, [squares], ALPHA).guard.ci, block.truth_e2)
    counter.covers("E2 plain t", e1.plain.ci, block.truth_e2)
    if clusters is not None:
        ignored = guarded_crossed(per_seed, [mean_squares(deltas)], ALPHA).guard.ci
        counter.covers("E2 guarded crossed, clusters ignored", ignored, block.truth_e2)
        e0 = checkpoint_pair(deltas[0], ALPHA).ci
        counter.covers("E0 interval, clusters ignored", e0, float(block.truth_e0[position, 0]))
    if replicate < _TWO_WAY:
        layout = Layout(clusters=None if clusters is None else [clusters])
        two_way = pigeonhole_interval([deltas], _TWO_WAY_DRAWS, rng, ALPHA, layout)
        counter.covers("E2 pigeonhole", two_way, block.truth_e2)
    pair = checkpoint_pair(deltas[0], ALPHA, clusters)
    counter.covers("E0 interval", pair.ci, float(block.truth_e0[position, 0]))
    if world.tau == 0 and world.delta == 0:  # what leans either way is even on new items
        counter.note("claims E0: verdict", pair.p < ALPHA)
        counter.note("claims E0: McNemar", pair.sign_p < ALPHA)
    if world.lean == 0 and world.delta == 0:
        _false_claims(block, position, e1, sign_flip(seed_sums(deltas, world.k)), counter)
    plain = e1.plain.ci is not None and e1.plain.ci.lo <= truth <= e1.plain.ci.hi
    return _Spread(squares.seed, plain, e1.guard.ci.lo <= truth <= e1.guard.ci.hi)


def _items_only(deltas: FloatArray) -> Interval:
    """Return what a bootstrap over items of the seed average converges to."""
    means = deltas.mean(axis=0)
    half = critical_value(math.inf, ALPHA) * float(means.std(ddof=1)) / math.sqrt(len(means))
    return Interval(float(means.mean()) - half, float(means.mean()) + half)


def _false_claims(block: Experiments, position: int, e1: GuardedT, flips: SignFlip, counter: Counter) -> None:
    """Count rejections where re-training gives no gain: ours, and those of tests of another question."""
    base, treat = block.base[position], block.treat[position]
    counter.note("claims: guarded t", e1.guard.p < ALPHA)
    counter.note("claims: plain t", e1.plain.p is not None and e1.plain.p < ALPHA)
    counter.note("claims: sign-flip", flips.p <= ALPHA)
    counter.note("claims: verdict", max(e1.guard.p, flips.p if flips.floor < ALPHA else 0.0) < ALPHA)
    lost, gained = int((treat < base).sum()), int((treat > base).sum())
    pooled = mcnemar_exact if lost + gained <= 1000 else mcnemar_midp  # noqa: PLR2004 - as checkpoint_pair does
    counter.note("claims: McNemar pooled over seeds", pooled(lost, gained) < ALPHA)
    counter.note("claims: McNemar of one seed", checkpoint_pair(treat[0] - base[0], ALPHA).p < ALPHA)
    counter.note("claims: unpaired z of one seed", _unpaired(base[0], treat[0]) < ALPHA)
    if np.isin(base, (0.0, 1.0)).all() and np.isin(treat, (0.0, 1.0)).all():
        counter.note("claims: CMH over seeds", cmh(seed_tables(base, treat)).p < ALPHA)


def _unpaired(base: FloatArray, treat: FloatArray) -> float:
    variance = (float(base.var(ddof=1)) + float(treat.var(ddof=1))) / len(base)
    gain = abs(float(treat.mean() - base.mean()))
    return tail_p(gain / math.sqrt(variance), math.inf) if variance > 0 else float(gain == 0)


def _small_spreads(spreads: list[_Spread], counter: Counter) -> None:
    """Count coverage among the tenth of the experiments whose seeds agreed best."""
    for found in sorted(spreads, key=lambda one: one.spread)[: len(spreads) // 10]:
        counter.note("smallest spreads: plain t", found.plain)
        counter.note("smallest spreads: guarded t", found.guarded)


def _law(n_seeds: int, rng: np.random.Generator) -> SeedLaw:
    return exact_law(n_seeds) if n_seeds <= _ENUMERATED else monte_carlo_law(n_seeds, _LAW_DRAWS, rng)
