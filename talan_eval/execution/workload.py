"""What there is to do in a grid, and who is shown how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from talan_core.arms import parse_arm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from talan_eval.execution.events import Event
    from talan_eval.grid import Run


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be done.

    Attributes:
        runs: Runs with their missing evaluations.
        finished: Runs that need nothing.
        steps: Training steps of a run, by backbone.
        items: Items of each benchmark.
        trained: Training cells whose checkpoint is there.
    """

    runs: Sequence[Run]
    finished: int
    steps: Mapping[str, int]
    items: Mapping[str, int]
    trained: frozenset[str] = frozenset()

    def label(self, run: str, arm: str, seed: int) -> str:
        """Name a run; its backbone where there are several."""
        where = {one.cell_id: one.backbone for one in self.runs} if len(self.steps) > 1 else {}
        return f"{arm} seed {seed}" + (f" on {where[run]}" if run in where else "")

    @property
    def noun(self) -> str:
        """What its runs are: fine-tunings, unless some are of arms that were trained elsewhere, or none is trained."""
        trained = [not run.is_stored and parse_arm(run.arm).has_seeds for run in self.runs]
        return "fine-tunings" if any(trained) and not any(run.is_stored for run in self.runs) else "runs"

    @property
    def total(self) -> int:
        """All runs of the experiment."""
        return len(self.runs) + self.finished


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
