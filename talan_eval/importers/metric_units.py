"""What logged metrics are measured in: what the user says, what the log says, and names whose unit is no question."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError, unknown_name
from talan_eval.result.schema import Measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LESS: Final[Mapping[str, str]] = {
    "loss": "nats",
    "nll": "nats",
    "perplexity": "perplexity",
    "bits_per_byte": "bits per byte",
    "tokens": "tokens",
    "seconds": "seconds",
}
"""Units of metrics by name: without bounds, and less is better."""
_BOUNDS: Final = 2


@dataclass(frozen=True, slots=True)
class Units:
    """What the user said about metrics.

    Attributes:
        units: By metric its unit with its bounds.
        less: Metrics of which less is better.
    """

    units: Mapping[str, Measure]
    less: frozenset[str]

    @classmethod
    def parse(cls, units: Sequence[str], less: Sequence[str]) -> Units:
        """Read the values of ``--unit`` and ``--less-is-better``.

        Args:
            units: METRIC=UNIT, for a metric without bounds, or METRIC=UNIT:LOW:HIGH each.
            less: METRIC each.

        Raises:
            UserError: A value has no such form.
        """
        return cls(dict(_unit(value) for value in units), frozenset(less))

    def check(self, metrics: Iterable[str]) -> None:
        """Refuse options that name a metric which nothing logs.

        Raises:
            UserError: With the nearest name.
        """
        known = sorted(set(metrics))
        for name in (*self.units, *sorted(self.less)):
            if name not in known:
                raise unknown_name("metric", name, known)

    def of(self, metric: str, *, lower: bool) -> Measure:
        """Return what a metric is measured in.

        Args:
            metric: Its name.
            lower: Whether the log says that less is better.
        """
        less = lower or metric in self.less or (metric in _LESS and metric not in self.units)
        if metric in self.units:
            found = self.units[metric]
        elif metric in _LESS:
            found = Measure(unit=_LESS[metric], lower=None, upper=None)
        else:
            found = Measure()
        return found.model_copy(update={"higher_is_better": not less})


def _unit(value: str) -> tuple[str, Measure]:
    metric, sign, rest = value.partition("=")
    unit, *ends = rest.split(":")
    bounds = [_number(end) for end in ends]
    wrong = not (metric and sign and unit) or len(ends) not in {0, _BOUNDS} or None in bounds
    low, high = bounds if len(bounds) == _BOUNDS else (None, None)
    if wrong or (low is not None and high is not None and low >= high):
        raise UserError(
            f"--unit {value}: this says no unit of a metric.",
            "Type the unit of a metric without bounds, --unit loss=nats, or with bounds, --unit bleu=BLEU:0:100",
        )
    return metric, Measure(unit=unit, lower=low, upper=high)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
