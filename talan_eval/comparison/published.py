"""Results of the statistics in the units of the published result: points, and a reason for every null."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.comparison.unbounded import checkpoint_pairs_of_items
from talan_eval.result import schema
from talan_eval.stats import mcnemar

if TYPE_CHECKING:
    from talan_eval.comparison.matrix import CellScores
    from talan_eval.stats.arrays import Interval
    from talan_eval.stats.mean_squares import MeanSquares

Reasons = tuple[str, ...]


def points(value: float) -> float:
    """Convert a proportion to percentage points."""
    return 100 * value + 0.0  # + 0.0 turns -0.0 into 0.0


def ci_points(interval: Interval) -> tuple[float, float]:
    """Convert an interval of proportions to percentage points."""
    return points(interval.lo), points(interval.hi)


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
