"""Speed of the statistics: 10,000 two-way resamples of 7 seeds x 1,319 items x 16 cells, beside other packages.

Run ``python benchmarks/speed_of_statistics.py``; add ``--rliable-python PATH`` for an interpreter that has rliable,
which needs an older pandas. Everything runs on one thread, one after the other, and the least of several processor
times counts: on a shared machine the clock on the wall measures the neighbours.

Each package gets the whole table and does the nearest thing that it offers:

* ours: seeds and items resampled together, jointly where they are shared, for the mean over all cells;
* scipy.stats.bootstrap: both arms' scores, paired, averaged over seeds; items only, one cell after the other;
* rliable: its task bootstrap, runs and tasks resampled, where a task is one item of one cell;
* sacreBLEU: the bootstrap loop of its paired test, items only, for each of the 224 checkpoints.

Beside it the analytic intervals, and the whole statistics of twelve arms on four benchmarks without bootstraps: E1, E2,
what pairing gained, the adjusted families of cells and of means, the global test, the expected exaggeration.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import tracemalloc
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np
from sacrebleu.significance import _bootstrap_resample
from scipy import stats

from talan_eval.stats.arm_permutation import permute_arms
from talan_eval.stats.backbones import (
    GridCell,
    guarded_crossed_backbones,
    guarded_t_backbones,
    pigeonhole_backbones,
)
from talan_eval.stats.contrast_family import FamilyMember, FamilyResult, adjust_family
from talan_eval.stats.crossed import guarded_crossed
from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.independent import ArmsCell, pairing
from talan_eval.stats.joint_flips import SeedGains
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.selection import expected_exaggeration, gain_covariance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from talan_eval.stats.arrays import FloatArray

SEEDS: Final = 7
ITEMS: Final = 1319
CELLS: Final = 16
BACKBONES: Final = 4
ARMS: Final = 12
BENCHMARKS: Final = 4
RESAMPLES: Final = 10_000
ALPHA: Final = 0.05
ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
TARGETS: Final = {"scipy.stats.bootstrap": 10, "rliable": 15, "sacreBLEU": 60}

RLIABLE: Final = """
import json, sys, time
import numpy as np
from rliable import library
table = np.array(json.load(sys.stdin))
began = time.process_time()
library.get_interval_estimates({"delta": table}, lambda x: np.array([x.mean()]), reps=%d, task_bootstrap=True)
print(time.process_time() - began)
"""


class _Accuracy:
    """The one method of a sacreBLEU metric that its bootstrap calls."""

    def _compute_score_from_stats(self, total: FloatArray) -> float:
        return float(total[0]) / ITEMS


def example_scores() -> tuple[FloatArray, FloatArray]:
    """Return right-or-wrong scores of both arms, shape (16, 7, 1319), with flips as on GSM8K."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2, size=(CELLS, SEEDS, ITEMS)).astype(float)
    flipped = rng.random(base.shape) < np.where(base > 0, 0.2, 0.24)
    return base, np.where(flipped, 1 - base, base)


def example_cells(base: FloatArray, treat: FloatArray) -> list[GridCell]:
    """Return four backbones on four benchmarks of equal size."""
    return [
        GridCell(f"backbone {cell % BACKBONES}", f"benchmark {cell // BACKBONES}", deltas)
        for cell, deltas in enumerate(treat - base)
    ]


def same_items(cells: Sequence[GridCell]) -> list[GridCell]:
    """Return the cells as 16 backbones on one benchmark, whose item weights are drawn once."""
    return [GridCell(f"backbone {position}", "benchmark", cell.deltas) for position, cell in enumerate(cells)]


