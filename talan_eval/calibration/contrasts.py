"""Families of several contrasts, the global test of all arms, and the best arm on fresh seeds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from talan_eval.calibration.averages import Outcome, Tally
from talan_eval.calibration.coverage import ALPHA
from talan_eval.calibration.effects import LARGEST, EffectLaw, draw_effects
from talan_eval.stats.arm_permutation import permute_arms
from talan_eval.stats.contrast_family import FamilyMember, FamilyResult, adjust_family
from talan_eval.stats.guarded_t import guarded_t, paired_t
from talan_eval.stats.joint_flips import SeedGains
from talan_eval.stats.mean_squares import MeanSquares, mean_squares
from talan_eval.stats.selection import (
    best_arm,
    confirmation,
    expected_exaggeration,
    gain_covariance,
    grid_rate,
    reseeded_rate,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.arrays import FloatArray

Pairs = Literal["base", "all"]
_CHUNK = 4_000_000
_ROOM, _LOWEST, _HIGHEST = 0.35, 0.35, 0.65
_DRAWS = 499  # of the global test, for speed; the product draws 10,000
_SELECTIONS = 300


class _Cell(NamedTuple):
    """One contrast on one benchmark, and its true gain."""

    member: FamilyMember
    squares: MeanSquares
    truth: float


@dataclass(frozen=True)
class ContrastsSetting:
    """Several arms on common seeds and items; answers of different trainings are independent.

    Attributes:
        n_arms: Arms, the base among them.
        n_seeds: S.
        pairs: Contrasts: every treatment against the base, or all pairs of arms.
        law: Law of the trainings.
        n_items: Items of each benchmark.
        n_benchmarks: Benchmarks.
        tau: Standard deviation of a training's true score on a benchmark.
        shared: Correlation of a training's effects on two benchmarks.
        gains: Last arms, in number, that are truly better on every benchmark.
        gain: By how much, a proportion.
    """

    n_arms: int
    n_seeds: int
    pairs: Pairs = "base"
    law: EffectLaw = "normal"
    n_items: int = 100
    n_benchmarks: int = 4
    tau: float = 0.02
    shared: float = 0.5
    gains: int = 0
    gain: float = 0.0

    def __post_init__(self) -> None:
        """Refuse effects that would leave [0, 1] and so have no exact truth."""
        if LARGEST * self.tau + abs(self.gain) > _ROOM + 1e-12:
            raise ValueError(f"the effects of {self} leave the range of a probability")

    def run(self, replicates: int, rng: np.random.Generator) -> Outcome:
        """Simulate and count."""
        tally = Tally()
        size = max(1, _CHUNK // (self.n_arms * self.n_seeds * self.n_benchmarks * self.n_items))
        done = 0
        while done < replicates:
            count = min(size, replicates - done)
            for scores in self._scores(count, rng):
                self._one(scores, tally)
            done += count
        return tally.outcome()

    def _scores(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Simulate right-or-wrong answers, shape (R, A, S, C, N)."""
        shape = (count, self.n_arms, self.n_seeds)
        own = draw_effects(self.law, (*shape, self.n_benchmarks), rng)
        joint = draw_effects(self.law, (*shape, 1), rng)
        effects = np.clip(np.sqrt(self.shared) * joint + np.sqrt(1 - self.shared) * own, -LARGEST, LARGEST)
        items = rng.uniform(_LOWEST, _HIGHEST, size=(count, 1, 1, self.n_benchmarks, self.n_items))
        chance = items + self.tau * effects[..., None]
        if self.gains:
            chance[:, -self.gains :] += self.gain
        right = rng.random(chance.shape, dtype=np.float32) < chance
        return np.asarray(right, dtype=np.float64)

    def _one(self, scores: FloatArray, tally: Tally) -> None:
        pairs = [(0, arm) for arm in range(1, self.n_arms)]
        if self.pairs == "all":
            pairs = list(combinations(range(self.n_arms), 2))
        cells, means = [], []
        for base, treat in pairs:
            truth = self.gain * (int(self._better(treat)) - int(self._better(base)))
            deltas = scores[treat] - scores[base]
            own = [_cell(deltas[:, c], truth) for c in range(self.n_benchmarks)]
            cells += own
            means.append(_mean(deltas.mean(axis=(1, 2)), [cell.squares for cell in own], truth))
        adjusted = self._family(cells, "cells", tally)
        self._family(means, "means", tally)
        inside = [
            found.interval is None or found.interval.lo <= cell.truth <= found.interval.hi
            for cell, found in zip(cells, adjusted, strict=True)
        ]
        tally.note("all cells covered: simultaneous", all(inside))
        tally.note("all cells covered: plain", all(_plain_covers(cell) for cell in cells))
        if self.gains == 0:
            averages = scores.mean(axis=3)
            found = permute_arms([averages], draws=_DRAWS, seed=int(averages.sum() * self.n_items) % 2**32)
            tally.note("global claims: mean", found.mean_p < ALPHA)
            tally.note("global claims: any cell", found.cell_p < ALPHA)
            tally.average("G1 rate, arm", grid_rate(averages[1:] - averages[0]).share or 0.0)
            tally.average("G1 rate, re-seeded base", reseeded_rate(averages[0]).share or 0.0)

    def _better(self, arm: int) -> bool:
        return arm >= self.n_arms - self.gains

    def _family(self, members: Sequence[_Cell], name: str, tally: Tally) -> tuple[FamilyResult, ...]:
        adjusted = adjust_family([cell.member for cell in members], ALPHA)
        null = [cell.truth == 0 for cell in members]
        found = {
            "no adjustment": [cell.member.p for cell in members],
            "Holm": [one.holm_p for one in adjusted],
            "joint flips": [1.0 if one.joint_p is None else one.joint_p for one in adjusted],
            "adjusted": [one.p for one in adjusted],
        }
        for method, p in found.items():
            if any(null):
                false = any(value < ALPHA for value, none in zip(p, null, strict=True) if none)
                tally.note(f"any false {name}: {method}", false)
            for value, none in zip(p, null, strict=True):
                if not none:
                    tally.note(f"found {name}: {method}", value < ALPHA)
        return adjusted


