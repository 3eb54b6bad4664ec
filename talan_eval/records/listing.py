"""The experiments of a results root, and the cells of one, as they are on disk; nothing is locked or changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pydantic

from talan_core.errors import UserError
from talan_eval.experiment import Experiment
from talan_eval.grid import confirmation, plan
from talan_eval.store.lock import holder_of
from talan_eval.store.records import CorruptedError
from talan_eval.store.store import MANIFEST_NAME, Store

if TYPE_CHECKING:
    from pathlib import Path

    from talan_eval.grid import Run

Status = Literal["finished", "running", "failed", "missing"]


@dataclass(frozen=True, slots=True)
class CellStatus:
    """One cell of a grid.

    Attributes:
        cell_id: Its name in the store.
        arm: Canonical arm name.
        backbone: Backbone name.
        seed: Training seed.
        task: Benchmark; empty for a training.
        status: "finished" as sealed (``runs verify`` checks the bytes), "running" where it was begun, "failed"
            where it was given up, else "missing".
    """

    cell_id: str
    arm: str
    backbone: str
    seed: int
    task: str
    status: Status


@dataclass(frozen=True, slots=True)
class ExperimentStatus:
    """One experiment directory.

    Attributes:
        directory: Where it is.
        experiment: What was asked for; None where this version cannot read it.
        cells: Its cells in the order of the grid.
        created: When it was begun.
        holder: Who is writing to it now, as far as is known; empty for nobody.
        reported: Whether the result was written.
    """

    directory: Path
    experiment: Experiment | None
    cells: tuple[CellStatus, ...]
    created: str
    holder: str
    reported: bool

    def count(self, status: Status) -> int:
        """Return how many evaluations have a status."""
        return sum(cell.status == status for cell in self.cells if cell.task)

    @property
    def evaluations(self) -> int:
        """All evaluations of the grid."""
        return sum(cell.task != "" for cell in self.cells)


def experiments_in(root: Path) -> tuple[Path, ...]:
    """Return the experiment directories of a results root, or the directory itself where it is one.

    Raises:
        UserError: There is none.
    """
    if (root / MANIFEST_NAME).is_file():
        return (root,)
    found = tuple(sorted(path.parent for path in root.glob(f"*/{MANIFEST_NAME}"))) if root.is_dir() else ()
    if not found:
        raise UserError(f"There is no experiment in {root}.", "Type: talan-eval runs DIR, with a results directory.")
    return found


def status_of(directory: Path) -> ExperimentStatus:
    """Read the status of an experiment from names alone: no payload is opened.

    Raises:
        UserError: Its manifest is damaged.
    """
    store = Store.load(directory)
    holder = holder_of(directory)
    reported = (directory / "result.json").is_file()
    try:
        experiment = Experiment(**store.manifest.experiment)
    except pydantic.ValidationError:
        return ExperimentStatus(directory, None, (), store.manifest.created, holder, reported)
    cells = (*_cells(store, plan(experiment)), *_begun(store, confirmation(experiment, experiment.arms)))
    return ExperimentStatus(directory, experiment, cells, store.manifest.created, holder, reported)


def orphans(store: Store, *, finished: bool) -> tuple[str, ...]:
    """Return the checkpoints that this experiment has no use for: those of no cell of it, and damaged ones.

    Args:
        store: The experiment, held by this process.
        finished: Return those as well whose evaluations are all finished.

    Returns:
        Their names; none of an experiment that this version cannot read.
    """
    try:
        experiment = Experiment(**store.manifest.experiment)
        runs = (*plan(experiment), *confirmation(experiment, experiment.arms))
    except pydantic.ValidationError:
        return ()
    kept = {
        run.cell_id
        for run in runs
        if not finished or not all(store.has_record(cell.cell_id) for cell in run.evaluations)
    }
    return tuple(name for name in store.checkpoint_names() if name not in kept or not _sound(store, name))


def _sound(store: Store, name: str) -> bool:
    try:
        store.check_checkpoint(name)
    except CorruptedError:
        return False
    return True


def _begun(store: Store, runs: tuple[Run, ...]) -> tuple[CellStatus, ...]:
    """Return the cells of those runs of which anything is there: which arm is confirmed is known when it was chosen."""
    found = _cells(store, runs)
    started = {(cell.arm, cell.seed) for cell in found if cell.status != "missing"}
    return tuple(cell for cell in found if (cell.arm, cell.seed) in started)


def _cells(store: Store, runs: tuple[Run, ...]) -> tuple[CellStatus, ...]:
    finished = store.record_names()
    begun = store.journal_names() | store.training_names()
    failed = store.failures()
    cells = []
    for run in runs:
        for cell_id, task in [(run.cell_id, ""), *((cell.cell_id, cell.task) for cell in run.evaluations)]:
            status: Status = "missing"
            if cell_id in finished:
                status = "finished"
            elif cell_id in failed or run.cell_id in failed:
                status = "failed"
            elif cell_id in begun:
                status = "running"
            cells.append(CellStatus(cell_id, run.arm, run.backbone, run.seed, task, status))
    return tuple(cells)
