"""Runs on a SLURM cluster: an element of a job array for each, on nodes that see the results directory.

A run whose node was lost or whose job was pre-empted is started again by SLURM and does not count as an attempt; one
whose job was cancelled, or met its limit of time or memory, counts as one, and waits again for a place in a further
array. Workers write through the same store as on one machine, so the results directory must be on a file system that
all nodes share, under the same path, and the backbone and data must be there or reachable as well.

Not covered: this process killed without a chance to cancel its jobs. They go on and seal what they finish; the next
start on the directory with ``--executor slurm`` cancels those that are left before it begins, any other start does not.
"""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError
from talan_eval.execution import slurm
from talan_eval.execution.attempts import killed
from talan_eval.execution.slurm_job import (
    EventsFile,
    Work,
    end_of_log,
    load_worker,
    outcome_of,
    with_threads,
    write_work,
)
from talan_eval.store.atomic import make_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from talan_eval.execution.attempts import Attempts, Performer
    from talan_eval.execution.events import Event
    from talan_eval.grid import Run
    from talan_eval.intake.assignment import Assignment

FOLDER: Final = "slurm"
_NAME: Final = "talan-eval-"
_MOST_ELEMENTS: Final = 1000
"""Of one array; SLURM's own limit (MaxArraySize) is 1001 unless an administrator says otherwise."""
_MOST_LOSSES: Final = 20
_LOST: Final = frozenset({"BOOT_FAIL", "NODE_FAIL", "PREEMPTED"})
_HOW: Final = {
    "CANCELLED": "being cancelled",
    "DEADLINE": "the deadline of its job",
    "OUT_OF_MEMORY": "the memory limit of its job; more is asked for with --sbatch mem=SIZE",
    "TIMEOUT": "the time limit of its job; more is asked for with --sbatch time=MINUTES, and a training goes on from "
    "its last state",
}


@dataclass(frozen=True, slots=True)
class SlurmExecutor:
    """Job arrays; see ``talan_eval.execution.executor.Executor``.

    Args:
        most: Runs at a time; None for as many as the cluster has room for.
        gpus_per_run: GPUs of one run, where the experiment's device is CUDA.
        options: Further options of ``sbatch``, as it takes them.
        load: Loads what performs runs, given the experiment.
        poll: Seconds between two looks at files and, five times as rarely, at SLURM.
        patience: Seconds that a job may seem to have ended without outcome, or to wait in vain: files of other nodes
            are seen late, and a controller that starts does not know its nodes yet.
    """

    most: int | None
    gpus_per_run: int
    options: tuple[str, ...]
    load: Callable[[tuple[Assignment, ...]], Performer] = load_worker
    poll: float = 2.0
    patience: float = 90.0

    def perform_all(
        self, assignments: Sequence[Assignment], attempts: Attempts, report: Callable[[Event], None]
    ) -> None:
        """Perform runs; see ``talan_eval.execution.executor.Executor``."""
        everywhere = tuple(replace(one, directory=one.directory.absolute()) for one in assignments)
        root = everywhere[0].directory / FOLDER
        _cancel_all(root, self.poll)
        arrays: list[_Array] = []
        losses: dict[str, int] = {}
        try:
            while True:
                if runs := tuple(self._taken(attempts, sum(len(one.underway) for one in arrays))):
                    arrays.append(self._submitted(root, everywhere, runs, arrays))
                arrays = [one for one in arrays if one.underway]
                if not arrays:
                    break
                time.sleep(self.poll)
                for one in arrays:
                    one.look(attempts, report, losses)
        finally:  # also after an interrupt: what jobs are doing is not finished and will be done again
            _cancel_all(root, self.poll)

    def _taken(self, attempts: Attempts, underway: int) -> Iterator[Run]:
        """Take runs for a further array, if there is room for any."""
        room = _MOST_ELEMENTS if self.most is None or not underway else min(self.most - underway, _MOST_ELEMENTS)
        while room > 0 and (run := attempts.next()) is not None:
            room -= 1
            yield run

    def _submitted(
        self, root: Path, everywhere: tuple[Assignment, ...], runs: tuple[Run, ...], others: Sequence[_Array]
    ) -> _Array:
        threads = max(one.threads or 1 for one in everywhere)
        asked = _number(self.options, "cpus-per-task")
        gpus = self.gpus_per_run if everywhere[0].device == "cuda" else 0
        options = [f"--cpus-per-task={threads}", *([f"--gres=gpu:{gpus}"] if gpus else []), *self.options]
        name = f"{_NAME}{secrets.token_hex(8)}"
        make_directory(folder := root / name)
        write_work(folder, with_threads(Work(self.load, everywhere, runs), asked))
        most = None if self.most is None else self.most - sum(len(one.underway) for one in others)
        slurm.submit(folder / "job.sh", name, options, len(runs), most)
        return _Array(name, folder, dict(enumerate(runs)), tuple(options), self.patience, 5 * self.poll)