@dataclass(frozen=True)
class SelectionSetting:
    """The best of several arms, seed effects only, in units of a proportion.

    Attributes:
        n_arms: Treatments tried.
        n_seeds: Seeds of the selection.
        fresh: Seeds of the confirmation.
        tau: Standard deviation of one training's mean score.
        spread: True gains rise evenly from 0 to this.
    """

    n_arms: int
    n_seeds: int
    fresh: int = 7
    tau: float = 0.01
    spread: float = 0.0

    def run(self, replicates: int, rng: np.random.Generator) -> Outcome:
        """Simulate and count; averages are in percentage points."""
        tally = Tally()
        truths = np.linspace(0, self.spread, self.n_arms) if self.n_arms > 1 else np.array([self.spread])
        for replicate in range(replicates):
            scores = self.tau * rng.normal(size=(self.n_arms + 1, self.n_seeds))
            gains = truths[:, None] + scores[1:] - scores[0]
            means = gains.mean(axis=1)
            best = best_arm(means)
            new = truths[best] + self.tau * (rng.normal(size=self.fresh) - rng.normal(size=self.fresh))
            result = confirmation(means, float(new.mean()))
            truth = float(truths[best])
            own, again = paired_t(gains[best], ALPHA), paired_t(new, ALPHA)
            tally.covers("selected: its own interval", own.ci, truth)
            tally.covers("confirmed: interval of fresh seeds", again.ci, truth)
            tally.average("exaggeration: selected", 100 * (result.selected - truth))
            tally.average("exaggeration: confirmed", 100 * (result.confirmed - truth))
            if replicate < _SELECTIONS:
                expected = expected_exaggeration(means, gain_covariance(gains), draws=500, seed=replicate)
                tally.average("expected: around the observed means", 100 * expected.observed)
                tally.average("expected: all arms equal", 100 * expected.equal)
            if self.spread == 0:
                tally.note("claims best: its own p", own.p is not None and own.p < ALPHA and result.selected > 0)
                tally.note("claims best: fresh seeds", again.p is not None and again.p < ALPHA and result.confirmed > 0)
        return tally.outcome()


def _cell(deltas: FloatArray, truth: float) -> _Cell:
    squares = mean_squares(deltas)
    return _mean(deltas.mean(axis=1), [squares], truth)


def _mean(per_seed: FloatArray, squares: Sequence[MeanSquares], truth: float) -> _Cell:
    terms = guarded_t(per_seed, squares, ALPHA).terms
    seeds = (SeedGains("b", tuple(range(len(per_seed))), per_seed),)
    return _Cell(FamilyMember(float(per_seed.mean()), terms, seeds), squares[0], truth)


def _plain_covers(cell: _Cell) -> bool:
    half = max(term.half_width(ALPHA) for term in cell.member.terms)
    return abs(cell.member.delta - cell.truth) <= half
