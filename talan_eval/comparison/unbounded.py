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
    from collections.abc import Sequence

    from talan_eval.comparison.matrix import CellScores
    from talan_eval.stats.guard import ErrorTerm
    from talan_eval.stats.noninferiority import GuardedDifference

_Guarded = TypeVar("_Guarded", BackbonesT, Crossed)
EQUAL: Final = "all differences are equal and the metric has no bounds, so that nothing tells how they could vary"


def without_floor(result: _Guarded, alpha: float) -> _Guarded | None:
    """Return a result without the zero-width floor; None where nothing varied, which the floor stood for."""
    terms = _varying(result.delta, result.terms)
    return None if terms is None else replace(result, guard=guarded(result.delta, terms, alpha), terms=terms)


def floorless(found: GuardedDifference) -> GuardedDifference | None:
    """Return a difference without the zero-width floor; None where nothing varied, which the floor stood for."""
    terms = _varying(found.delta, found.terms)
    return None if terms is None else replace(found, terms=terms)


def _varying(delta: float, terms: Sequence[ErrorTerm]) -> tuple[ErrorTerm, ...] | None:
    kept = tuple(term for term in terms if term.name != "floor")
    return None if max(term.se for term in kept) <= ROUNDING * max(abs(delta), ROUNDING) else kept


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
                mcnemar_p=None,
                p=None if pair.guard is None else pair.guard.p,
                ci=ci,
            )
        )
    return tuple(found)
