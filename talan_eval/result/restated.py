"""A result in another unit or direction: every field that has a unit, restated.

Which fields hold scores, differences and sizes is listed here once; a test finds a field of the schema that is in no
list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from talan_eval.result.evidence import POINTS, MeanSquares, Measure, OneSided, PublishedRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from talan_eval.result.schema import Result

PERCENT: Final = 100.0
SCORES: Final = frozenset({"base_mean", "treat_mean", "mean", "by_seed", "base_by_seed", "treat_by_seed"})
"""Fields of the result that hold scores: they have a place on the scale, and not only a size."""
DIFFERENCES: Final = frozenset(
    {"delta", "deltas", "median_delta", "iqm", "selection_gain", "difference", "worst_delta"}
)
"""Fields that hold differences, treatment minus base."""
SIZES: Final = frozenset({"se", "mde80", "expected_exaggeration", "exaggeration_if_equal", "margin"})
"""Fields that hold sizes without a sign."""
INTERVALS: Final = frozenset({"ci", "simultaneous_ci", "pigeonhole_ci"})
"""Fields that hold intervals of differences."""
_OWN_UNITS: Final = frozenset({"loss", "inside", "probes"})
"""Fields whose records do not speak of the result's scores."""
_SMALL: Final = 0.1
_Record = TypeVar("_Record", bound=PublishedRecord)


@dataclass(frozen=True)
class Restated:
    """Turns points into a unit.

    Attributes:
        origin: Score in the unit of the score 0, or of the score 100 where the direction is turned.
        width: Size in the unit of 100 points.
        turned: Whether more becomes less.
    """

    origin: float
    width: float
    turned: bool = False

    def of(self, record: _Record) -> _Record:
        """Express all fields of a record, and those of the records in it."""
        update = {
            name: self._value(name, value, record)
            for name in type(record).model_fields
            if (value := getattr(record, name)) is not None
        }
        if isinstance(record, OneSided) and self.turned:
            update |= {"lower": self._difference(record.upper), "upper": self._difference(record.lower)}
        return record.model_copy(update=update)

    def _value(self, name: str, value: Any, record: PublishedRecord) -> Any:  # noqa: ANN401 - fields of all types
        if name in _OWN_UNITS:
            return value
        if isinstance(value, PublishedRecord):
            return self.of(value)
        if isinstance(value, tuple) and value and isinstance(value[0], PublishedRecord):
            return tuple(self.of(one) for one in value)
        if name in INTERVALS:
            return tuple(sorted(self._difference(end) for end in value))
        turn = self._turn(name, record)
        if turn is None:
            return value
        return tuple(turn(one) for one in value) if isinstance(value, tuple) else turn(value)

    def _turn(self, name: str, record: PublishedRecord) -> Callable[[float], float] | None:
        """Return what expresses the number or numbers of a field; None where they have no unit."""
        if isinstance(record, MeanSquares):
            return lambda squared: squared * (self.width / PERCENT) ** 2
        if isinstance(record, OneSided) and name != "alpha":
            return self._difference
        kinds = ((SCORES, self._score), (DIFFERENCES, self._difference), (SIZES, self._size))
        return next((turn for names, turn in kinds if name in names), None)

    def _score(self, points: float) -> float:
        share = points / PERCENT
        return self.origin + self.width * (1 - share if self.turned else share)

    def _difference(self, points: float) -> float:
        return -self._size(points) + 0.0 if self.turned else self._size(points)

    def _size(self, points: float) -> float:
        return points * self.width / PERCENT


def upright(result: Result) -> Result:
    """Return a result of which more is better, with the signs of all scores and differences turned where less is."""
    if result.measure.higher_is_better:
        return result
    turned = Restated(-PERCENT, PERCENT, turned=True).of(result)
    return turned.model_copy(update={"measure": result.measure.model_copy(update={"higher_is_better": True})})


def as_computed(result: Result) -> Result:
    """Return a result as the statistics made it: more is better, and in points where scores have two bounds.

    Args:
        result: Its measure's upper bound lies above the lower one.
    """
    turned = upright(result)
    lower, upper = result.measure.lower, result.measure.upper
    if lower is None or upper is None:
        return turned
    least = lower if result.measure.higher_is_better else -upper
    scale = PERCENT / (upper - lower)
    return Restated(-least * scale, PERCENT * scale).of(turned).model_copy(update={"measure": Measure()})


def readable(result: Result) -> Result:
    """Return a result as it is shown: small differences in thousandths of the unit, intervals within what can be.

    Points stay points. "nats" become "millinats", so that tables of two decimals show a difference of 0.0012. Where
    scores have two bounds, no difference of them exceeds the distance of these, and no end of an interval is shown
    beyond it; the result itself holds intervals as they were computed.
    """
    result = _within_bounds(result)
    sizes = [abs(cell.delta) for contrast in result.contrasts for cell in contrast.cells if cell.delta]
    if result.measure.unit == POINTS or not sizes or max(sizes) >= _SMALL:
        return result
    measure = result.measure
    bounds = {
        name: None if end is None else 1000 * end for name, end in (("lower", measure.lower), ("upper", measure.upper))
    }
    smaller = measure.model_copy(update={"unit": f"milli{measure.unit}", **bounds})
    return Restated(0.0, 1000 * PERCENT).of(result).model_copy(update={"measure": smaller})


def _within_bounds(result: Result) -> Result:
    low, high = result.measure.lower, result.measure.upper
    return result if low is None or high is None else _clipped(result, high - low)


def _clipped(record: _Record, most: float) -> _Record:
    """Return a record whose intervals of differences, and those of the records in it, end at so much at most."""

    def clip(end: float) -> float:
        return min(max(end, -most), most)

    update: dict[str, Any] = {}
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(value, PublishedRecord):
            update[name] = _clipped(value, most)
        elif isinstance(value, tuple) and value and isinstance(value[0], PublishedRecord):
            update[name] = tuple(_clipped(one, most) for one in value)
        elif value is not None and name in INTERVALS:
            update[name] = tuple(clip(end) for end in value)
    if isinstance(record, OneSided):
        update |= {"lower": clip(record.lower), "upper": clip(record.upper)}
    return record.model_copy(update=update)
