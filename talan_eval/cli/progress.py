"""Shows a running grid: live bars on a terminal, one plain line per finished run elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.console import Console
    from rich.progress import TaskID

    from talan_eval.execution.events import Event
    from talan_eval.execution.workload import GridProgress, Workload

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def progress_for(console: Console, workload: Workload) -> GridProgress:
    """Return the display that suits a console."""
    return LiveProgress(console, workload) if console.is_terminal else PlainProgress(console, workload)


def spoken(seconds: float) -> str:
    """Return a duration in the unit that fits, such as "40 s", "12 min", "3.5 h" or "2.1 days"."""
    if seconds < _MINUTE:
        return f"{max(seconds, 0):.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h" if seconds < _DAY else f"{seconds / _DAY:.1f} days"


@dataclass(slots=True)
class Forecast:
    """How long the rest will take, from the training steps and the answers that were seen so far.

    The time between two steps (or batches) of the same run is what one step (or its items) took; libraries that load
    and programs that are graded in between are in it as far as they fall between two events.
    """

    workload: Workload
    clock: Callable[[], float] = time.monotonic
    _left: dict[str, list[int]] = field(init=False)
    _spent: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _done: list[int] = field(default_factory=lambda: [0, 0])
    _last: dict[str, tuple[str, float, int]] = field(default_factory=dict)
    _active: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Count all steps and items."""
        self._left = {
            run.cell_id: [
                0 if run.is_stored or run.cell_id in self.workload.trained else self.workload.steps[run.backbone],
                sum(self.workload.items[cell.task] for cell in run.evaluations),
            ]
            for run in self.workload.runs
        }

    def __call__(self, event: Event) -> None:
        """Learn from an event."""
        now = self.clock()
        if event.stage in ("finished", "failed"):
            self._active.discard(event.run)
            self._left.pop(event.run, None)
        elif event.stage == "again":
            self._active.discard(event.run)
            self._last.pop(event.run, None)
        elif event.stage in ("train", "evaluate") and event.run in self._left:
            kind, what = (0, "train") if event.stage == "train" else (1, event.task)
            before = self._last.get(event.run)
            if before is not None and before[0] == what and event.done > before[2]:
                self._spent[kind] += now - before[1]
                self._done[kind] += event.done - before[2]
            new = event.done - (before[2] if before is not None and before[0] == what else 0)
            self._left[event.run][kind] = max(0, self._left[event.run][kind] - max(new, 0))
            self._last[event.run] = (what, now, event.done)
            self._active.add(event.run)

    def seconds(self) -> float | None:
        """Return the seconds that are left, or None while a kind of work that is to come was not seen yet."""
        total = 0.0
        for kind in (0, 1):
            left = sum(counts[kind] for counts in self._left.values())
            if left and not self._done[kind]:
                return None
            total += left * self._spent[kind] / max(self._done[kind], 1)
        return total / max(len(self._active), 1)

    def text(self) -> str:
        """Return the rest in words; empty while it is not known."""
        seconds = self.seconds()
        return "" if seconds is None else f"about {spoken(seconds)} left"


class LiveProgress:
    """One bar for the grid and one for each run that is under way."""

    def __init__(self, console: Console, workload: Workload) -> None:
        self._console = console
        self._workload = workload
        self._forecast = Forecast(workload)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[rest]}"),
            console=console,
            transient=True,
        )
        self._grid = self._bars.add_task(workload.noun, total=workload.total, completed=workload.finished, rest="")
        self._rows: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Start the live display."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop and clear the live display."""
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self._forecast(event)
        label = f"  {self._workload.label(event.run, event.arm, event.seed)}"
        if event.stage in ("finished", "again", "failed"):
            if event.run in self._rows:
                self._bars.remove_task(self._rows.pop(event.run))
            if event.stage == "finished":
                self._bars.advance(self._grid)
            else:
                self._console.print(_failure_line(event), markup=False)
        elif event.stage in ("train", "evaluate"):
            row = self._row(event.run, label)
            what = "training" if event.stage == "train" else event.task
            unit = "steps" if event.stage == "train" else "items"
            self._bars.update(row, description=f"{label} {what}", completed=event.done, total=event.total, rest=unit)
        self._bars.update(self._grid, rest=self._forecast.text())

    def _row(self, run: str, label: str) -> TaskID:
        if run not in self._rows:
            self._rows[run] = self._bars.add_task(label, total=None, rest="")
        return self._rows[run]


class PlainProgress:
    """One line per finished run, for logs."""

    def __init__(self, console: Console, workload: Workload) -> None:
        self._console = console
        self._workload = workload
        self._forecast = Forecast(workload)
        self._done = workload.finished
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        """Say what will be done."""
        self._console.print(f"{self._workload.total} {self._workload.noun}, {self._done} of them finished before")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: every line is already out."""

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self._forecast(event)
        if event.stage == "finished":
            self._done += 1
            seconds = time.monotonic() - self._began
            rest = self._forecast.text()
            self._console.print(
                f"[{self._done}/{self._workload.total}] {self._workload.label(event.run, event.arm, event.seed)} "
                f"({seconds:.0f} s{f', {rest}' if rest else ''})",
                markup=False,
            )
        elif event.stage in ("again", "failed"):
            self._console.print(_failure_line(event), markup=False, soft_wrap=True)


def _failure_line(event: Event) -> str:
    what = f" on {event.task}" if event.task else ""
    fate = "failed and will be tried again" if event.stage == "again" else "was given up"
    return f"{event.arm} seed {event.seed}{what} {fate}: {event.text}"