@dataclass(slots=True)
class _Array:
    """A job array and what is known of it.

    Attributes:
        name: Its name, which is also that of its folder.
        folder: Its files.
        underway: Runs without outcome, by element.
        options: What was asked of SLURM.
        patience: See ``SlurmExecutor``.
        every: Seconds between two questions to SLURM.
    """

    name: str
    folder: Path
    underway: dict[int, Run]
    options: tuple[str, ...]
    patience: float
    every: float
    _events: dict[int, EventsFile] = field(default_factory=dict)
    _since: dict[int, float] = field(default_factory=dict)
    _known: dict[int, slurm.Element] = field(default_factory=dict)
    _asked: float = 0.0

    def look(self, attempts: Attempts, report: Callable[[Event], None], losses: dict[str, int]) -> None:
        """Pass on events, close what has ended.

        Raises:
            UserError: What a run met would meet every run, or SLURM will never start one.
        """
        if answered := time.monotonic() - self._asked > self.every:
            found = slurm.elements(self.name)
            answered, self._asked = found is not None, time.monotonic()
            self._known = self._known if found is None else found
        for number, run in list(self.underway.items()):
            for event in self._events.setdefault(number, EventsFile(self.folder, number)).fresh():
                report(event)
            outcome = outcome_of(self.folder, number)
            if isinstance(outcome, UserError):
                raise outcome
            if outcome is not None:
                del self.underway[number]
                attempts.ended(run, outcome)
            elif answered and self._is_stuck(number):
                del self.underway[number]
                self._close(number, run, attempts, losses)

    def _is_stuck(self, number: int) -> bool:
        """Return whether an element has ended for some time; one that waits in vain ends the grid."""
        element = self._known.get(number)
        if element is not None and not element.has_ended and not element.waits_forever:
            self._since.pop(number, None)
            return False
        if time.monotonic() - self._since.setdefault(number, time.monotonic()) < self.patience:
            return False
        if element is not None and element.waits_forever:
            raise UserError(
                f"SLURM will never start the jobs of these runs ({element.reason}).",
                slurm.what_to_ask_for(self.options),
            )
        return True

    def _close(self, number: int, run: Run, attempts: Attempts, losses: dict[str, int]) -> None:
        state = self._known[number].state if number in self._known else "CANCELLED"  # what was cancelled is forgotten
        if state in _LOST:
            losses[run.cell_id] = losses.get(run.cell_id, 0) + 1
            if losses[run.cell_id] <= _MOST_LOSSES:
                attempts.give_back(run)
                return
        how = _HOW.get(state, f"the end of its job, without a word (SLURM says {state})")
        said = end_of_log(self.folder, number)
        attempts.ended(run, tuple(replace(one, traceback=said) for one in killed(run, None, how)))


def _number(options: Sequence[str], name: str) -> int | None:
    """Return the whole number behind an option, the last one of its name; None without one."""
    found = [value for key, _, value in (one.partition("=") for one in options) if key == f"--{name}"]
    return int(found[-1]) if found and found[-1].isdecimal() else None


def _cancel_all(root: Path, poll: float) -> None:
    """Cancel the jobs of a directory, those of a process that was killed too, and remove their files.

    A job that SLURM does not answer for keeps its files, so that the next start cancels it.
    """
    for folder in sorted(root.glob(f"{_NAME}*")):
        slurm.cancel(folder.name)
        while (found := slurm.elements(folder.name)) and not all(one.has_ended for one in found.values()):
            time.sleep(poll)
        if found is not None:
            shutil.rmtree(folder, ignore_errors=True)
    if root.is_dir() and not any(root.iterdir()):
        root.rmdir()
