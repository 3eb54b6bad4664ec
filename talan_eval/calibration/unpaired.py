"""Arms that are not paired by seed: a comparator without seeds, and independent seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.calibration.averages import Outcome, Tally
from talan_eval.calibration.coverage import ALPHA
from talan_eval.calibration.effects import LARGEST, EffectLaw, draw_effects
from talan_eval.calibration.world import World, draw_items, run_experiments
from talan_eval.stats.fixed_base import FixedCell, drawn_answers, fixed_deltas, guarded_crossed_fixed, guarded_t_fixed
from talan_eval.stats.guarded_t import paired_t
from talan_eval.stats.independent import ArmsCell, guarded_crossed_independent, guarded_t_independent, pairing
from talan_eval.stats.joint_flips import SeedGains, joint_sign_flips
from talan_eval.stats.label_permutation import SeedGroups, studentised_permutation

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray

_CHUNK = 4_000_000
_ROOM = 0.35
_FLIPPED = 10  # seeds up to which sign flips are tried, for speed


@dataclass(frozen=True)
class FixedSetting:
    """A trained arm against a comparator that has no seeds.

    Attributes:
        world: The trained arm, without shared random numbers; its items' base probability is the comparator's.
        answers: Answers that the comparator draws per item; 0 for one answer that is its own for good (greedy).
    """

    world: World
    answers: int = 0

    def run(self, replicates: int, rng: np.random.Generator) -> Outcome:
        """Simulate and count."""
        tally = Tally()
        size = max(1, _CHUNK // (self.world.n_seeds * self.world.n_items))
        done = 0
        while done < replicates:
            count = min(size, replicates - done)
            items = draw_items(self.world, count, rng)
            treat = run_experiments(self.world, count, rng, items=items).treat
            samples = rng.random((*items.base.shape, max(self.answers, 1))) < items.base[:, :, None]
            for position in range(count):
                base = samples[position].astype(np.float64)
                # a greedy answer is the comparator; drawn ones estimate it
                gap = 0.0 if self.answers else float(items.base[position].mean() - base.mean())
                self._one(treat[position], base, float(items.shift[position].mean()) + gap, tally)
            done += count
        return tally.outcome()

    def _one(self, treat: FloatArray, samples: FloatArray, truth: float, tally: Tally) -> None:
        answers = drawn_answers(samples) if self.answers else None
        cell = FixedCell("b", "t", treat, samples.mean(axis=1), answers)
        e1 = guarded_t_fixed([cell], ALPHA)
        tally.covers("E1 fixed: guarded t", e1.guard.ci, truth)
        tally.covers("E1 fixed: unguarded t", e1.plain.ci, truth)
        tally.covers("E2 fixed: guarded crossed", guarded_crossed_fixed([cell], ALPHA).guard.ci, self.world.delta)
        per_seed = fixed_deltas(cell).deltas.mean(axis=1)
        if answers is not None:
            tally.covers("E1 fixed: answers' noise ignored", paired_t(per_seed, ALPHA).ci, truth)
        elif len(per_seed) <= _FLIPPED:
            gains = SeedGains("b", tuple(range(len(per_seed))), per_seed - truth)
            tally.note("claims fixed: sign-flip", float(joint_sign_flips([(gains,)], ALPHA).step_down[0]) < ALPHA)


@dataclass(frozen=True)
class IndependentSetting:
    """Two arms with seeds of their own, or with common seeds whose pairing is measured.

    Attributes:
        n_treat: Seeds of the treat arm.
        n_base: Seeds of the base arm.
        n_items: N.
        tau_treat: Standard deviation of the treat arm's true mean score over seeds, a proportion.
        tau_base: The same of the base arm.
        lean: As in ``World``.
        open_share: As in ``World``.
        law: Law of the trainings.
        r: Correlation of both arms' seed effects; above 0 the seeds are common ones.
    """

    n_treat: int
    n_base: int
    n_items: int
    tau_treat: float = 0.02
    tau_base: float = 0.02
    lean: float = 0.0
    open_share: float = 1.0
    law: EffectLaw = "normal"
    r: float = 0.0

    def __post_init__(self) -> None:
        """Refuse effects that would leave [0, 1] and so have no exact truth."""
        largest = LARGEST if self.law != "normal" else 5.0  # beyond 5 standard deviations once in two million
        if largest * max(self.tau_treat, self.tau_base) / self.open_share + self.lean > _ROOM + 1e-12:
            raise ValueError(f"the effects of {self} leave the range of a probability")

    def run(self, replicates: int, rng: np.random.Generator) -> Outcome:
        """Simulate and count."""
        tally = Tally()
        world = World(max(self.n_treat, self.n_base), self.n_items, lean=self.lean, open_share=self.open_share)
        size = max(1, _CHUNK // ((self.n_treat + self.n_base) * self.n_items))
        done = 0
        while done < replicates:
            count = min(size, replicates - done)
            items = draw_items(world, count, rng)
            effects = self._effects(count, rng)
            chance = items.base[:, None, :] + effects[:, :, None] / self.open_share * items.is_open[:, None, :]
            chance[:, : self.n_treat] += items.shift[:, None, :]
            scores = (rng.random(chance.shape) < chance).astype(np.float64)
            for position in range(count):
                cell = ArmsCell("b", "t", scores[position, : self.n_treat], scores[position, self.n_treat :])
                self._one(cell, float(items.shift[position].mean()), tally)
            done += count
        return tally.outcome()

    def _effects(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw both arms' effects in proportions, shape (R, S1 + S2)."""
        own = draw_effects(self.law, (count, self.n_treat + self.n_base), rng)
        if self.r > 0:
            common = draw_effects(self.law, (count, self.n_treat), rng)
            own = np.sqrt(self.r) * np.hstack([common, common]) + np.sqrt(1 - self.r) * own
        return np.repeat([self.tau_treat, self.tau_base], [self.n_treat, self.n_base]) * own

    def _one(self, cell: ArmsCell, truth: float, tally: Tally) -> None:
        e1 = guarded_t_independent([cell], ALPHA)
        if self.n_treat == self.n_base:
            found = pairing([cell], ALPHA)
            tally.average("unpaired width over paired", found.width_ratio)
            tally.average("r measured", 0.0 if found.r is None else found.r)
        if self.r > 0:
            return
        tally.covers("E1 independent: guarded Welch", e1.guard.ci, truth)
        tally.covers("E1 independent: plain Welch", e1.plain.ci, truth)
        tally.covers("E2 independent: guarded crossed", guarded_crossed_independent([cell], ALPHA).guard.ci, 0.0)
        if self.lean == 0:
            one, other = cell.treat.mean(axis=1), cell.base.mean(axis=1)
            tally.note("claims independent: guarded Welch", e1.guard.p < ALPHA)
            tally.note("claims independent: plain Welch", e1.plain.p is not None and e1.plain.p < ALPHA)
            studentised = studentised_permutation([SeedGroups(one, other)])
            tally.note("claims independent: studentised permutation", studentised.p < ALPHA)
            tally.note(
                "claims independent: both", max(e1.guard.p, studentised.p if studentised.floor < ALPHA else 0.0) < ALPHA
            )
            tally.note("claims independent: permutation of means", _of_means(one, other) < ALPHA)


def _of_means(one: FloatArray, other: FloatArray) -> float:
    """Return p of the permutation test that is not studentised."""
    values = np.concatenate([one, other])
    sums = _choices(len(one), len(other)) @ (values - values.mean())
    return float(np.mean(np.abs(sums) >= abs(sums[0]) - 1e-9))


@cache
def _choices(n_one: int, n_other: int) -> FloatArray:
    chosen = np.array(list(combinations(range(n_one + n_other), n_one)))
    rows = np.zeros((len(chosen), n_one + n_other))
    rows[np.arange(len(chosen))[:, None], chosen] = 1.0
    return rows
