"""Arms whose training seeds are not paired: other seeds, or another number of them.

The arms answer the same items, so items stay crossed with both. Only the pairing of single trainings is missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import FloatArray, Interval, as_deltas
from talan_eval.stats.backbones import (
    BackbonesT,
    GridCell,
    Welch,
    backbone_gains,
    guarded_t_backbones,
)
from talan_eval.stats.clusters import as_clusters, robust_mean_variance
from talan_eval.stats.crossed import Crossed, ItemPart, combine, satterthwaite
from talan_eval.stats.guard import ErrorTerm, guarded
from talan_eval.stats.mean_squares import mean_squares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.clusters import Labels

_LEAST_ITEMS = 2


@dataclass(frozen=True, eq=False)
class ArmsCell:
    """One (backbone, benchmark) cell with the scores of both arms.

    Attributes:
        backbone: Name; its cells share each arm's seeds, in the same order.
        benchmark: Name; its cells share their items, in the same order.
        treat: Scores of the treat arm, shape (S1, N), proportions.
        base: Scores of the base arm, shape (S2, N), on the same items.
        clusters: One cluster id per item, or None for independent items.
    """

    backbone: str
    benchmark: str
    treat: FloatArray
    base: FloatArray
    clusters: Labels | Sequence[str] | Sequence[int] | None = None


@dataclass(frozen=True)
class Pairing:
    """What the pairing of seeds is worth in arms that are paired.

    Attributes:
        r: Correlation of the arms' mean scores over seeds, within backbones; None where an arm does not vary.
        width_ratio: Width of the E1 interval as if the seeds were independent, over that of the paired one: above 1
            pairing helped; below 1 its loss of degrees of freedom cost more than it gave.
    """

    r: float | None
    width_ratio: float


def guarded_t_independent(cells: Sequence[ArmsCell], alpha: float) -> BackbonesT:
    """E1 of arms with independent seeds: Welch's t over seeds, guarded, for a cell or the equal-weight mean.

    Three terms, of which the widest counts, each the two arms' own terms in quadrature:

    * t: ``sqrt(sum_a s_a^2 / S_a)`` with the degrees of freedom of Welch (1947) and Satterthwaite (1946); over several
      cells and backbones each (backbone, arm) is a part of its own, its seeds joint across its benchmarks;
    * flip: ``sqrt(sum_a MS_E,a / (S_a N))``, with MS_E of each arm's own scores: answers that change at random from
      training to training. An arm's spread below it is luck;
    * floor: ``sqrt(sum_a 1 / (S_a N + 2)^2)``, which for S1 = S2 is the paired ``sqrt(2) / (S N + 2)``.

    Args:
        cells: Every backbone with at least two seeds of each arm.
        alpha: Two-sided error rate.

    Returns:
        The result in proportions; ``plain`` is the unguarded Welch t. Nothing here notices that seeds were paired after
        all: then the paired t is both valid and, with correlated arms, narrower.

    Raises:
        ValueError: With fewer than two seeds of an arm, or arms with different items.
    """
    treat, base = _arms(cells)
    one, other = guarded_t_backbones(treat, alpha), guarded_t_backbones(base, alpha)
    delta = one.delta - other.delta
    parts = [[(arm.se**2, arm.df) for arm in pair] for pair in zip(one.terms, other.terms, strict=True)]
    (variance, flips, floors) = (sum(part for part, _ in pair) for pair in parts)
    term = ErrorTerm("t", math.sqrt(variance), satterthwaite(variance, parts[0]))
    clustered = any(math.isfinite(df) for _, df in parts[1])
    terms = (
        term,
        ErrorTerm("flip", math.sqrt(flips), satterthwaite(flips, parts[1]) if clustered else math.inf),
        ErrorTerm("floor", math.sqrt(floors / 2)),  # each arm's own floor is that of a difference, two of its kind
    )
    half, constant = term.half_width(alpha), variance == 0
    plain = Welch(
        term.se,
        term.df,
        None if constant else Interval(delta - half, delta + half),
        None if constant else term.p_value(delta),
    )
    return BackbonesT(delta, guarded(delta, terms, alpha), plain, terms)


def guarded_crossed_independent(cells: Sequence[ArmsCell], alpha: float) -> Crossed:
    """E2 of arms with independent seeds: both arms' seeds and the common items random.

    For one cell ``V = sum_a var_s(ybar_a) / S_a + var_i(Dbar_i) / N - sum_a MS_E,a / (S_a N)``, where ``Dbar_i`` is the
    difference of the arms' item means; degrees of freedom by Satterthwaite (1946) over all five terms. The guard is
    ``z sqrt(max(var_i(Dbar_i) / N, sum_a MS_E,a / (S_a N)))`` and the floor ``z sqrt(2) / (N + 2)``, as for paired
    seeds. Over several backbones the items' differences are averaged first.

    Args:
        cells: Every backbone with at least two seeds of each arm, every benchmark with at least two items.
        alpha: Two-sided error rate.

    Returns:
        The guarded result in proportions.

    Raises:
        ValueError: With a single item, fewer than two seeds of an arm, or cells of a benchmark with different items.
    """
    treat, base = _arms(cells)
    one, other = guarded_t_backbones(treat, alpha), guarded_t_backbones(base, alpha)
    seed_parts = [(arm.plain.se**2, arm.plain.df) for arm in (one, other)]
    benchmarks: dict[str, list[ArmsCell]] = {}
    for cell in cells:
        benchmarks.setdefault(cell.benchmark, []).append(cell)
    parts = [_item_part(members, len(cells)) for members in benchmarks.values()]
    return combine(one.delta - other.delta, seed_parts, parts, alpha)


def pairing(cells: Sequence[ArmsCell], alpha: float) -> Pairing:
    """Measure what pairing gained in arms that were trained on the same seeds.

    Args:
        cells: Paired cells: row s of both arms is the same seed.
        alpha: Two-sided error rate of the intervals that are compared.

    Returns:
        The correlation and the ratio of widths, both of the equal-weight mean over the cells. With few seeds r is known
        badly (at S = 7 to about +-.4), so it is a description of these runs and no basis for choosing the pairing.

    Raises:
        ValueError: If the arms have different numbers of seeds.
    """
    if any(cell.treat.shape != cell.base.shape for cell in cells):
        raise ValueError("paired arms have the same seeds and items")
    treat, base = _arms(cells)
    deltas = [GridCell(cell.backbone, cell.benchmark, cell.treat - cell.base, cell.clusters) for cell in cells]
    paired, unpaired = guarded_t_backbones(deltas, alpha).guard.ci, guarded_t_independent(cells, alpha).guard.ci
    moments = np.zeros(3)
    for one, other in zip(backbone_gains(treat), backbone_gains(base), strict=True):
        (first, cross), (_, second) = np.cov(one.per_seed, other.per_seed)
        moments += one.weight**2 / len(one.per_seed) * np.array([first, cross, second])
    spread = math.sqrt(moments[0] * moments[2])
    r = None if min(moments[0], moments[2]) < 1e-24 else float(np.clip(moments[1] / spread, -1, 1))  # noqa: PLR2004 - rounding, squared
    return Pairing(r, (unpaired.hi - unpaired.lo) / (paired.hi - paired.lo))


def _arms(cells: Sequence[ArmsCell]) -> tuple[list[GridCell], list[GridCell]]:
    for cell in cells:
        if as_deltas(cell.treat).shape[1] != as_deltas(cell.base).shape[1]:
            raise ValueError(f"the arms answered different items of {cell.benchmark}")
    treat = [GridCell(cell.backbone, cell.benchmark, cell.treat, cell.clusters) for cell in cells]
    return treat, [GridCell(cell.backbone, cell.benchmark, cell.base, cell.clusters) for cell in cells]


def _item_part(members: Sequence[ArmsCell], n_cells: int) -> ItemPart:
    first = members[0]
    n_items = first.treat.shape[1]
    if n_items < _LEAST_ITEMS:
        raise ValueError("E2 needs at least two items")
    if any(cell.treat.shape[1] != n_items for cell in members):
        raise ValueError(f"the cells of {first.benchmark} have different items; the backbones must answer the same")
    clusters = [None if cell.clusters is None else as_clusters(cell.clusters, n_items) for cell in members]
    shared = clusters[0]
    for own in clusters[1:]:
        if (own is None) != (shared is None) or (own and shared and not np.array_equal(own.codes, shared.codes)):
            raise ValueError(f"the cells of {first.benchmark} have different clusters of items")
    means = np.sum([cell.treat.mean(axis=0) - cell.base.mean(axis=0) for cell in members], axis=0) / n_cells
    item = float(means.var(ddof=1)) / n_items if shared is None else robust_mean_variance(means, shared)
    squares = [mean_squares(arm, cell.clusters) for cell in members for arm in (cell.treat, cell.base)]
    errors = tuple(((own.error or 0.0) / own.size / n_cells**2, own.error_df) for own in squares)
    floor = 2 * (len(members) / n_cells / (n_items + 2)) ** 2
    return ItemPart(item, sum(value for value, _ in errors), squares[0].item_df, errors, floor, shared is not None)
