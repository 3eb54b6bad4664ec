"""Shows a running grid: live bars on a terminal, one plain line per finished run elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from talan_eval.cli.remaining import Forecast

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.progress import TaskID

    from talan_eval.execution.events import Event
    from talan_eval.execution.workload import GridProgress, Workload


_ROOMY: Final = 110  # columns beside which a run's label, its bar and what is left of it have room for the time


def progress_for(console: Console, workload: Workload) -> GridProgress:
    """Return the display that suits a console."""
    return LiveProgress(console, workload) if console.is_terminal else PlainProgress(console, workload)


def phase_of(event: Event) -> str:
    """Return what a run does now: it loads, trains, answers, or its answers are graded and their loss is measured."""
    if event.stage == "train":
        return "training" if event.done < event.total else "saving"
    if event.stage == "evaluate":
        return f"{'answering' if event.done < event.total else 'grading'} {event.task}"
    return "loading"


class LiveProgress:
    """One bar for the grid and one for each run that is under way."""

    def __init__(self, console: Console, workload: Workload) -> None:
        self._console = console
        self._workload = workload
        self._forecast = Forecast(workload)
        roomy = console.width >= _ROOMY
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24 if roomy else 6),
            MofNCompleteColumn(),
            *([TimeElapsedColumn()] if roomy else []),
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
        elif event.stage != "sealed":
            row = self._row(event.run, label)
            rest = self._forecast.text(event.run)
            if event.stage == "start":
                self._bars.update(row, description=f"{label} loading", completed=0, total=None, rest="")
            else:
                what = f"{label} {phase_of(event)}"
                self._bars.update(row, description=what, completed=event.done, total=event.total, rest=rest)
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
        self._timed = False

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
                soft_wrap=True,
            )
        elif event.stage in ("again", "failed"):
            self._console.print(_failure_line(event), markup=False, soft_wrap=True)
        elif not self._timed and (span := self._forecast.left()) is not None and not span.untimed:
            self._timed = True
            self._console.print(f"{phase_of(event)}: {span.text()} in all", markup=False, soft_wrap=True)


def _failure_line(event: Event) -> str:
    what = f" on {event.task}" if event.task else ""
    fate = "failed and will be tried again" if event.stage == "again" else "was given up"
    return f"{event.arm} seed {event.seed}{what} {fate}: {event.text}"
