"""Cells that another experiment of the same results root has computed already: found by name, taken when sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_core.errors import UserError
from talan_eval.grid import EVALUATION
from talan_eval.records.samples import NOT_KEPT
from talan_eval.store.records import CorruptedError
from talan_eval.store.store import MANIFEST_NAME, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from talan_eval.grid import Run


@dataclass(frozen=True, slots=True)
class Offers:
    """What the siblings of an experiment directory have.

    Attributes:
        cells: Siblings with a record of a cell, by cell id, in the order of their names.
        checkpoints: Siblings with a checkpoint, likewise.
    """

    cells: dict[str, list[Path]]
    checkpoints: dict[str, list[Path]]


def offers(directory: Path, *, answers: bool = True) -> Offers:
    """Look into all experiment directories beside this one; nothing is opened but their lists of names.

    A cell's name is a hash of all that can change it, so that equal names are equal work; a directory that cannot be
    read offers nothing.

    Args:
        directory: This one.
        answers: Whether what models wrote may be taken over; else evaluations are opened, and those alone are offered
            that were sealed without it.
    """
    found = Offers({}, {})
    root = directory.absolute().parent
    siblings = sorted(root.iterdir()) if root.is_dir() else []
    for sibling in siblings:
        if sibling.name == directory.absolute().name or not (sibling / MANIFEST_NAME).is_file():
            continue
        opened = None if answers else _opened(sibling)
        for name in _names(sibling / "cells"):
            cell = name.removesuffix(".json")
            if cell != name and (answers or not cell.startswith(EVALUATION) or _withholds_answers(opened, cell)):
                found.cells.setdefault(cell, []).append(sibling)
        for name in _names(sibling / "checkpoints"):
            found.checkpoints.setdefault(name, []).append(sibling)
    return found


def adopt(store: Store, missing: Sequence[Run], found: Offers) -> dict[str, str]:
    """Take what is missing from siblings.

    Args:
        store: The experiment directory, held by this process.
        missing: Runs with their missing evaluations.
        found: What siblings have.

    Returns:
        The adopted evaluations, each with the name of the directory that computed it. What turns out damaged there is
        not taken, and is computed here.

    Raises:
        UserError: No space or no permission.
    """
    adopted = {}
    for run in missing:
        if store.checkpoint(run.cell_id) is None:
            _first_sound(store.adopt_checkpoint, run.cell_id, found.checkpoints)
        if not store.has_record(run.cell_id):
            _first_sound(store.adopt, run.cell_id, found.cells)
        for cell in run.evaluations:
            if _first_sound(store.adopt, cell.cell_id, found.cells):
                adopted[cell.cell_id] = str(store.record(cell.cell_id).adopted_from)
    return adopted


def _first_sound(take: Callable[[str, Path], object], cell_id: str, where: dict[str, list[Path]]) -> bool:
    for sibling in where.get(cell_id, ()):
        try:
            take(cell_id, sibling)
        except CorruptedError:
            continue
        return True
    return False


def _opened(sibling: Path) -> Store | None:
    try:
        return Store.load(sibling)
    except (CorruptedError, UserError):
        return None


def _withholds_answers(store: Store | None, cell: str) -> bool:
    try:
        return store is not None and store.record(cell).data.get("answers") == NOT_KEPT
    except CorruptedError:
        return False


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []
