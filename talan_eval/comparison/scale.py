"""Scores of any metric on one scale: statistics see shares from 0 to 1 of which more is better, the result its unit.

All tests are the same in any unit, but for what rests on bounds: the zero-width floor, right-or-wrong answers and items
lost or gained. Of a metric without two bounds the observed range stands for them, so that it changes no test, and what
rests on bounds is left out (``talan_eval.comparison.unbounded``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from talan_core.errors import UserError
from talan_eval.comparison.bounds import factor
from talan_eval.result.evidence import Measure
from talan_eval.result.restated import PERCENT, Restated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.matrix import ScoreMatrix
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.result.schema import Result


@dataclass(frozen=True)
class Scale:
    """How scores of one measure become shares, and shares become scores.

    Attributes:
        measure: Unit, direction and bounds.
        origin: Score in the unit that is the share 0, or 1 where less is better.
        width: Size in the unit of a share of 1.
    """

    measure: Measure
    origin: float
    width: float

    @classmethod
    def of(cls, matrices: Sequence[ScoreMatrix]) -> Scale:
        """Find the scale of a comparison.

        Raises:
            UserError: The benchmarks are measured in several units or directions, so that they have no mean.
        """
        measures = {matrix.items.measure: matrix.task for matrix in matrices}
        if len(measures) > 1:
            named = [f"{task} in {measure.unit}{_direction(measure)}" for measure, task in measures.items()]
            first = matrices[0].items.measure
            alike = dict.fromkeys(matrix.task for matrix in matrices if matrix.items.measure == first)
            raise UserError(
                f"The benchmarks are measured in different ways, so that they have no mean: {'; '.join(named)}.",
                f"Compare those of one kind: --tasks {','.join(alike)}",
            )
        (measure,) = measures
        if measure.lower is not None and measure.upper is not None:
            return cls(measure, measure.lower, measure.upper - measure.lower)
        times = factor(measure)
        low = times * min(float(matrix.scores.min()) for matrix in matrices)
        high = times * max(float(matrix.scores.max()) for matrix in matrices)
        return cls(measure, low, high - low if high > low else 1.0)

    @property
    def plain(self) -> bool:
        """Whether scores are shares already."""
        return self.measure == Measure()

    def shares(self, matrix: ScoreMatrix) -> ScoreMatrix:
        """Return a matrix with scores from 0 to 1 of which more is better."""
        if self.plain:
            return matrix
        shares = (factor(self.measure) * matrix.scores - self.origin) / self.width
        bounds = Measure() if self.measure.bounded else Measure(lower=None, upper=None)
        return replace(
            matrix,
            items=replace(matrix.items, measure=bounds),
            scores=np.clip(shares if self.measure.higher_is_better else 1 - shares, 0.0, 1.0),  # rounding may pass them
        )

    def settings(self, settings: StatisticsSettings) -> StatisticsSettings:
        """Return settings whose margin is in points of the shares; raises for one that no difference can reach."""
        settings.check_margin(self.measure)
        if self.plain or settings.margin is None:
            return settings
        return replace(settings, margin=settings.margin * PERCENT / self.width)

    def expressed(self, result: Result) -> Result:
        """Return a result of shares, in points, in the unit and direction of the measure."""
        if self.plain:
            return result
        restated = Restated(self.origin, self.width, turned=not self.measure.higher_is_better)
        return restated.of(result).model_copy(update={"measure": self.measure})


def _direction(measure: Measure) -> str:
    return "" if measure.higher_is_better else ", less is better"
