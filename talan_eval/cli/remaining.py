"""How long the rest of a grid will take, from the first batch on, with how far that may be off."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from talan_eval.execution.events import Event
    from talan_eval.execution.workload import Workload

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_OF_FIRST: Final = 0.5  # half-width, as a share, while one batch has been timed, whose spread is not known
_LEAST: Final = 0.1  # batches of one run are more alike than those of different runs
_ERRORS: Final = 2.0  # standard errors on each side

_Kind = Literal["loading", "step", "answer", "grading"]


def spoken(seconds: float) -> str:
    """Return a duration in the unit that fits, such as "40 s", "12 min", "3.5 h" or "2.1 days"."""
    if seconds < _MINUTE:
        return f"{max(seconds, 0):.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h" if seconds < _DAY else f"{seconds / _DAY:.1f} days"


@dataclass(frozen=True, slots=True)
class Span:
    """A time that is left.

    Attributes:
        seconds: What is expected.
        off: By how much it may be off, seconds.
        untimed: What was not seen yet and is not in it; empty where everything was.
    """

    seconds: float
    off: float
    untimed: str = ""

    def text(self) -> str:
        """Return it in words, such as "3 to 5 min left"."""
        if self.untimed:
            return f"over {spoken(self.seconds)} left ({self.untimed} not timed yet)"
        low, high = spoken(max(self.seconds - self.off, 0)), spoken(self.seconds + self.off)
        if low == high:
            return f"about {low} left"
        same = low.partition(" ")[2] == high.partition(" ")[2]
        return f"{low.partition(' ')[0] if same else low} to {high} left"


@dataclass(slots=True)
class _Pace:
    """What one unit of a kind of work took: batches of units, and their seconds."""

    units: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    rough: float | None = None  # of a unit, from a batch that was timed together with something else

    def add(self, units: float, seconds: float) -> None:
        self.units.append(units)
        self.seconds.append(seconds)

    @property
    def seen(self) -> bool:
        return bool(self.units) or self.rough is not None

    def each(self) -> float:
        """Return the seconds of a unit; 0 before any was seen."""
        return sum(self.seconds) / sum(self.units) if self.units else self.rough or 0.0

    def share(self) -> float:
        """Return the half-width of its uncertainty as a share of it."""
        count = len(self.units)
        if count < 2 or not self.each():  # noqa: PLR2004 - one batch has no spread
            return _OF_FIRST
        each = self.each()
        squares = sum(n * (s / n - each) ** 2 for n, s in zip(self.units, self.seconds, strict=True)) / sum(self.units)
        return max(_LEAST, _ERRORS * math.sqrt(squares / (count - 1)) / each)


@dataclass(slots=True)
class _Left:
    """What is left of one run."""

    loading: int
    steps: int
    answers: dict[str, int]

    def units(self) -> Mapping[_Kind, int]:
        return {
            "loading": self.loading,
            "step": self.steps,
            "answer": sum(self.answers.values()),
            "grading": len(self.answers),
        }


@dataclass(slots=True)
class Forecast:
    """How long the rest will take, from what was seen so far.

    The time between two steps (or batches) of the same run is what one step (or its answers) took. The first batch of a
    run is timed together with what came before it, so it counts only until a second one was seen.
    """

    workload: Workload
    clock: Callable[[], float] = time.monotonic
    _left: dict[str, _Left] = field(init=False)
    _pace: dict[_Kind, _Pace] = field(init=False)
    _last: dict[str, tuple[str, float, int]] = field(default_factory=dict)
    _active: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Count all steps and answers."""
        self._pace = {kind: _Pace() for kind in ("loading", "step", "answer", "grading")}
        self._left = {
            run.cell_id: _Left(
                1,
                0 if run.is_stored or run.cell_id in self.workload.trained else self.workload.steps[run.backbone],
                {cell.task: self.workload.items[cell.task] for cell in run.evaluations},
            )
            for run in self.workload.runs
        }

    def __call__(self, event: Event) -> None:
        """Learn from an event."""
        now, run = self.clock(), event.run
        if event.stage in ("finished", "failed", "again"):
            self._active.discard(run)
            self._last.pop(run, None)
            if event.stage != "again":
                self._left.pop(run, None)
            return
        if run not in self._left:
            return
        self._active.add(run)
        before = self._last.get(run)
        if event.stage in ("train", "evaluate"):
            self._worked(event, now, before)
        elif event.stage == "sealed":
            if before is not None and before[0] == event.task:
                self._pace["grading"].add(1, now - before[1])
            self._left[run].answers.pop(event.task, None)
        self._last[run] = (event.task if event.stage == "evaluate" else event.stage, now, event.done)

    def _worked(self, event: Event, now: float, before: tuple[str, float, int] | None) -> None:
        left = self._left[event.run]
        what = event.task if event.stage == "evaluate" else event.stage
        pace = self._pace["answer" if event.stage == "evaluate" else "step"]
        same = before is not None and before[0] == what
        done = event.done - (before[2] if same and before is not None else 0)
        if done > 0 and before is not None:
            if same:
                pace.add(done, now - before[1])
            elif pace.rough is None:
                pace.rough = (now - before[1]) / done
        if before is not None and before[0] == "start":
            self._pace["loading"].add(1, max(now - before[1] - pace.each() * done, 0.0))
        left.loading = 0
        if event.stage == "train":
            left.steps = max(0, event.total - event.done)
        else:
            left.steps = 0
            left.answers[event.task] = max(0, event.total - event.done)

    def left(self, run: str | None = None) -> Span | None:
        """Return what is left of a run, or of all; None before anything was timed, or where nothing is known of it."""
        lefts: Iterable[_Left] = self._left.values() if run is None else filter(None, [self._left.get(run)])
        units: dict[_Kind, int] = dict.fromkeys(self._pace, 0)
        for one in lefts:
            for kind, count in one.units().items():
                units[kind] += count
        needed: list[_Kind] = [kind for kind in ("step", "answer") if units[kind]]
        if not any(self._pace[kind].seen for kind in ("step", "answer")):
            return None
        side_by_side = 1 if run is not None else max(len(self._active), 1)
        each = {kind: count * self._pace[kind].each() / side_by_side for kind, count in units.items()}
        off = math.sqrt(sum((seconds * self._pace[kind].share()) ** 2 for kind, seconds in each.items()))
        untimed = [f"{kind}s" for kind in needed if not self._pace[kind].seen]
        return Span(sum(each.values()), off, " and ".join(untimed))

    def text(self, run: str | None = None) -> str:
        """Return what is left in words; empty while it is not known."""
        span = self.left(run)
        return "" if span is None else span.text()
