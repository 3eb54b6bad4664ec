"""The aggregate over several backbones that were trained independently of each other.

Within a backbone the seeds are joint: one trained pair is measured on all benchmarks. Between backbones they are
independent. Items are the other way round: the backbones of one benchmark answer the same items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import ROUNDING, FloatArray, Interval, as_deltas
from talan_eval.stats.clusters import as_clusters, robust_mean_variance
from talan_eval.stats.crossed import Crossed, ItemPart, combine, satterthwaite
from talan_eval.stats.guard import ErrorTerm, Guarded, guarded
from talan_eval.stats.guarded_t import flip_and_floor
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.pigeonhole import Layout, pigeonhole_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.clusters import Labels


@dataclass(frozen=True)
class GridCell:
    """One (backbone, benchmark) cell.

    Attributes:
        backbone: Name; its cells share their seeds, in the same order.
        benchmark: Name; its cells share their items, in the same order.
        deltas: Shape (S, N), proportions.
        clusters: One cluster id per item, or None for independent items.
    """

    backbone: str
    benchmark: str
    deltas: FloatArray
    clusters: Labels | Sequence[str] | Sequence[int] | None = None


@dataclass(frozen=True)
class BackboneGains:
    """The primary statistic of one backbone.

    Attributes:
        backbone: Name.
        weight: Share of the declared cells that are its own.
        per_seed: Shape (S,), mean over its cells.
    """

    backbone: str
    weight: float
    per_seed: FloatArray


@dataclass(frozen=True)
class Welch:
    """The unguarded Welch-Satterthwaite t over backbones.

    Attributes:
        se: Standard error of the mean over cells.
        df: Welch-Satterthwaite degrees of freedom.
        ci: Interval; None when no backbone's seeds differ.
        p: Two-sided p-value; None as well then.
    """

    se: float
    df: float
    ci: Interval | None
    p: float | None


@dataclass(frozen=True)
class BackbonesT:
    """E1 of the aggregate.

    Attributes:
        delta: Equal-weight mean over cells.
        guard: Guarded interval and p-value, terms as in the guarded t.
        plain: The unguarded Welch-Satterthwaite t.
        terms: The error terms, for one-sided bounds and gates; the first is the t term.
    """

    delta: float
    guard: Guarded
    plain: Welch
    terms: tuple[ErrorTerm, ...]


def backbone_gains(cells: Sequence[GridCell]) -> tuple[BackboneGains, ...]:
    """Average each backbone's cells seed by seed.

    Args:
        cells: At least one.

    Returns:
        One entry per backbone in order of appearance; the weights add up to 1.

    Raises:
        ValueError: If the cells of a backbone differ in their number of seeds, or there are no cells.
    """
    if not cells:
        raise ValueError("an aggregate needs at least one cell")
    rows: dict[str, list[FloatArray]] = {}
    for cell in cells:
        rows.setdefault(cell.backbone, []).append(as_deltas(cell.deltas).mean(axis=1))
    for name, members in rows.items():
        if len({len(member) for member in members}) != 1:
            raise ValueError(f"seeds are joint within a backbone: the cells of {name} have different numbers of seeds")
    return tuple(
        BackboneGains(name, len(members) / len(cells), np.asarray(np.mean(members, axis=0), dtype=np.float64))
        for name, members in rows.items()
    )


def guarded_t_backbones(cells: Sequence[GridCell], alpha: float) -> BackbonesT:
    """E1 of the equal-weight mean over cells: Welch-Satterthwaite over backbones, guarded.

    With weights w_b (a backbone's share of the cells) the variance is ``sum_b w_b^2 s_b^2 / S_b`` and the degrees of
    freedom are those of Welch (1947) and Satterthwaite (1946). The flip and floor terms of all cells add in quadrature.
    With one backbone this is ``guarded_t``.

    Args:
        cells: Every backbone with at least two seeds; numbers of seeds may differ between backbones.
        alpha: Two-sided error rate.

    Returns:
        The result in proportions. Backbones are fixed: nothing is claimed about other backbones.

    Raises:
        ValueError: With fewer than two seeds in a backbone.
    """
    gains = backbone_gains(cells)
    parts = [_seed_part(gain) for gain in gains]
    delta = sum(gain.weight * float(gain.per_seed.mean()) for gain in gains)
    variance = sum(part for part, _ in parts)
    term = ErrorTerm("t", math.sqrt(variance), satterthwaite(variance, parts))
    half = term.half_width(alpha)
    constant = variance == 0
    plain = Welch(
        term.se,
        term.df,
        None if constant else Interval(delta - half, delta + half),
        None if constant else term.p_value(delta),
    )
    squares = [mean_squares(cell.deltas, cell.clusters) for cell in cells]
    terms = (term, *flip_and_floor(squares))
    return BackbonesT(delta, guarded(delta, terms, alpha), plain, terms)


def guarded_crossed_backbones(cells: Sequence[GridCell], alpha: float) -> Crossed:
    """E2 of the equal-weight mean over cells.

    The backbones of one benchmark answer the same items, so an easy item is easy for all of them and their item effects
    do not average out: the items' differences are averaged over backbones *first*, and the variance over items is taken
    of that average. Seeds contribute as in E1. With one backbone this is ``guarded_crossed``.

    Args:
        cells: Every backbone with at least two seeds, every benchmark with at least two items.
        alpha: Two-sided error rate.

    Returns:
        The guarded result in proportions.

    Raises:
        ValueError: With a single item, with fewer than two seeds in a backbone, or if the cells of a benchmark differ
            in their items or clusters.
    """
    gains = backbone_gains(cells)
    seed_parts = [_seed_part(gain) for gain in gains]
    delta = sum(gain.weight * float(gain.per_seed.mean()) for gain in gains)
    benchmarks: dict[str, list[GridCell]] = {}
    for cell in cells:
        benchmarks.setdefault(cell.benchmark, []).append(cell)
    parts = [_item_part(members, len(cells)) for members in benchmarks.values()]
    return combine(delta, seed_parts, parts, alpha)


def pigeonhole_backbones(
    cells: Sequence[GridCell], resamples: int, rng: np.random.Generator, alpha: float
) -> Interval | None:
    """Two-way bootstrap of the aggregate: seeds joint within a backbone, items joint within a benchmark.

    Args:
        cells: The cells of the aggregate.
        resamples: Number of resamples.
        rng: Source of randomness.
        alpha: Two-sided error rate.

    Returns:
        The interval in proportions, or None where it would have no width.
    """
    layout = Layout(
        backbones=[cell.backbone for cell in cells],
        benchmarks=[cell.benchmark for cell in cells],
        clusters=[cell.clusters for cell in cells],
    )
    return pigeonhole_interval([cell.deltas for cell in cells], resamples, rng, alpha, layout)


def _seed_part(gain: BackboneGains) -> tuple[float, int]:
    values = gain.per_seed
    if len(values) < 2:  # noqa: PLR2004 - a variance needs two values
        raise ValueError(f"E1 needs at least two training seeds, and {gain.backbone} has one")
    if float(np.ptp(values)) <= ROUNDING * float(np.abs(values).max()):
        return 0.0, len(values) - 1
    return gain.weight**2 * float(values.var(ddof=1)) / len(values), len(values) - 1


def _item_part(members: Sequence[GridCell], n_cells: int) -> ItemPart:
    first = members[0]
    n_items = as_deltas(first.deltas).shape[1]
    if n_items < 2:  # noqa: PLR2004 - a variance needs two values
        raise ValueError("E2 needs at least two items")
    if any(cell.deltas.shape[1] != n_items for cell in members):
        raise ValueError(f"the cells of {first.benchmark} have different items; the backbones must answer the same")
    averaged = np.sum([cell.deltas.mean(axis=0) for cell in members], axis=0) / n_cells
    clusters = None if first.clusters is None else as_clusters(first.clusters, n_items)
    for cell in members[1:]:
        if (cell.clusters is None) != (clusters is None) or (
            clusters is not None
            and cell.clusters is not None
            and not np.array_equal(as_clusters(cell.clusters, n_items).codes, clusters.codes)
        ):
            raise ValueError(f"the cells of {first.benchmark} have different clusters of items")
    item = float(averaged.var(ddof=1)) / n_items if clusters is None else robust_mean_variance(averaged, clusters)
    squares = [mean_squares(cell.deltas, cell.clusters) for cell in members]
    errors = tuple(((cell.error or 0.0) / cell.size / n_cells**2, cell.error_df) for cell in squares)
    floor = 2 * (len(members) / n_cells / (n_items + 2)) ** 2
    error = sum(value for value, _ in errors)
    return ItemPart(item, error, squares[0].item_df, errors, floor, clusters is not None)
