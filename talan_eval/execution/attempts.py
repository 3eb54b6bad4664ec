"""Which runs wait, and what becomes of those that fail: the same for every executor."""

from __future__ import annotations

import traceback
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from talan_core.errors import DivergedError, InactiveError, UserError
from talan_eval.execution.events import Event
from talan_eval.store.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from talan_eval.execution.events import Stage
    from talan_eval.grid import Run
    from talan_eval.store.failures import Kind
    from talan_eval.store.store import Store

_OUT_OF_MEMORY: Final = frozenset({"OutOfMemoryError", "MemoryError"})  # torch's by name: the parent does without torch
_CPU_MEMORY: Final = "DefaultCPUAllocator: can't allocate memory"  # torch's words in a RuntimeError
_SIGKILL: Final = 9
_FINAL: Final = frozenset({"diverged", "inactive"})  # they would end alike again


class TooManyPromptsError(Exception):
    """An evaluation has run out of memory, for good; the text names it."""


class Performer(Protocol):
    """What performs runs in a process."""

    def perform(self, run: Run, report: Callable[[Event], None]) -> tuple[Failure, ...]:
        """Do what is missing of a run and return the cells that have no result now."""


class Attempts:
    """The runs of a grid that are still to be performed.

    Args:
        store: Where failures are kept.
        runs: What is missing, in the order in which it is to be done.
        retries: How often a run is tried again after its first failure.
        report: Told how each attempt ended.
        may_stop: Whether an evaluation that has run out of memory for good ends the grid: what is being performed is
            finished, because its training will be taken over, and nothing else is begun.

    Attributes:
        starved: That evaluation; None without one.
    """

    def __init__(
        self,
        store: Store,
        runs: Sequence[Run],
        retries: int,
        report: Callable[[Event], None],
        *,
        may_stop: bool = False,
    ) -> None:
        self._store = store
        self._waiting = deque(runs)
        self._retries = retries
        self._report = report
        self._may_stop = may_stop
        self.starved: Failure | None = None
        self._tried: dict[str, int] = {}

    def __len__(self) -> int:
        """Return how many runs wait."""
        return len(self._waiting)

    def next(self) -> Run | None:
        """Take the next run, or None where none waits."""
        return self._waiting.popleft() if self._waiting else None

    def give_back(self, run: Run) -> None:
        """Put a run back that ended by no doing of its own, such as a lost node; it does not count as an attempt."""
        if self.starved is None:
            self._waiting.appendleft(run)

    def ended(self, run: Run, failures: Sequence[Failure]) -> None:
        """Close an attempt: what failed waits again at the end of the queue, or is given up.

        Args:
            run: As it was taken.
            failures: Its cells without result; a failed training stands for all its evaluations.
        """
        if not failures:
            self._report(Event(run.cell_id, run.arm, run.seed, "finished", 1, 1))
            return
        tried = self._tried.get(run.cell_id, 0) + 1
        self._tried[run.cell_id] = tried
        again = [failure for failure in failures if failure.kind not in _FINAL and tried <= self._retries]
        given_up = [replace(failure, attempts=tried) for failure in failures if failure not in again]
        for failure in given_up:
            self._store.fail(failure)
        if self._may_stop and self.starved is None:
            self.starved = next((one for one in given_up if one.starved), None)
        if self.starved is not None:
            self._waiting.clear()
        elif again:
            lost = {failure.cell_id for failure in again}
            cells = run.evaluations if run.cell_id in lost else tuple(c for c in run.evaluations if c.cell_id in lost)
            self._waiting.append(replace(run, evaluations=cells))
        stage: Stage = "again" if again else "failed"
        for failure in (*given_up, *again):
            self._report(Event(run.cell_id, run.arm, run.seed, stage, 0, 1, failure.task, failure.message))


def failure_of(run: Run, cell_id: str, task: str, error: Exception) -> Failure:
    """Say what happened to a cell, or pass on what concerns the whole grid.

    Args:
        run: The run.
        cell_id: The training cell, which stands for all evaluations, or one evaluation.
        task: The benchmark, or empty for the training.
        error: What was raised.

    Raises:
        UserError: The error is the user's to mend and would meet every other cell as well.
    """
    if isinstance(error, UserError) and not isinstance(error, (DivergedError, InactiveError)):
        raise error
    kind: Kind = "error"
    if isinstance(error, DivergedError):
        kind = "diverged"
    elif isinstance(error, InactiveError):
        kind = "inactive"
    elif type(error).__name__ in _OUT_OF_MEMORY or _CPU_MEMORY in str(error):
        kind = "memory"
    said = " ".join(str(error).split())
    message = said if isinstance(error, UserError) else f"{type(error).__name__}: {said}".removesuffix(": ")
    return Failure(cell_id, run.arm, run.seed, task, kind, message, "".join(traceback.format_exception(error)))


def perform_safely(
    load: Callable[[], Performer], run: Run, report: Callable[[Event], None]
) -> tuple[Failure, ...] | UserError:
    """Perform a run in a worker process; what cannot be loaded fails the run, with its traceback kept.

    Returns:
        The cells without result, or the error that would meet every run.
    """
    try:
        try:
            performer = load()
        except Exception as error:  # noqa: BLE001 - a worker must answer for its run, whatever happens
            return (failure_of(run, run.cell_id, "", error),)
        return performer.perform(run, report)
    except UserError as error:
        return error


def killed(run: Run, signal: int | None, how: str) -> tuple[Failure, ...]:
    """Return the failure of a run whose process ended without a word.

    Args:
        run: The run.
        signal: The signal that ended it, or None where it ended by itself.
        how: How it ended, as in "signal 9".
    """
    hint = (
        "; the kernel does that when memory runs out, and fewer --workers need less of it" if signal == _SIGKILL else ""
    )
    message = f"its process ended by {how}{hint}"
    return (Failure(run.cell_id, run.arm, run.seed, "", "killed", message, ""),)
