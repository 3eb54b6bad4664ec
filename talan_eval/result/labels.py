"""What reports and gates call the cells of a contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.result.schema import Cell, Contrast, Result


def backbones(result: Result) -> tuple[str, ...]:
    """Return the backbones of all contrasts, each once, in the order of the result."""
    cells = (cell for contrast in result.contrasts for cell in contrast.cells)
    return tuple(dict.fromkeys(cell.backbone for cell in cells))


def cell_names(result: Result, contrast: Contrast) -> tuple[str, ...]:
    """Return the shortest names that are distinct and the same in every contrast.

    Args:
        result: The result.
        contrast: One of its contrasts.

    Returns:
        To each cell its task, with the backbone in front when the result has several.
    """
    return _names(contrast.cells, several=len(backbones(result)) > 1)


def slice_names(result: Result, contrast: Contrast) -> tuple[str, ...]:
    """Return the names of the slices: the benchmark's name and "label=value"."""
    names = _names(contrast.slices, several=len(backbones(result)) > 1)
    return tuple(f"{name} {cell.slice}" for cell, name in zip(contrast.slices, names, strict=True))


def _names(cells: Sequence[Cell], *, several: bool) -> tuple[str, ...]:
    return tuple(f"{cell.backbone}/{cell.task}" if several else cell.task for cell in cells)
