"""One contrast of a result, as every face that speaks of a contrast gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.report.own_recipes import titled
from talan_eval.result.labels import cell_names, slice_names

if TYPE_CHECKING:
    from talan_eval.report.context import Advice, Context
    from talan_eval.result.schema import Aggregate, Cell, Contrast, Result


@dataclass(frozen=True)
class View:
    """One contrast, with the result that it belongs to and what is known of it beside the result.

    Attributes:
        result: The published result.
        place: Index of the contrast; the primary one is 0.
        advice: What would decide it; None where that was not planned.
        secondary: Whether it is a contrast of a secondary family, which has no primary test.
    """

    result: Result
    place: int = 0
    advice: Advice | None = None
    secondary: bool = False

    @property
    def contrast(self) -> Contrast:
        """The contrast."""
        return self.result.contrasts[self.place]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Its cells."""
        return self.contrast.cells

    @property
    def slices(self) -> tuple[Cell, ...]:
        """Its slices."""
        return self.contrast.slices

    @property
    def mean(self) -> Aggregate:
        """The mean over its cells."""
        return self.contrast.aggregate

    @property
    def base(self) -> str:
        """Its base arm."""
        return self.contrast.base

    @property
    def treatment(self) -> str:
        """The arm under test."""
        return self.contrast.treatment

    @property
    def weighted(self) -> bool:
        """Whether the mean weighs some benchmarks more than others."""
        return bool(self.result.primary.weights)

    @property
    def unit(self) -> str:
        """What scores and differences are measured in."""
        return self.result.measure.unit

    @property
    def alpha(self) -> float:
        """The two-sided error rate."""
        return self.result.settings.alpha

    @property
    def several(self) -> bool:
        """Whether the result has other contrasts."""
        return len(self.result.contrasts) > 1

    @property
    def primary(self) -> bool:
        """Whether its mean is the declared primary test."""
        return self.place == 0 and not self.secondary

    @property
    def cell_names(self) -> tuple[str, ...]:
        """What its cells are called."""
        return cell_names(self.result, self.contrast)

    @property
    def slice_names(self) -> tuple[str, ...]:
        """What its slices are called."""
        return slice_names(self.result, self.contrast)

    def titled(self, title: str) -> str:
        """Return the title of a table about it: with its name where there are others, and with recipes that differ."""
        name = f": {self.contrast.name}" if self.several else ""
        return titled(f"{title}{name}", self.result, (self.base, self.treatment))

    @property
    def mean_name(self) -> str:
        """What the row of its mean is called."""
        name = "weighted mean" if self.weighted else "mean"
        return f"{name} (primary)" if self.primary else name


def views(result: Result, context: Context) -> tuple[View, ...]:
    """Return all contrasts in order, each with what the context says of it."""
    count = len(result.contrasts)
    advice = context.advice or (None,) * count
    return tuple(View(result, place, advice[place]) for place in range(count))
