"""Shows a running grid: live bars on a terminal, one plain line per finished run elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.progress import TaskID

    from talan_eval.execution.events import Event


class GridProgress(Protocol):
    """A display of progress, open inside a ``with`` block."""

    def __enter__(self) -> Self:
        """Open the display."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the display."""

    def __call__(self, event: Event) -> None:
        """Show one event."""


def progress_for(console: Console, *, runs: int, cached: int) -> GridProgress:
    """Return the display that suits a console.

    Args:
        console: Where to show it.
        runs: Runs that will be performed.
        cached: Runs that were finished before.
    """
    return LiveProgress(console, runs, cached) if console.is_terminal else PlainProgress(console, runs, cached)


class LiveProgress:
    """One bar for the grid and one for each run that is under way."""

    def __init__(self, console: Console, runs: int, cached: int) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._grid = self._bars.add_task("fine-tunings", total=runs + cached, completed=cached)
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
        label = f"  {event.arm} seed {event.seed}"
        if event.stage == "start":
            self._rows[event.run] = self._bars.add_task(label, total=None)
        elif event.stage == "finished":
            self._bars.remove_task(self._rows.pop(event.run))
            self._bars.advance(self._grid)
        elif event.stage in ("train", "evaluate"):
            what = "training" if event.stage == "train" else event.task
            self._bars.update(
                self._rows[event.run], description=f"{label} {what}", completed=event.done, total=event.total
            )


class PlainProgress:
    """One line per finished run, for logs."""

    def __init__(self, console: Console, runs: int, cached: int) -> None:
        self._console = console
        self._total = runs + cached
        self._done = cached
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        """Say what will be done."""
        self._console.print(f"{self._total} fine-tunings, {self._done} of them finished before")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: every line is already out."""

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if event.stage == "finished":
            self._done += 1
            seconds = time.monotonic() - self._began
            self._console.print(
                f"[{self._done}/{self._total}] {event.arm} seed {event.seed} ({seconds:.0f} s)", markup=False
            )
