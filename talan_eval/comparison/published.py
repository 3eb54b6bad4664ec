"""Results of the statistics in the units of the published result: points, and a reason for every null."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from talan_eval.result import schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.arrays import Interval
    from talan_eval.stats.guard import ErrorTerm
    from talan_eval.stats.mean_squares import MeanSquares
    from talan_eval.stats.noninferiority import Evidence

Reasons = tuple[str, ...]


def points(value: float) -> float:
    """Convert a proportion to percentage points."""
    return 100 * value + 0.0  # + 0.0 turns -0.0 into 0.0


def ci_points(interval: Interval) -> tuple[float, float]:
    """Convert an interval of proportions to percentage points."""
    return points(interval.lo), points(interval.hi)


def one_sided_record(evidence: Evidence, alpha: float) -> schema.OneSided:
    """Publish one-sided bounds."""
    bounds = evidence.bounds(alpha)
    return schema.OneSided(alpha=alpha, lower=points(bounds.lower), upper=points(bounds.upper))


def term_records(terms: Sequence[ErrorTerm]) -> tuple[schema.GuardTerm, ...]:
    """Publish the error terms of a guard."""
    return tuple(
        schema.GuardTerm.model_validate(
            {"name": term.name, "se": points(term.se), "df": None if math.isinf(term.df) else term.df}
        )
        for term in terms
    )


def published_squares(squares: MeanSquares) -> schema.MeanSquares:
    """Convert mean squares to squared points."""
    item, error = (None if value is None else 1e4 * value for value in (squares.item, squares.error))
    return schema.MeanSquares(seed=1e4 * squares.seed, item=item, error=error)
