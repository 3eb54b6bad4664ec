"""A mean that does not weigh the benchmarks alike, as the equal-weight mean of scaled scores that it is made from.

With weights w (adding up to 1 over the benchmarks), the mean is that of scores times w / max(w), times max(w) times the
number of benchmarks. So whatever makes or checks an equal-weight mean serves for it, and only its unit changes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from talan_eval.result.evidence import E0, GuardTerm
from talan_eval.result.near import same
from talan_eval.result.restated import PERCENT, Restated
from talan_eval.stats.pair_table import PairTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from talan_eval.result.schema import Cell, Contrast, Result

WEIGHTED: Final = "weighted_mean"


def factor(weights: Mapping[str, float]) -> float:
    """Return the weighted mean of scores over the equal-weight mean of scaled ones."""
    return len(weights) * max(weights.values())


def faults_of_weights(result: Result) -> Iterator[str]:
    """Name what makes weights none of these benchmarks; no mean can be computed with such weights."""
    weights, primary = result.primary.weights, result.primary
    if (primary.statistic == WEIGHTED) != bool(weights):
        yield "primary.weights stand there exactly for a weighted mean, and here it is otherwise"
    if not weights:
        return
    if any(set(weights) != {cell.task for cell in one.cells} for one in result.contrasts):
        yield "primary.weights are not those of the benchmarks"
    if not all(0 < weight <= 1 for weight in weights.values()) or not same(sum(weights.values()), 1.0):
        yield "primary.weights are no shares that add up to 1"


def of_scaled_scores(contrast: Contrast, weights: Mapping[str, float]) -> Contrast:
    """Return a contrast of scaled scores, whose equal-weight mean is this one's weighted mean but for its unit.

    Args:
        contrast: In points.
        weights: Without faults; empty where all benchmarks weigh alike, and nothing is scaled.
    """
    if not weights:
        return contrast
    largest = max(weights.values())
    mean = Restated(0.0, PERCENT / factor(weights)).of(contrast.aggregate)
    cells = tuple(_scaled(cell, weights[cell.task] / largest) for cell in contrast.cells)
    return contrast.model_copy(update={"cells": cells, "aggregate": mean})


def _scaled(cell: Cell, scale: float) -> Cell:
    found = Restated(0.0, PERCENT * scale).of(cell)
    e0 = cell.e0_mean
    if scale == 1.0 or e0 is None or e0.lost is None or e0.gained is None:
        return found
    return found.model_copy(update={"e0_mean": _of_parts(e0, e0.lost, e0.gained, scale)})


def _of_parts(e0: E0, lost: int, gained: int, scale: float) -> E0:
    """Return the E0 of right-or-wrong answers that count for a part of their points: a t over items, and no table."""
    count = e0.n_items
    squares = max(0.0, (lost + gained) - count * PairTable(count, lost, gained).delta ** 2)
    # of a single item nothing but that it lies between -1 and 1 is known, as in ``talan_eval.stats.mcnemar.item_terms``
    se, df = (PERCENT, 1) if count == 1 else (scale * PERCENT * math.sqrt(squares / (count - 1) / count), count - 1)
    terms = (GuardTerm(name="t", se=se, df=df),)
    return e0.model_copy(update={"lost": None, "gained": None, "method": "t", "terms": terms})
