"""The score of one arm that is compared with nothing: what its items and its training seeds say of it.

Units are shares in [0, 1]. E0 asks for the score of these checkpoints on items of this kind, E1 for that of the average
training on this benchmark, E2 for that of the average training on items of this kind. E1 and E2 are those against a
fixed comparator that scores nothing (:mod:`talan_eval.stats.fixed_base`): subtracting a constant changes no spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from talan_eval.stats.arrays import FloatArray, IntArray, Interval
from talan_eval.stats.checkpoint_mean import PairCell, mean_of_pairs
from talan_eval.stats.clusters import MIN_CLUSTERS, Labels
from talan_eval.stats.diverged import diverged_rate
from talan_eval.stats.fixed_base import FixedCell, guarded_crossed_fixed, guarded_t_fixed
from talan_eval.stats.guard import ErrorTerm, guarded
from talan_eval.stats.item_mean import mean_of_items

if TYPE_CHECKING:
    from collections.abc import Sequence

Method = Literal["exact", "t", "clusters", "mean"]


@dataclass(frozen=True, eq=False)
class BenchmarkScores:
    """An arm's scores on one benchmark.

    Attributes:
        scores: Shape (S, N), shares.
        weight: Weight of the benchmark in the mean; those of one mean add up to 1.
        clusters: One cluster id per item, or None for independent items.
        units: Which items belong together, shape (N,), numbered alike in all benchmarks of a mean.
    """

    scores: FloatArray
    weight: float = 1.0
    clusters: Labels | Sequence[str] | Sequence[int] | None = None
    units: IntArray | None = None


@dataclass(frozen=True)
class ScoreInterval:
    """An interval of a score.

    Attributes:
        ci: It, within [0, 1].
        method: "exact" (Clopper and Pearson), "t" over items or seeds, "clusters" (the wider of that and the
            cluster-robust t), or "mean" of several benchmarks.
    """

    ci: Interval
    method: Method


def items_interval(
    row: FloatArray,
    alpha: float,
    clusters: Labels | Sequence[str] | Sequence[int] | None = None,
    *,
    of_right_or_wrong: bool = False,
) -> ScoreInterval | None:
    """E0 of one benchmark: items random, the checkpoints as they are.

    Args:
        row: Score of each item, shape (N,), one checkpoint's or the mean over several.
        alpha: Two-sided error rate.
        clusters: One cluster id per item, where items are not independent.
        of_right_or_wrong: Whether the scores are means of answers that are right or wrong, over several checkpoints.

    Returns:
        For answers that are right or wrong the exact interval of Clopper and Pearson (1934), which has a width even
        where all are right; for partial credit the t over items (Miller 2024), cut at 0 and 1; with clusters the wider
        of the t over items and the cluster-robust one. For means of right or wrong answers neither is narrower than
        the floor of E2, ``z sqrt(2) / (N + 2)``: few wrong answers near the ceiling have little spread, and say little
        of the items that were not asked. None where all items have one partial score, or one cluster.
    """
    values = np.asarray(row, dtype=np.float64)
    several = clusters is not None and len(set(np.asarray(clusters).tolist())) >= MIN_CLUSTERS
    if _is_right_or_wrong(values) and not several:
        return ScoreInterval(diverged_rate(int(values.sum()), len(values), alpha).ci, "exact")
    found = mean_of_items(values, alpha, clusters if several else None)
    if found.guard is None:
        return None
    ci = found.guard.ci
    if of_right_or_wrong:
        floor = guarded(float(values.mean()), (ErrorTerm("floor", math.sqrt(2) / (len(values) + 2)),), alpha).ci
        ci = Interval(min(ci.lo, floor.lo), max(ci.hi, floor.hi))
    return ScoreInterval(_cut(ci), "clusters" if several else "t")


def mean_items_interval(benchmarks: Sequence[BenchmarkScores], alpha: float) -> ScoreInterval | None:
    """E0 of the weighted mean over benchmarks: items random, the checkpoints as they are.

    Args:
        benchmarks: Each with scores of the same checkpoints, whose mean counts, and with units.
        alpha: Two-sided error rate.

    Returns:
        That of :func:`~talan_eval.stats.checkpoint_mean.mean_of_pairs` against a comparator that scores nothing: items
        that benchmarks share are one item, and a benchmark without a wrong answer does not count as known exactly.
        Of a single benchmark its own, which may be None.
    """
    if len(benchmarks) == 1:
        (only,) = benchmarks
        sharp = _is_right_or_wrong(only.scores)
        return items_interval(only.scores.mean(axis=0), alpha, only.clusters, of_right_or_wrong=sharp)
    largest = max(one.weight for one in benchmarks)
    pairs = [PairCell(one.scores.mean(axis=0) * (one.weight / largest), _units(one)) for one in benchmarks]
    found = mean_of_pairs(pairs)
    ci = guarded(found.delta, found.terms, alpha).ci
    return ScoreInterval(_cut(_larger(ci, largest * len(benchmarks))), "mean")


def seeds_interval(benchmarks: Sequence[BenchmarkScores], alpha: float) -> ScoreInterval:
    """E1 of the weighted mean over benchmarks: training seeds random, items fixed; the guarded t.

    Args:
        benchmarks: Each of the same S >= 2 seeds, in the same order; one for its own score.
        alpha: Two-sided error rate.

    Raises:
        ValueError: With one seed, or other seeds.
    """
    cells, unit = _cells(benchmarks)
    return ScoreInterval(_cut(_larger(guarded_t_fixed(cells, alpha).guard.ci, unit)), "t")


def crossed_interval(benchmarks: Sequence[BenchmarkScores], alpha: float) -> ScoreInterval | None:
    """E2 of the weighted mean over benchmarks: training seeds and items random; None with a single item.

    Args:
        benchmarks: Each of the same S >= 2 seeds, in the same order.
        alpha: Two-sided error rate.

    Raises:
        ValueError: With one seed, or other seeds.
    """
    if min(one.scores.shape[1] for one in benchmarks) == 1:
        return None
    cells, unit = _cells(benchmarks)
    return ScoreInterval(_cut(_larger(guarded_crossed_fixed(cells, alpha).guard.ci, unit)), "t")


def _cells(benchmarks: Sequence[BenchmarkScores]) -> tuple[list[FixedCell], float]:
    """Return benchmarks against a score of 0, scaled so that their equal-weight mean times a unit is the weighted one.

    The floor is then that of the largest weight, hence never too narrow.
    """
    largest = max(one.weight for one in benchmarks)
    cells = [
        FixedCell("", str(number), one.scores * (one.weight / largest), np.zeros(one.scores.shape[1]),
                  clusters=one.clusters)
        for number, one in enumerate(benchmarks)
    ]  # fmt: skip
    return cells, largest * len(benchmarks)


def _units(one: BenchmarkScores) -> IntArray:
    if one.units is None:
        raise ValueError("the mean over benchmarks needs to know which items they share")
    return one.units


def _is_right_or_wrong(values: FloatArray) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())


def _larger(interval: Interval, unit: float) -> Interval:
    return Interval(interval.lo * unit, interval.hi * unit)


def _cut(interval: Interval) -> Interval:
    return Interval(max(0.0, interval.lo), min(1.0, interval.hi))
