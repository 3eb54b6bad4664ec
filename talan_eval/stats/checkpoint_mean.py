"""E0 of the equal-weight mean over benchmarks: these checkpoints, items random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.clusters import MIN_CLUSTERS, as_clusters
from talan_eval.stats.crossed import satterthwaite
from talan_eval.stats.guard import ErrorTerm
from talan_eval.stats.mcnemar import checkpoint_pair, item_terms
from talan_eval.stats.noninferiority import GuardedDifference
from talan_eval.stats.pair_table import PairTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class PairCell:
    """The checkpoints on one benchmark.

    Attributes:
        row: Differences, shape (N,), proportions.
        units: Which items belong together, shape (N,), numbered alike in all cells of a mean: an item that two
            benchmarks share, or that two backbones answer, has one number.
    """

    row: FloatArray
    units: IntArray


def mean_of_pairs(cells: Sequence[PairCell]) -> GuardedDifference:
    """Return what is known of the equal-weight mean over K cells.

    ``delta = mean d_k`` and ``se^2 = sum se_k^2 / K^2``, with Satterthwaite's degrees of freedom. ``se_k`` is that of
    Bonett and Price for right-or-wrong answers (normal) and that of the t over items for partial credit. Cells that
    share items (HumanEval and HumanEval+, translations, the same benchmark under two backbones) are not independent:
    they count as one cluster-robust mean, whose clusters are the shared items (Liang and Zeger 1986, ``t_{G-1}``). The
    independent variance and the floor of all cells guard the result.

    Args:
        cells: At least one; of a single cell use ``checkpoint_pair``, whose test of right-or-wrong answers is sharper.

    Returns:
        Estimate and error terms, for bounds, p-values and intervals that agree with each other.
    """
    count = len(cells)
    parts: list[tuple[float, float]] = []
    alone = 0.0
    for group in _groups(cells):
        own = [_independent(cells[place]) for place in group]
        alone += sum(variance for variance, _ in own)
        parts += [_robust([cells[place] for place in group])] if _goes_together(cells, group) else own
    variance = sum(part for part, _ in parts)
    normal = all(math.isinf(df) for _, df in parts)
    df = math.inf if normal else satterthwaite(variance, parts)
    floor = sum(2 / (len(cell.row) + 2) ** 2 for cell in cells)
    terms = (
        ErrorTerm("t", math.sqrt(variance) / count, df),
        ErrorTerm("flip", math.sqrt(alone) / count),
        ErrorTerm("floor", math.sqrt(floor) / count),
    )
    return GuardedDifference(float(np.mean([cell.row.mean() for cell in cells])), terms)


def _groups(cells: Sequence[PairCell]) -> list[list[int]]:
    """Return the cells in groups that share no unit with another group."""
    groups: list[tuple[set[int], list[int]]] = []
    for place, cell in enumerate(cells):
        units = set(cell.units.tolist())
        joined = [group for group in groups if group[0] & units]
        groups = [group for group in groups if not group[0] & units]
        members = sorted([place, *(other for group in joined for other in group[1])])
        groups.append((units.union(*(group[0] for group in joined)), members))
    return [members for _, members in sorted(groups, key=lambda group: group[1][0])]


def _goes_together(cells: Sequence[PairCell], group: Sequence[int]) -> bool:
    units = [unit for place in group for unit in cells[place].units.tolist()]
    return len(set(units)) < len(units)


def _independent(cell: PairCell) -> tuple[float, float]:
    """Return variance and degrees of freedom of a cell's mean if its items were independent."""
    pair = checkpoint_pair(cell.row, 0.05)
    if isinstance(pair.evidence, PairTable):
        return pair.evidence.wald[1] ** 2, math.inf
    term = item_terms(cell.row, None)[0]
    return term.se**2, term.df


def _robust(members: Sequence[PairCell]) -> tuple[float, float]:
    """Return the cluster-robust variance of the sum of the cells' means, and its degrees of freedom."""
    units = np.concatenate([cell.units for cell in members])
    if len(np.unique(units)) < MIN_CLUSTERS:  # one item, asked several times: nothing is known of others
        return float(len(members) ** 2), 1.0
    residuals = np.concatenate([(cell.row - cell.row.mean()) / len(cell.row) for cell in members])
    clusters = as_clusters(units, len(residuals))
    totals = clusters.totals(residuals[None, :])[0]
    return clusters.count / (clusters.count - 1) * float(np.square(totals).sum()), clusters.count - 1
