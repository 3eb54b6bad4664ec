"""What reports and gates call the cells of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.result.schema import Cell, Result


def cell_names(result: Result) -> tuple[str, ...]:
    """Return the shortest distinct names: the task, with the backbone in front when there are several."""
    return _names(result.cells)


def slice_names(result: Result) -> tuple[str, ...]:
    """Return the names of the slices: the benchmark's name and "label=value"."""
    names = zip(result.slices, _names(result.slices), strict=True)
    return tuple(f"{name} {cell.slice}" for cell, name in names)


def _names(cells: Sequence[Cell]) -> tuple[str, ...]:
    several = len({cell.backbone for cell in cells}) > 1
    return tuple(f"{cell.backbone}/{cell.task}" if several else cell.task for cell in cells)
