"""What the statistics leave out for a metric without two bounds: everything that rests on bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from talan_eval.result import schema
from talan_eval.stats.arrays import ROUNDING
from talan_eval.stats.backbones import BackbonesT
from talan_eval.stats.crossed import Crossed
from talan_eval.stats.guard import guarded
from talan_eval.stats.item_mean import mean_of_items

if TYPE_CHECKING:
    from talan_eval.comparison.matrix import CellScores

_Guarded = TypeVar("_Guarded", BackbonesT, Crossed)
EQUAL: Final = "all differences are equal and the metric has no bounds, so that nothing tells how they could vary"


def without_floor(result: _Guarded, alpha: float) -> _Guarded | None:
    """Return a result without the zero-width floor; None where nothing varied, which the floor stood for."""
    terms = tuple(term for term in result.terms if term.name != "floor")
    if max(term.se for term in terms) <= ROUNDING * max(abs(result.delta), ROUNDING):
        return None
    return replace(result, guard=guarded(result.delta, terms, alpha), terms=terms)


def checkpoint_pairs_of_items(cell: CellScores, alpha: float) -> tuple[schema.CheckpointPair, ...]:
    """Describe each seed's pair of checkpoints by the t over items; null where all items differ by the same."""
    found = []
    for seed, row in zip(cell.seeds, cell.deltas, strict=True):
        pair = mean_of_items(row, alpha, cell.items.clusters)
        ci = None if pair.guard is None else (100 * pair.guard.ci.lo, 100 * pair.guard.ci.hi)
        found.append(
            schema.CheckpointPair(
                seed=seed,
                delta=100 * pair.delta + 0.0,
                lost=None,
                gained=None,
                mcnemar_p=None if pair.guard is None else pair.guard.p,
                p=None if pair.guard is None else pair.guard.p,
                ci=ci,
            )
        )
    return tuple(found)
