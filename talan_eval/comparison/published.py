"""Results of the statistics as records of the published result: in points, and with a reason for every null."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.result import schema
from talan_eval.stats.noninferiority import GuardedDifference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.arrays import Interval
    from talan_eval.stats.backbones import BackbonesT
    from talan_eval.stats.crossed import Crossed
    from talan_eval.stats.guard import ErrorTerm
    from talan_eval.stats.mean_squares import MeanSquares
    from talan_eval.stats.noninferiority import Evidence

Reasons = tuple[str, ...]
_MOST = 100.0  # points that two scores can differ by


@dataclass(frozen=True)
class Inference:
    """What may be said about re-training.

    Attributes:
        e1: Null below three seeds.
        e2: Null below three seeds, or with one item.
        mde80: Points; null below three seeds.
        reasons: Why something is null, and how to take what is there.
        outlying: A seed that stands apart.
    """

    e1: schema.E1 | None
    e2: schema.E2 | None
    mde80: float | None
    reasons: Reasons
    outlying: schema.OutlyingSeed | None = None


@dataclass(frozen=True)
class Companions:
    """What stands beside the guarded interval of E1; each is null where it does not exist."""

    signflip: schema.SignFlip | None = None
    permutation: schema.Permutation | None = None
    bootstrap: schema.Bootstrap | None = None


def points(value: float) -> float:
    """Convert a proportion to percentage points."""
    return 100 * value + 0.0  # + 0.0 turns -0.0 into 0.0


def ci_points(interval: Interval) -> tuple[float, float]:
    """Convert an interval of proportions to percentage points, within what scores can differ by."""
    return clipped(points(interval.lo)), clipped(points(interval.hi))


def clipped(value: float) -> float:
    """Return a difference in points that two scores can have."""
    return max(-_MOST, min(_MOST, value))


def one_sided_record(evidence: Evidence, alpha: float) -> schema.OneSided:
    """Publish one-sided bounds."""
    bounds = evidence.bounds(alpha)
    return schema.OneSided(alpha=alpha, lower=clipped(points(bounds.lower)), upper=clipped(points(bounds.upper)))


def term_records(terms: Sequence[ErrorTerm]) -> tuple[schema.GuardTerm, ...]:
    """Publish the error terms of a guard."""
    return tuple(
        schema.GuardTerm.model_validate(
            {"name": term.name, "se": points(term.se), "df": None if math.isinf(term.df) else term.df}
        )
        for term in terms
    )


def e1_record(result: BackbonesT, df: float, beside: Companions, alpha: float, method: str = "guarded_t") -> schema.E1:
    """Publish E1.

    Args:
        result: The guarded t, in proportions.
        df: Degrees of freedom of its plain t, also where equal seeds leave that without a variance.
        beside: The companions.
        alpha: Two-sided error rate.
        method: "guarded_t" or "guarded_welch".
    """
    plain = result.plain
    return schema.E1.model_validate(
        {
            "method": method,
            "ci": ci_points(result.guard.ci),
            "p": result.guard.p,
            "binding": result.guard.binding,
            "t": schema.PlainT(ci=None if plain.ci is None else ci_points(plain.ci), p=plain.p, df=df),
            "signflip": beside.signflip,
            "permutation": beside.permutation,
            "bootstrap": beside.bootstrap,
            "one_sided": one_sided_record(GuardedDifference(result.delta, result.terms), alpha),
            "terms": term_records(result.terms),
        }
    )


def e2_record(result: Crossed, two_way: Interval | None, alpha: float, method: str = "guarded_crossed") -> schema.E2:
    """Publish E2."""
    return schema.E2.model_validate(
        {
            "method": method,
            "ci": ci_points(result.guard.ci),
            "p": result.guard.p,
            "df": result.df,
            "pigeonhole_ci": None if two_way is None else ci_points(two_way),
            "one_sided": one_sided_record(GuardedDifference(result.delta, result.terms), alpha),
            "terms": term_records(result.terms),
        }
    )


def published_squares(squares: MeanSquares) -> schema.MeanSquares:
    """Convert mean squares to squared points."""
    item, error = (None if value is None else 1e4 * value for value in (squares.item, squares.error))
    return schema.MeanSquares(seed=1e4 * squares.seed, item=item, error=error)
