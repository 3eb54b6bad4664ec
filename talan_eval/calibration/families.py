"""Families of benchmarks, and aggregates over backbones: false claims anywhere, coverage of the mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.calibration.counting import Counter, Share
from talan_eval.calibration.coverage import ALPHA
from talan_eval.calibration.world import Experiments, World, draw_items, run_experiments, seed_effects
from talan_eval.stats.arrays import Interval
from talan_eval.stats.backbone_flips import max_t_backbones, sign_flip_backbones
from talan_eval.stats.backbones import GridCell, guarded_crossed_backbones, guarded_t_backbones
from talan_eval.stats.checkpoint_mean import PairCell, mean_of_pairs
from talan_eval.stats.guard import critical_value, guarded
from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.multiplicity import benjamini_hochberg, holm
from talan_eval.stats.signflip import seed_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.arrays import FloatArray

_CHUNK = 4_000_000


@dataclass(frozen=True)
class FamilySetting:
    """Several benchmarks and backbones.

    Attributes:
        world: How each cell behaves.
        n_benchmarks: Benchmarks per backbone.
        n_backbones: Backbones, trained independently.
        gains: Benchmarks that have a true gain of ``gain``; the others have none.
        gain: The gain, a proportion.
        shared: Correlation of a seed's effect between the benchmarks of a backbone.
    """

    world: World
    n_benchmarks: int
    n_backbones: int = 1
    gains: int = 0
    gain: float = 0.0
    shared: float = 0.0

    def run(self, replicates: int, rng: np.random.Generator) -> dict[str, Share]:
        """Simulate and count."""
        counter = Counter()
        cells = self.n_benchmarks * self.n_backbones
        size = max(1, _CHUNK // (cells * self.world.n_seeds * self.world.n_items))
        done = 0
        while done < replicates:
            count = min(size, replicates - done)
            grid = self._grid(count, rng)
            for position in range(count):
                self._count(grid, position, counter)
            done += count
        return counter.shares()

    def _world(self, benchmark: int) -> World:
        delta = self.gain if benchmark < self.gains else 0.0
        return World(**{**vars(self.world), "delta": delta})

    def _grid(self, count: int, rng: np.random.Generator) -> list[tuple[str, int, Experiments]]:
        """Run every cell: benchmarks share their items, the benchmarks of a backbone part of their seed effects."""
        worlds = [self._world(benchmark) for benchmark in range(self.n_benchmarks)]
        items = [draw_items(world, count, rng) for world in worlds]
        grid = []
        for backbone in range(self.n_backbones):
            common = seed_effects(self.world, count, rng)
            for benchmark, world in enumerate(worlds):
                own = seed_effects(world, count, rng)
                # cut again: the sum of two cut effects may exceed the room by a little
                mixed = np.clip(math.sqrt(self.shared) * common + math.sqrt(1 - self.shared) * own, -3, 3)
                cell = run_experiments(world, count, rng, items=items[benchmark], seeds=mixed)
                grid.append((f"b{backbone}", benchmark, cell))
        return grid

    def _count(self, grid: Sequence[tuple[str, int, Experiments]], position: int, counter: Counter) -> None:
        cells = [
            GridCell(backbone, f"t{benchmark}", cell.treat[position] - cell.base[position])
            for backbone, benchmark, cell in grid
        ]
        fixed = float(np.mean([cell.truth_e1[position] for _, _, cell in grid]))
        _checkpoints(grid, position, counter)
        e1, e2 = guarded_t_backbones(cells, ALPHA), guarded_crossed_backbones(cells, ALPHA)
        counter.covers("mean E1 guarded", e1.guard.ci, fixed)
        counter.covers("mean E2 guarded", e2.guard.ci, self.gain * self.gains / self.n_benchmarks)
        counter.covers("mean E1, cells taken as independent", _independent(cells), fixed)
        own = [GridCell(cell.backbone, f"{cell.backbone} {cell.benchmark}", cell.deltas) for cell in cells]
        apart = guarded_crossed_backbones(own, ALPHA).guard.ci
        if self.n_backbones > 1:
            counter.covers(
                "mean E2, items taken as new per backbone", apart, self.gain * self.gains / self.n_benchmarks
            )
        sums, names = [seed_sums(cell.deltas, self.world.k) for cell in cells], [cell.backbone for cell in cells]
        if self.gains == 0 and self.world.lean == 0:
            counter.note("mean claims: guarded t", e1.guard.p < ALPHA)
            counter.note("mean claims: sign-flip", sign_flip_backbones(sums, names).p <= ALPHA)
        raw = np.array(
            [guarded_t(cell.deltas.mean(axis=1), [mean_squares(cell.deltas)], ALPHA).guard.p for cell in cells]
        )
        joint = max_t_backbones(sums, names)
        null = np.array([benchmark >= self.gains for _, benchmark, _ in grid])
        adjusted = {
            "no adjustment": raw,
            "Holm": holm(raw),
            "max-T": joint,
            "larger of Holm and max-T": np.maximum(holm(raw), joint),
            "Benjamini-Hochberg": benjamini_hochberg(raw),
        }
        for name, p in adjusted.items():
            rejected = p <= ALPHA
            counter.note(f"any false: {name}", bool(rejected[null].any()))
            for found in rejected[~null]:
                counter.note(f"found: {name}", bool(found))


def _checkpoints(grid: Sequence[tuple[str, int, Experiments]], position: int, counter: Counter) -> None:
    """Count E0 of the mean over benchmarks, of the first seed's checkpoints; and with shared items taken as new."""
    rows = [cell.treat[position, 0] - cell.base[position, 0] for _, _, cell in grid]
    truth = float(np.mean([cell.truth_e0[position, 0] for _, _, cell in grid]))
    several = len({backbone for backbone, _, _ in grid}) > 1
    layouts = {"mean E0": [benchmark for _, benchmark, _ in grid]}
    if several:
        layouts["mean E0, items taken as new per backbone"] = list(range(len(grid)))
    for name, places in layouts.items():
        found = mean_of_pairs(
            [
                PairCell(row, place * len(row) + np.arange(len(row), dtype=np.int64))
                for row, place in zip(rows, places, strict=True)
            ]
        )
        counter.covers(name, guarded(found.delta, found.terms, ALPHA).ci, truth)


def _independent(cells: Sequence[GridCell]) -> Interval:
    """Return the t interval of the mean that takes the benchmarks of a seed as independent."""
    values: list[FloatArray] = [cell.deltas.mean(axis=1) for cell in cells]
    variance = sum(float(v.var(ddof=1)) / len(v) for v in values) / len(values) ** 2
    centre = float(np.mean([v.mean() for v in values]))
    half = critical_value(sum(len(v) - 1 for v in values), ALPHA) * math.sqrt(variance)
    return Interval(centre - half, centre + half)
