"""How large the guard's floor is for the scores and the mean of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from talan_eval.result.schema import Contrast, Result

_PERCENT = 100.0


def floor_of_scores(result: Result) -> float:
    """Return the width of the scores' scale over that of points; 0 for scores without bounds, which have no floor."""
    low, high = result.measure.lower, result.measure.upper
    return 0.0 if low is None or high is None else (high - low) / _PERCENT


def floor_of_mean(result: Result, contrast: Contrast) -> float:
    """Return the same for the mean: a benchmark that weighs more than the others widens it in proportion."""
    return floor_of_scores(result) * max(shares(result, contrast)) * len(contrast.cells)


def shares(result: Result, contrast: Contrast) -> tuple[float, ...]:
    """Return the share of each cell in the mean; they add up to 1."""
    weights = result.primary.weights
    raw = [weights.get(cell.task, 1.0) if weights else 1.0 for cell in contrast.cells]
    return tuple(weight / sum(raw) for weight in raw)
