"""The two-way bootstrap of a whole family: every cell's interval and that of their mean, from one set of draws."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import FloatArray, Interval, as_deltas
from talan_eval.stats.pigeonhole import Layout, percentile_interval, resampled_cells, seed_average, seed_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from talan_eval.stats.backbones import GridCell


@dataclass(frozen=True, eq=False)
class Member:
    """A cell or slice of a family.

    Attributes:
        cell: Its differences. Members of one benchmark share their items, in the same order.
        seeds: Training seeds, in the order of the rows.
        in_mean: Those of them that count in the mean over cells, which all cells of a backbone must have; None for a
            member that is not in the mean, such as a slice.
        group: Which mean it counts in: the number of its contrast.
    """

    cell: GridCell
    seeds: tuple[int, ...]
    in_mean: tuple[int, ...] | None
    group: int = 0


@dataclass(frozen=True)
class TwoWay:
    """Intervals in proportions, None where one would have no width.

    Attributes:
        members: In the order given.
        means: Of the equal-weight mean of each group, by its number; None as well where no member counts in it.
    """

    members: tuple[Interval | None, ...]
    means: Mapping[int, Interval | None]


def two_way_intervals(
    members: Sequence[Member], resamples: int, stream: Callable[[str], np.random.Generator], alpha: float
) -> TwoWay:
    """Percentile intervals of the two-way bootstrap (Owen 2007) for all members and their means.

    Each interval is that of ``talan_eval.stats.pigeonhole.pigeonhole_interval``. The weights of a benchmark's
    items are drawn once and serve all its cells and the mean; so do those of a backbone's seeds, wherever the same
    seeds count. Drawing the items' weights is nearly all of the work.

    Args:
        members: Cells, and slices of them, at least one.
        resamples: Number of resamples.
        stream: Source of randomness by name: "items/BENCHMARK" and "seeds/BACKBONE/0,1,2". With generators that depend
            on the name alone a further benchmark changes no other's intervals (a further backbone on it does).
        alpha: Two-sided error rate.

    Returns:
        The intervals; they say nothing about a member with a single seed or item.

    Raises:
        ValueError: If members of one benchmark differ in their items or clusters.
    """

    @cache
    def weights(backbone: str, seeds: tuple[int, ...]) -> FloatArray:
        name = f"seeds/{backbone}/{','.join(map(str, seeds))}"
        return seed_weights(len(seeds), resamples, stream(name))

    deltas = [as_deltas(member.cell.deltas) for member in members]
    layout = Layout(
        benchmarks=[member.cell.benchmark for member in members], clusters=[member.cell.clusters for member in members]
    )
    intervals: list[Interval | None] = [None] * len(members)
    totals = {member.group: np.zeros(resamples) for member in members}
    for position, means in resampled_cells(deltas, layout, resamples, lambda name: stream(f"items/{name}")):
        member = members[position]
        own = seed_average(weights(member.cell.backbone, member.seeds), means)
        intervals[position] = percentile_interval(own, alpha)
        if member.in_mean == member.seeds:
            totals[member.group] += own
        elif member.in_mean is not None:
            rows = [member.seeds.index(seed) for seed in member.in_mean]
            totals[member.group] += seed_average(weights(member.cell.backbone, member.in_mean), means[:, rows])
    counts = Counter(member.group for member in members if member.in_mean is not None)
    means_of = {
        group: percentile_interval(total / counts[group], alpha) if counts[group] else None
        for group, total in totals.items()
    }
    return TwoWay(tuple(intervals), means_of)
