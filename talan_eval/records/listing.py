"""The experiments of a results root, and the cells of one, as they are on disk; nothing is locked or changed."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import pydantic

from talan_core.bounded import BoundsError, read_bounded
from talan_core.errors import UserError
from talan_eval.experiment import Experiment
from talan_eval.grid import confirmation, plan
from talan_eval.result.reading import RESULT_NAME, read_result
from talan_eval.store.lock import holder_of
from talan_eval.store.records import MOST_OF_A_RECORD, CorruptedError, ForeignError, Manifest, OtherVersionError
from talan_eval.store.reports import has_seal, report_problems
from talan_eval.store.store import MANIFEST_NAME, Store

if TYPE_CHECKING:
    from pathlib import Path

    from talan_eval.grid import Run

Status = Literal["finished", "running", "failed", "missing"]
State = Literal["foreign", "result only", "other version", "damaged", "unreadable"]
HARMLESS: Final = frozenset({"foreign", "result only"})
"""States in which there are no cells to check."""
_FOLDERS: Final = ("cells", "samples", "checkpoints", "running", "failures")


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A directory of a results root that cannot be read as an experiment.

    Attributes:
        directory: Where it is.
        state: "foreign" where nothing says that it ever was an experiment, "result only" where a result.json stands
            alone, "other version" where another version wrote it, "damaged" where it is ours and broken, "unreadable"
            where the system does not let us look.
        reason: Why, as the rest of a sentence.
    """

    directory: Path
    state: State
    reason: str


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


def experiments_in(root: Path) -> tuple[Store | Unlisted, ...]:
    """Return what is in a results root: one entry for each directory, whatever is in it; files there are not listed.

    Args:
        root: A results root, or the directory of one experiment.

    Returns:
        Experiments, opened for reading, and what cannot be read as one, by name; of an experiment its own entry alone.

    Raises:
        UserError: No directory there looks like an experiment, or the root cannot be read.
    """
    own = look_at(root)
    if isinstance(own, Store):
        return (own,)
    try:
        paths = sorted(path for path in root.iterdir() if path.name[0] != "." and (path.is_symlink() or path.is_dir()))
    except OSError:
        paths = []
    if any(map(_may_hold_one, paths)):
        return tuple(look_at(path) for path in paths)
    if own.state not in HARMLESS:
        return (own,)
    fix = "Type: talan-eval runs DIR, with a results directory."
    raise UserError(f"There is no experiment in {root}: {own.reason}, here or one level below.", fix)


def look_at(directory: Path) -> Store | Unlisted:
    """Open one directory as an experiment, or say why it is none; no content is a reason to raise."""
    path = directory / MANIFEST_NAME
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            return Unlisted(directory, "foreign", f"its {MANIFEST_NAME} is no file")
        return _with_folders(Store(directory, Manifest.from_bytes(read_bounded(path, MOST_OF_A_RECORD))))
    except (FileNotFoundError, NotADirectoryError) as error:
        return _without_manifest(directory, is_file=isinstance(error, NotADirectoryError))
    except (ForeignError, BoundsError):
        return Unlisted(directory, "foreign", f"its {MANIFEST_NAME} is not one of an experiment")
    except CorruptedError as error:
        state: State = "other version" if isinstance(error, OtherVersionError) else "damaged"
        return Unlisted(directory, state, f"{MANIFEST_NAME}: {error}")
    except OSError as error:
        return Unlisted(directory, "unreadable", f"{MANIFEST_NAME}: {error.strerror}")


def _without_manifest(directory: Path, *, is_file: bool) -> Unlisted:
    if (directory / RESULT_NAME).is_file() and not (directory / "cells").exists():
        return Unlisted(directory, "result only", f"{RESULT_NAME} without cells, of logs or archived")
    return Unlisted(directory, "foreign", "it is a file" if is_file else f"there is no {MANIFEST_NAME}")


def _with_folders(store: Store) -> Store | Unlisted:
    """Refuse folders that cannot be listed: what is in them would be counted as nothing."""
    for name in _FOLDERS:
        folder = store.directory / name
        try:
            next(folder.iterdir(), None)
        except (NotADirectoryError, FileNotFoundError):
            if folder.is_symlink() or folder.exists():
                return Unlisted(store.directory, "damaged", f"{name} is no directory")
        except OSError as error:
            return Unlisted(store.directory, "unreadable", f"{name}: {error.strerror}")
    return store


def status_of(store: Store) -> ExperimentStatus | Unlisted:
    """Read the status of an experiment from names alone: no payload is opened."""
    directory, manifest = store.directory, store.manifest
    try:
        holder = holder_of(directory)
        reported = (directory / RESULT_NAME).is_file()
        try:
            experiment = Experiment(**manifest.experiment)
        except pydantic.ValidationError:
            return ExperimentStatus(directory, None, (), manifest.created, holder, reported)
        cells = (*_cells(store, plan(experiment)), *_begun(store, confirmation(experiment, experiment.arms)))
    except OSError as error:
        return Unlisted(directory, "unreadable", f"{error.strerror}")
    return ExperimentStatus(directory, experiment, cells, manifest.created, holder, reported)


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


def report_faults(store: Store) -> tuple[str, ...]:
    """Name what is wrong with the reports of an experiment, and the records that were there when they were written.

    Where an earlier version wrote them they have no hashes: then the result must agree with itself, and each evaluation
    that it was asked for must have a record or a failure.
    """
    directory, there = store.directory, store.record_names()
    if has_seal(directory):
        return tuple(report_problems(directory, store.record_hashes()))
    if not (directory / RESULT_NAME).exists():
        return ()
    try:
        read_result(directory)
    except UserError as error:
        return (f"Report {RESULT_NAME} is damaged: {error.problem}",)
    try:
        runs = plan(Experiment(**store.manifest.experiment))
    except pydantic.ValidationError:
        return ()
    given_up = store.failures()
    return tuple(
        f"Cell {cell.cell_id} counts as missing: there is a result, and its record was removed."
        for run in runs
        for cell in run.evaluations
        if cell.cell_id not in there and not {cell.cell_id, run.cell_id} & given_up.keys()
    )


def _may_hold_one(path: Path) -> bool:
    """Return whether a directory has a manifest, or forbids to look."""
    try:
        (path / MANIFEST_NAME).lstat()
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


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
        training = [] if run.is_stored else [(run.cell_id, "")]
        for cell_id, task in [*training, *((cell.cell_id, cell.task) for cell in run.evaluations)]:
            status: Status = "missing"
            if cell_id in finished:
                status = "finished"
            elif cell_id in failed or run.cell_id in failed:
                status = "failed"
            elif cell_id in begun:
                status = "running"
            cells.append(CellStatus(cell_id, run.arm, run.backbone, run.seed, task, status))
    return tuple(cells)
