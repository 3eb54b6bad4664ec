"""Bounds of scores as they are given: shares of right answers from 0 to 1, other metrics in their unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from talan_eval.result.evidence import POINTS
from talan_eval.result.restated import PERCENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from talan_eval.result.evidence import Measure
    from talan_eval.stats.arrays import FloatArray

    BoolArray = NDArray[np.bool_]


def outside(scores: FloatArray, measure: Measure) -> BoolArray:
    """Return which scores, as they are given, lie outside the bounds of their measure or are infinite; NaN does not."""
    times = factor(measure)  # the bounds are divided: a score times it may be larger than any float
    low = -np.inf if measure.lower is None else measure.lower / times
    high = np.inf if measure.upper is None else measure.upper / times
    return np.asarray((scores < low) | (scores > high) | np.isinf(scores))


def factor(measure: Measure) -> float:
    """Return what turns scores as they are given into the unit: scores in points are given as shares."""
    return PERCENT if measure.unit == POINTS else 1.0
