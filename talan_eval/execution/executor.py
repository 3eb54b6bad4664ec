"""Where runs are performed: on this machine, or on a cluster of Ray or SLURM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from talan_eval.execution.attempts import Attempts
    from talan_eval.execution.events import Event
    from talan_eval.intake.assignment import Assignment


class Executor(Protocol):
    """Performs all runs that wait. Results go to the store, which every worker must reach under the same path."""

    def perform_all(
        self, assignments: Sequence[Assignment], attempts: Attempts, report: Callable[[Event], None]
    ) -> None:
        """Take runs until none waits, and say of each how it ended.

        Args:
            assignments: The experiment as a worker sees it, one for each backbone.
            attempts: The runs.
            report: Told of each step, in this process and thread.

        Raises:
            UserError: What was asked for cannot be done by any run; finished cells are kept.
        """
