"""What an element of a job array does: one run, of which it leaves progress and outcome in files.

The folder of an array, on a file system that all nodes share::

    work.pickle      the experiment and the runs, for jobs of the same user and installation
    job.sh           what SLURM starts
    N.events         a JSON line for each step of run N
    N.outcome        how it ended, under its name only when whole
    N.log            what it printed
"""

from __future__ import annotations

import json
import pickle
import shlex
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talan_core.errors import UserError
from talan_eval.execution.attempts import perform_safely
from talan_eval.execution.events import Event
from talan_eval.store.atomic import atomic_write_bytes
from talan_eval.store.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from talan_eval.execution.attempts import Performer
    from talan_eval.grid import Run
    from talan_eval.intake.assignment import Assignment


@dataclass(frozen=True, slots=True)
class Work:
    """What the elements of an array have to do.

    Attributes:
        load: Loads what performs runs.
        assignments: The experiment, one for each backbone.
        runs: By the number of the element.
    """

    load: Callable[[tuple[Assignment, ...]], Performer]
    assignments: tuple[Assignment, ...]
    runs: tuple[Run, ...]


def load_worker(assignments: tuple[Assignment, ...]) -> Performer:
    """Load what performs a run; SLURM has hidden all devices but its own from it."""
    from talan_eval.execution.run_worker import Crew  # noqa: PLC0415 - heavy, only in jobs

    return Crew(assignments, assignments[0].device)


def write_work(folder: Path, work: Work) -> None:
    """Put work into the folder of an array."""
    atomic_write_bytes(folder / "work.pickle", pickle.dumps(work))
    command = shlex.join([sys.executable, "-m", __name__, str(folder)])
    atomic_write_bytes(folder / "job.sh", f'#!/bin/bash\nexec {command} "$SLURM_ARRAY_TASK_ID"\n'.encode())


def perform(folder: Path, number: int) -> None:
    """Perform one run of an array and leave how it ended; an element."""
    work: Work = pickle.loads((folder / "work.pickle").read_bytes())  # noqa: S301 - written by the same user's own process
    with (folder / f"{number}.events").open("a", encoding="utf-8", buffering=1) as file:

        def report(event: Event) -> None:
            file.write(json.dumps(asdict(event)) + "\n")

        outcome = perform_safely(lambda: work.load(work.assignments), work.runs[number], report)
    atomic_write_bytes(folder / f"{number}.outcome", json.dumps(_written(outcome)).encode())


def _written(outcome: tuple[Failure, ...] | UserError) -> dict[str, Any]:
    if isinstance(outcome, UserError):
        return {"problem": outcome.problem, "fix": outcome.fix}
    return {"failures": [asdict(failure) for failure in outcome]}


def outcome_of(folder: Path, number: int) -> tuple[Failure, ...] | UserError | None:
    """Return how a run ended: the cells without result, or the error that would meet every run; None so far."""
    try:
        found = json.loads((folder / f"{number}.outcome").read_bytes())
    except FileNotFoundError:
        return None
    if "problem" in found:
        return UserError(found["problem"], found["fix"])
    return tuple(Failure(**failure) for failure in found["failures"])


class EventsFile:
    """The events of a run, read as far as they are written.

    Args:
        folder: Folder of the array.
        number: The element.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._path = folder / f"{number}.events"
        self._read = 0

    def fresh(self) -> list[Event]:
        """Return what is new; a line that is being written is left for the next time."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        return [Event(**json.loads(line)) for line in whole.splitlines()]


def end_of_log(folder: Path, number: int, lines: int = 40) -> str:
    """Return the last lines that a run printed; empty where it printed nothing."""
    try:
        text = (folder / f"{number}.log").read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def with_threads(work: Work, threads: int | None) -> Work:
    """Return work whose runs compute with so many threads; None leaves them as they are."""
    if threads is None:
        return work
    return replace(work, assignments=tuple(replace(one, threads=threads) for one in work.assignments))


if __name__ == "__main__":
    from talan_eval.execution.slurm_job import perform as imported  # the class in the pickle is that of the module

    imported(Path(sys.argv[1]), int(sys.argv[2]))
