"""Results of the statistics as records of the published result: in points, and with a reason for every null."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.comparison.unbounded import checkpoint_pairs_of_items
from talan_eval.result import schema
from talan_eval.stats import mcnemar
from talan_eval.stats.noninferiority import one_sided_bounds

if TYPE_CHECKING:
    from talan_eval.comparison.contrast import CellScores
    from talan_eval.stats.arrays import Interval
    from talan_eval.stats.backbones import BackbonesT
    from talan_eval.stats.crossed import Crossed
    from talan_eval.stats.mean_squares import MeanSquares

Reasons = tuple[str, ...]


@dataclass(frozen=True)
class Inference:
    """What may be said about re-training.

    Attributes:
        e1: Null with one seed.
        e2: Null with one seed or one item.
        mde80: Points; null with one seed.
        reasons: Why something is null, and how to take what is there.
    """

    e1: schema.E1 | None
    e2: schema.E2 | None
    mde80: float | None
    reasons: Reasons


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
    """Convert an interval of proportions to percentage points."""
    return points(interval.lo), points(interval.hi)


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
    bounds = one_sided_bounds(result.delta, result.terms, alpha)
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
            "one_sided": schema.OneSided(alpha=alpha, lower=points(bounds.lower), upper=points(bounds.upper)),
            "terms": tuple(
                schema.GuardTerm.model_validate(
                    {"name": term.name, "se": points(term.se), "df": None if math.isinf(term.df) else term.df}
                )
                for term in result.terms
            ),
        }
    )


def e2_record(result: Crossed, two_way: Interval | None, method: str = "guarded_crossed") -> schema.E2:
    """Publish E2."""
    return schema.E2.model_validate(
        {
            "method": method,
            "ci": ci_points(result.guard.ci),
            "p": result.guard.p,
            "df": result.df,
            "pigeonhole_ci": None if two_way is None else ci_points(two_way),
        }
    )


def checkpoint_pairs(cell: CellScores, alpha: float) -> tuple[schema.CheckpointPair, ...]:
    """Describe each seed's pair of checkpoints (E0); independent seeds make none."""
    if cell.contrast.pairing == "independent":
        return ()
    if not cell.items.measure.bounded:
        return checkpoint_pairs_of_items(cell, alpha)
    pairs = [mcnemar.checkpoint_pair(row, alpha, cell.items.clusters) for row in cell.deltas]
    return tuple(
        schema.CheckpointPair(
            seed=seed,
            delta=points(pair.delta),
            lost=pair.lost,
            gained=pair.gained,
            mcnemar_p=pair.p,
            ci=ci_points(pair.ci),
        )
        for seed, pair in zip(cell.seeds, pairs, strict=True)
    )


def published_squares(squares: MeanSquares) -> schema.MeanSquares:
    """Convert mean squares to squared points."""
    item, error = (None if value is None else 1e4 * value for value in (squares.item, squares.error))
    return schema.MeanSquares(seed=1e4 * squares.seed, item=item, error=error)
