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
        df: Satterthwaite degrees of freedom of the t term, at least 1.
    """

    delta: float
    guard: Guarded
    df: float


def guarded_crossed(per_seed: FloatArray, squares: Sequence[MeanSquares], alpha: float) -> Crossed:
    """Random-effects interval over seeds and items for one cell, or for the equal-weight mean of several cells.

    For one cell, ``V = max(MS_S + MS_I - MS_E, 0)`` estimates S N times the variance of the mean, with the degrees of
    freedom of Satterthwaite (1946), at least 1. The guard adds ``z sqrt(max(MS_I, MS_E) / (S N))`` and the Bonett-Price
    width ``z sqrt(2) / (N + 2)``. For C cells with common seeds the seed part is the variance of the mean over cells
    (so the covariance between benchmarks is kept), and the item parts of the cells, whose items are independent, add
    up.

    Args:
        per_seed: Mean difference of each seed (averaged over the cells), shape (S,), S >= 2.
        squares: Mean squares of each cell.
        alpha: Two-sided error rate.

    Returns:
        The guarded result, in proportions. Not covered: items in clusters, the same items under several backbones.

    Raises:
        ValueError: If a cell has a single item or other seeds.
    """
    n_seeds, n_cells = len(per_seed), len(squares)
    if n_cells == 0 or any(cell.n_seeds != n_seeds for cell in squares):
        raise ValueError("the mean squares must come from the same seeds as the differences")
    delta = float(per_seed.mean())
    constant = float(per_seed.max() - per_seed.min()) <= ROUNDING * float(abs(per_seed).max())
    seed_part = 0.0 if constant else float(per_seed.var(ddof=1)) / n_seeds
    variance, guard_variance, floor_variance = seed_part, 0.0, 0.0
    parts = [(seed_part, n_seeds - 1)]
    for cell in squares:
        if cell.item is None or cell.error is None:
            raise ValueError("E2 needs at least two items")
        weight = 1 / (n_cells * n_cells * cell.size)
        variance += weight * (cell.item - cell.error)
        guard_variance += weight * max(cell.item, cell.error)
        floor_variance += 2 / (n_cells * (cell.n_items + 2)) ** 2
        parts.append((weight * cell.item, cell.n_items - 1))
        parts.append((weight * cell.error, (n_seeds - 1) * (cell.n_items - 1)))
    variance = max(variance, 0.0)
    df = satterthwaite(variance, parts)
    terms = (
        ErrorTerm("t", math.sqrt(variance), df),
        ErrorTerm("flip", math.sqrt(guard_variance)),
        ErrorTerm("floor", math.sqrt(floor_variance)),
    )
    return Crossed(delta, guarded(delta, terms, alpha), df)


def satterthwaite(variance: float, parts: Sequence[tuple[float, int]]) -> float:
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