def least_time(work: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of several runs, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def analytic(cells: Sequence[GridCell]) -> None:
    """Compute E1 and E2 of every cell."""
    for cell in cells:
        squares = [mean_squares(cell.deltas)]
        per_seed = cell.deltas.mean(axis=1)
        guarded_t(per_seed, squares, ALPHA)
        guarded_crossed(per_seed, squares, ALPHA)


def example_arms() -> FloatArray:
    """Return right-or-wrong scores of twelve arms, shape (12, 4, 7, 1319)."""
    rng = np.random.default_rng(0)
    chance = rng.uniform(0.2, 0.8, size=(1, BENCHMARKS, 1, ITEMS))
    return np.asarray(rng.random((ARMS, BENCHMARKS, SEEDS, ITEMS)) < chance, dtype=np.float64)


def many_arms(scores: FloatArray, pairs: Sequence[tuple[int, int]]) -> tuple[FamilyResult, ...]:
    """Do the whole statistics of many arms but for the bootstraps.

    Args:
        scores: Shape (A, C, S, N).
        pairs: (base, treat) of each contrast.

    Returns:
        The family of all cells.
    """
    cells, means = [], []
    for base, treat in pairs:
        grid = [
            GridCell("b", f"t{task}", one - other)
            for task, (one, other) in enumerate(zip(scores[treat], scores[base], strict=True))
        ]
        cells += [_member([cell]) for cell in grid]
        means.append(_member(grid))
        pairing(
            [
                ArmsCell("b", f"t{task}", *arms)
                for task, arms in enumerate(zip(scores[treat], scores[base], strict=True))
            ],
            ALPHA,
        )
    adjust_family(means, ALPHA)
    permute_arms([scores.mean(axis=3).transpose(0, 2, 1)])
    gains = (scores[1:] - scores[:1]).mean(axis=(1, 3))
    expected_exaggeration(gains.mean(axis=1), gain_covariance(gains))
    return adjust_family(cells, ALPHA)


def _member(cells: Sequence[GridCell]) -> FamilyMember:
    found = guarded_t_backbones(cells, ALPHA)
    guarded_crossed_backbones(cells, ALPHA)
    per_seed = np.mean([cell.deltas.mean(axis=1) for cell in cells], axis=0)
    return FamilyMember(found.delta, found.terms, (SeedGains("b", tuple(range(SEEDS)), per_seed),))


def with_scipy(base: FloatArray, treat: FloatArray) -> None:
    """Bootstrap the items of every cell with scipy."""

    def gain(one: FloatArray, other: FloatArray, axis: int) -> FloatArray:
        return np.asarray(other.mean(axis=axis) - one.mean(axis=axis))

    for arms in zip(base.mean(axis=1), treat.mean(axis=1), strict=True):
        rng = np.random.default_rng(0)
        stats.bootstrap(arms, gain, paired=True, n_resamples=RESAMPLES, method="percentile", rng=rng)


def with_sacrebleu(base: FloatArray, treat: FloatArray) -> None:
    """Run the loop of sacreBLEU's paired bootstrap for every checkpoint of both arms."""
    for checkpoint in np.concatenate([base, treat]).reshape(-1, ITEMS):
        answers = checkpoint[:, None].tolist()
        _bootstrap_resample(answers, _Accuracy(), RESAMPLES)  # type: ignore[arg-type]  # all of a metric that it calls


def with_rliable(python: str, deltas: FloatArray) -> float:
    """Return the processor time that rliable needs in its own interpreter, in seconds."""
    table = deltas.transpose(1, 0, 2).reshape(SEEDS, CELLS * ITEMS)
    run = subprocess.run(  # noqa: S603 - an interpreter that the user named
        [python, "-c", RLIABLE % RESAMPLES],
        input=json.dumps(table.tolist()),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | ONE_THREAD,
    )
    return float(run.stdout.split()[-1])


def peak_memory(work: Callable[[], object]) -> float:
    """Return the largest allocation of a run beyond its inputs, in MB."""
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


def report(rliable_python: str | None) -> None:
    """Measure and print the table."""
    base, treat = example_scores()
    cells = example_cells(base, treat)
    shared = same_items(cells)

    def two_way(which: Sequence[GridCell]) -> Callable[[], object]:
        return lambda: pigeonhole_backbones(which, RESAMPLES, np.random.default_rng(0), ALPHA)

    ours, four = least_time(two_way(shared), 5), least_time(two_way(cells), 3)
    others = {"scipy.stats.bootstrap": least_time(lambda: with_scipy(base, treat), 2)}
    if rliable_python is not None:
        others["rliable"] = with_rliable(rliable_python, treat - base)
    others["sacreBLEU"] = least_time(lambda: with_sacrebleu(base, treat), 1)
    print(f"{RESAMPLES:,} resamples, {SEEDS} seeds x {ITEMS:,} items x {CELLS} cells, one thread, processor seconds\n")
    print(f"{'':<28}{'seconds':>9}{'times one':>12}{'times four':>12}{'target':>8}")
    print(f"{'two-way, one benchmark':<28}{ours:>9.3f}")
    print(f"{'two-way, four benchmarks':<28}{four:>9.3f}")
    for name, took in others.items():
        print(f"{name:<28}{took:>9.3f}{took / ours:>12.1f}{took / four:>12.1f}{TARGETS[name]:>8}")
    print(f"\nanalytic E1 and E2, {CELLS} cells: {1e3 * least_time(lambda: analytic(cells), 50):.2f} ms (target 2)")
    scores = example_arms()
    for name, pairs in (
        ("with the base", [(0, arm) for arm in range(1, ARMS)]),
        ("all pairs", list(combinations(range(ARMS), 2))),
    ):
        took = least_time(lambda chosen=pairs: many_arms(scores, chosen), 3)  # type: ignore[misc]  # bound now
        what = f"{ARMS} arms, {len(pairs)} contrasts ({name}), {BENCHMARKS} benchmarks"
        print(f"{what}: {took:.2f} s (target 1)")
    print(f"peak memory of the two-way bootstrap: {peak_memory(two_way(cells)):.0f} MB (target 200)")


def main() -> None:
    """Restart on one thread where necessary, then report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rliable-python", help="interpreter that has rliable installed")
    arguments = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        # numpy reads these when it is imported
        command = [sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, env=os.environ | ONE_THREAD, check=False).returncode)  # noqa: S603 - ourselves
    report(arguments.rliable_python)


if __name__ == "__main__":
    main()
