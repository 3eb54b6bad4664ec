"""Checks the planner against the comparison itself: simulates tables of scores, compares them and counts verdicts.

No code is shared with the planner: right-or-wrong answers of two arms are drawn, :func:`talan_eval.comparison.compare`
judges them, and the share of verdicts "better" stands beside the planned one.

    python benchmarks/verdict_power.py --seeds 3,5,6,7,8,10,20 --experiments 4000
    python benchmarks/verdict_power.py --seeds 5,6,7,10 --cells 4 --experiments 4000

An idle core takes about 10 ms for an experiment on one benchmark.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.planning.verdicts import KnownNoise, VerdictPlan
from talan_eval.stats.variance import Components
from talan_eval.stats.verdict_power import FamilySize

ITEMS: Final = 400
TAU: Final = 0.03  # standard deviation of a training's true gain
CHANCE: Final = 0.5  # of a right answer; two independent answers differ with variance 1/2
_FAST: Final = StatisticsSettings(resamples=1, bootstrap="percentile")


@dataclass(frozen=True)
class Counted:
    """Shares of verdicts "better" about the first benchmark and about the mean."""

    first: float
    mean: float


def table(n_seeds: int, n_cells: int, gains: tuple[float, ...], rng: np.random.Generator) -> list[ScoreMatrix]:
    """Draw right-or-wrong answers of two arms; the arms' trainings differ by their own gain on each benchmark."""
    seeds, matrices = tuple(range(n_seeds)), []
    for cell in range(n_cells):
        items = ItemTable(f"t{cell}", "acc", tuple(map(str, range(ITEMS))), "0" * 12)
        # half of the gain on either side of one half, where the variance of an answer hardly changes
        chance = CHANCE + gains[cell] / 2 + TAU * rng.normal(size=(n_seeds, 1))
        for arm, right in (("base", CHANCE - gains[cell] / 2), ("treat", chance)):
            scores = (rng.random((n_seeds, ITEMS)) < right).astype(np.float64)
            matrices.append(ScoreMatrix("b", arm, items, seeds, scores))
    return matrices


def counted(n_seeds: int, gains: tuple[float, ...], experiments: int, seed: int = 0) -> Counted:
    """Compare so many simulated tables and count the verdicts."""
    rng = np.random.default_rng([n_seeds, len(gains), seed])
    first = mean = 0
    for _ in range(experiments):
        found = compare(table(n_seeds, len(gains), gains, rng), [ContrastSpec("base", "treat")], Origin({}), _FAST)
        (contrast,) = found.contrasts
        first += contrast.cells[0].verdict == "better"
        mean += contrast.aggregate.verdict == "better"
    return Counted(first / experiments, mean / experiments)


def planned(n_cells: int, gain: float = 0.0) -> tuple[VerdictPlan, VerdictPlan]:
    """Return the plans of one benchmark and of the mean over so many; a gain moves answers away from one half."""
    one = Components(TAU**2, 0.0, 2 * (CHANCE * (1 - CHANCE) - gain * gain / 4))
    family = FamilySize(n_cells)
    alone = VerdictPlan(KnownNoise("one", (ITEMS,), (one,), ITEMS, family), one, 0.05, 0.8)
    shared = Components(one.tau2 / n_cells, 0.0, one.phi_decode / ITEMS / n_cells)
    return alone, VerdictPlan(KnownNoise("mean", (ITEMS,) * n_cells, (shared,)), shared, 0.05, 0.8)


def main() -> None:
    """Print planned and counted power, with the counts' standard error."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", default="3,5,6,7,8,10,20")
    parser.add_argument("--cells", type=int, default=1)
    parser.add_argument("--experiments", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0, help="of the simulation")
    words = parser.parse_args()
    one, mean = planned(words.cells)
    print("seeds  gain    one: planned counted   mean: planned counted   standard error")
    for n_seeds in map(int, words.seeds.split(",")):
        gain = one.detectable(n_seeds, 1) or mean.detectable(n_seeds, 1) or 0.0
        gains = (gain, *((0.0,) * (words.cells - 1)))  # nothing else differs, so the mean gains a share of it
        got = counted(n_seeds, gains, words.experiments, words.seed)
        error = math.sqrt(0.16 / words.experiments)
        plan, _ = planned(words.cells, gain)
        print(
            f"{n_seeds:5d}  {100 * gain:5.2f}   {plan.chance(n_seeds, 1, gain):12.3f} {got.first:7.3f}"
            f"   {mean.chance(n_seeds, 1, gain / words.cells):12.3f} {got.mean:7.3f}   {error:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
