"""E2: crossed random effects of seeds and items, guarded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.stats.arrays import ROUNDING, FloatArray
from talan_eval.stats.guard import ErrorTerm, Guarded, guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.mean_squares import MeanSquares


@dataclass(frozen=True)
class Crossed:
    """Guarded crossed random effects.

    Attributes:
        delta: Mean over seeds and items (and cells).
        guard: Interval, p-value and binding term ("t": the Satterthwaite t; "flip": item noise; "floor").
        df: Satterthwaite degrees of freedom of the t term, at least 1; None where nothing varies and there are none.
        terms: The three error terms, for one-sided bounds and gates; the first is the t term.
    """

    delta: float
    guard: Guarded
    df: float | None
    terms: tuple[ErrorTerm, ...] = ()


@dataclass(frozen=True)
class ItemPart:
    """What the items of one benchmark contribute to the variance of the mean.

    Attributes:
        item: Variance of the mean from the spread of the item means, which includes the error once.
        error: The error's share of it, on its own.
        item_df: Degrees of freedom of ``item``.
        errors: (share, degrees of freedom) of each component of ``error``.
        floor: Variance of the Bonett-Price floor.
        clustered: Whether the items come in clusters.
    """

    item: float
    error: float
    item_df: int
    errors: tuple[tuple[float, int], ...]
    floor: float
    clustered: bool


def guarded_crossed(per_seed: FloatArray, squares: Sequence[MeanSquares], alpha: float) -> Crossed:
    """Random-effects interval over seeds and items for one cell, or for the equal-weight mean of several cells.

    For one cell, ``V = max(MS_S + MS_I - MS_E, 0)`` estimates S N times the variance of the mean, with the degrees of
    freedom of Satterthwaite (1946), at least 1. The guard adds ``z sqrt(max(MS_I, MS_E) / (S N))`` and the Bonett-Price
    width ``z sqrt(2) / (N + 2)``. For C cells with common seeds the seed part is the variance of the mean over cells
    (so the covariance between benchmarks is kept), and the item parts of the cells, whose items are independent, add
    up.

    With clustered items (``mean_squares(..., clusters)``) the mean squares are cluster-robust, their degrees of freedom
    count clusters, and the guard uses t with those degrees of freedom, ``t_{G-1}`` for one cell, in place of z. The
    floor still counts items.

    Args:
        per_seed: Mean difference of each seed (averaged over the cells), shape (S,), S >= 2.
        squares: Mean squares of each cell.
        alpha: Two-sided error rate.

    Returns:
        The guarded result, in proportions. Not covered: the same items under several backbones (``backbones``).

    Raises:
        ValueError: If a cell has a single item or other seeds.
    """
    n_seeds, n_cells = len(per_seed), len(squares)
    if n_cells == 0 or any(cell.n_seeds != n_seeds for cell in squares):
        raise ValueError("the mean squares must come from the same seeds as the differences")
    constant = float(per_seed.max() - per_seed.min()) <= ROUNDING * float(abs(per_seed).max())
    seed_part = 0.0 if constant else float(per_seed.var(ddof=1)) / n_seeds
    parts = []
    for cell in squares:
        if cell.item is None or cell.error is None:
            raise ValueError("E2 needs at least two items")
        weight = 1 / (n_cells * n_cells * cell.size)
        error = weight * cell.error
        floor = 2 / (n_cells * (cell.n_items + 2)) ** 2
        errors = ((error, cell.error_df),)
        parts.append(ItemPart(weight * cell.item, error, cell.item_df, errors, floor, cell.n_clusters is not None))
    return combine(float(per_seed.mean()), [(seed_part, n_seeds - 1)], parts, alpha)


def combine(
    delta: float, seed_parts: Sequence[tuple[float, float]], item_parts: Sequence[ItemPart], alpha: float
) -> Crossed:
    """Assemble the guarded E2 result from the variance that seeds and items contribute.

    Args:
        delta: Mean difference.
        seed_parts: (variance of the mean, degrees of freedom) of each independent group of seeds.
        item_parts: One part per benchmark.
        alpha: Two-sided error rate.

    Returns:
        The guarded result.
    """
    gross = sum(part for part, _ in seed_parts) + sum(part.item for part in item_parts)
    variance = gross - sum(part.error for part in item_parts)
    # a difference of equal parts, or the spread of a constant, is rounding and no variance
    if variance <= max(ROUNDING * gross, (ROUNDING * delta) ** 2):
        variance = 0.0
    components = list(seed_parts)
    guards = []
    for part in item_parts:
        components += [(part.item, part.item_df), *part.errors]
        guards.append((max(part.item, part.error), part.item_df))
    df = satterthwaite(variance, components)
    guard_variance = sum(value for value, _ in guards)
    clustered = any(part.clustered for part in item_parts)
    terms = (
        ErrorTerm("t", math.sqrt(variance), df),
        ErrorTerm("flip", math.sqrt(guard_variance), satterthwaite(guard_variance, guards) if clustered else math.inf),
        ErrorTerm("floor", math.sqrt(sum(part.floor for part in item_parts))),
    )
    return Crossed(delta, guarded(delta, terms, alpha), df if variance > 0 else None, terms)


def satterthwaite(variance: float, parts: Sequence[tuple[float, float]]) -> float:
    """Return Satterthwaite's degrees of freedom of a combination of mean squares, at least 1.

    Args:
        variance: The combination, non-negative.
        parts: (weighted mean square, its degrees of freedom) of each component.

    Returns:
        ``variance^2 / sum(part^2 / df)``, computed from ratios so that tiny variances do not underflow to 0/0.
    """
    if variance <= 0:
        return 1.0
    ratios = [part / variance for part, _ in parts]
    total = sum(ratio * ratio / df for ratio, (_, df) in zip(ratios, parts, strict=True))
    return max(1.0, 1 / total) if total > 0 else 1.0
