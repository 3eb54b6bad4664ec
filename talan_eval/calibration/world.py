"""Simulated experiments whose true gain is known exactly, for fixed items and for new ones.

Answers are right or wrong. Each item has a base probability; an item is *settled* (always right or always wrong in both
arms) or *open*. Training adds a seed effect to the open items, an item may lean towards one arm, and the two arms may
share the random number of an answer, which makes their flips rare as they are between adapters of one backbone. All
effects stay inside the probabilities' range, so that no clipping blurs the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from talan_eval.calibration.effects import LARGEST, draw_effects

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray, IntArray

Law = Literal["normal", "skewed", "exponential", "exponential losses", "t3", "failed"]
_OPEN_RANGE = (0.35, 0.65)
_ROOM = 0.35  # what effects may add to an open item's probability
_LARGEST = 3.0  # normal and skewed seed effects are cut at three standard deviations


@dataclass(frozen=True)
class World:
    """How the items and trainings of one experiment behave.

    Attributes:
        n_seeds: S.
        n_items: N.
        tau: Standard deviation of the seeds' true mean difference, a proportion.
        delta: True mean difference over seeds and new items.
        lean: Half the difference between items that lean to one arm and to the other, on open items.
        open_share: Share of open items.
        agreement: Chance that both arms use the same random number for an answer.
        k: Samples per item.
        law: Seed effects: normal (cut at 3), skewed (one training in ten is three deviations worse), or a law of
            ``draw_effects``, cut at 10.
        cluster: Items per cluster that share probability and lean; 1 for independent items.
    """

    n_seeds: int
    n_items: int
    tau: float = 0.0
    delta: float = 0.0
    lean: float = 0.0
    open_share: float = 1.0
    agreement: float = 0.0
    k: int = 1
    law: Law = "normal"
    cluster: int = 1

    def __post_init__(self) -> None:
        """Refuse effects that would leave [0, 1] and so have no exact truth."""
        largest = _LARGEST if self.law in {"normal", "skewed"} else LARGEST
        if largest * self.tau / self.open_share + self.lean + abs(self.delta) / self.open_share > _ROOM + 1e-12:
            raise ValueError(f"the effects of {self} leave the range of a probability")


@dataclass(frozen=True)
class Items:
    """The items of replicated experiments, shape (R, N) each.

    Attributes:
        base: Base arm's probability.
        shift: Treat arm's mean shift, delta and lean; 0 on settled items.
        is_open: 1 on open items.
    """

    base: FloatArray
    shift: FloatArray
    is_open: FloatArray


@dataclass(frozen=True)
class Experiments:
    """Replicated experiments.

    Attributes:
        base: Scores of the base arm, shape (R, S, N).
        treat: Scores of the treat arm, shape (R, S, N).
        truth_e0: Each checkpoint pair's true gain on new items, shape (R, S).
        truth_e1: True gain over seeds on these items, shape (R,).
        truth_e2: True gain over seeds and new items.
        clusters: Cluster of each item, shape (N,).
    """

    base: FloatArray
    treat: FloatArray
    truth_e0: FloatArray
    truth_e1: FloatArray
    truth_e2: float
    clusters: IntArray


def draw_items(world: World, replicates: int, rng: np.random.Generator) -> Items:
    """Draw the items of R experiments; clusters share what they are."""
    groups = -(-world.n_items // world.cluster)
    shape = (replicates, groups)
    is_open = rng.random(shape) < world.open_share
    settled = rng.integers(0, 2, size=shape).astype(np.float64)
    base = np.where(is_open, rng.uniform(*_OPEN_RANGE, size=shape), settled)
    lean = world.lean * (2.0 * rng.integers(0, 2, size=shape) - 1)
    shift = np.where(is_open, lean + world.delta / world.open_share, 0.0)
    spread = [np.repeat(part, world.cluster, axis=1)[:, : world.n_items] for part in (base, shift, is_open)]
    return Items(spread[0], spread[1], spread[2].astype(np.float64))


def seed_effects(world: World, replicates: int, rng: np.random.Generator) -> FloatArray:
    """Draw standardised seed effects, shape (R, S), mean 0 and variance 1."""
    shape = (replicates, world.n_seeds)
    if world.law == "skewed":
        return np.where(rng.random(shape) < 1 / 10, -_LARGEST, 1 / _LARGEST)
    if world.law != "normal":
        return draw_effects(world.law, shape, rng)
    return np.clip(rng.normal(size=shape), -_LARGEST, _LARGEST)


def run_experiments(
    world: World,
    replicates: int,
    rng: np.random.Generator,
    *,
    items: Items | None = None,
    seeds: FloatArray | None = None,
) -> Experiments:
    """Simulate R experiments.

    Args:
        world: How they behave.
        replicates: R.
        rng: Source of randomness.
        items: Items to reuse, as backbones of one benchmark do; drawn anew when left out.
        seeds: Seed effects to reuse, as benchmarks of one backbone do; drawn anew when left out.

    Returns:
        Scores and truths.
    """
    items = draw_items(world, replicates, rng) if items is None else items
    effects = seed_effects(world, replicates, rng) if seeds is None else seeds
    step = world.tau / world.open_share
    chance = items.base[:, None, :] + items.shift[:, None, :] + step * effects[:, :, None] * items.is_open[:, None, :]
    shape = (replicates, world.n_seeds, world.n_items)
    base, treat = np.zeros(shape), np.zeros(shape)
    for _ in range(world.k):
        one = rng.random(shape, dtype=np.float32)
        other = rng.random(shape, dtype=np.float32)
        if world.agreement > 0:
            other = np.where(rng.random(shape, dtype=np.float32) < world.agreement, one, other)
        base += one < items.base[:, None, :]
        treat += other < chance
    return Experiments(
        base / world.k,
        treat / world.k,
        world.delta + world.tau * effects,
        items.shift.mean(axis=1),
        world.delta,
        np.arange(world.n_items, dtype=np.int64) // world.cluster,
    )
