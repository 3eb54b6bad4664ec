"""Slices of a benchmark, by a label of its items (subject, level, tag): cells of the same family."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from talan_core.errors import UserError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.matrix import CellScores

MIN_ITEMS = 2
MOST_SLICES = 50


def slice_cell(cell: CellScores, labels: Sequence[str]) -> tuple[CellScores, ...]:
    """Cut a benchmark into one cell per value of each label.

    Args:
        cell: The whole benchmark.
        labels: Names of labels; one that this benchmark's items do not have gives no slice of it.

    Returns:
        The slices in the order of labels and values. Items without a value, and values of a single item, are
        in no slice. Not covered: the unparsed rate of a slice, which is not recorded by item.

    Raises:
        UserError: If a label has so many values that slicing by it tests nothing (an id, say).
    """
    slices = []
    for label in labels:
        column = np.array(cell.items.labels.get(label, ()))
        values = slice_values(cell.task, label, column.tolist())
        slices += [cell.only(np.flatnonzero(column == value).tolist(), f"{label}={value}") for value in values]
    return tuple(slices)


def slice_values(task: str, label: str, column: Sequence[str]) -> tuple[str, ...]:
    """Return the values by which a benchmark is cut, ascending.

    Args:
        task: Benchmark, for the message.
        label: Name of the label.
        column: Its value for each item, "" where an item has none.

    Returns:
        The values that at least two items have.

    Raises:
        UserError: There are so many values that slices test nothing.
    """
    counts = Counter(value for value in column if value != "")
    if len(counts) > MOST_SLICES:
        raise UserError(
            f"The label {label!r} of {task} has {len(counts)} values; so many slices show nothing.",
            f"Slice by a label of at most {MOST_SLICES} values: --slices NAME",
        )
    return tuple(value for value in sorted(counts) if counts[value] >= MIN_ITEMS)


def check_labels(cells: Sequence[CellScores], labels: Sequence[str]) -> None:
    """Raise a ``UserError`` for a label that no benchmark has."""
    known = sorted({name for cell in cells for name in cell.items.labels})
    for label in labels:
        if label not in known and known:
            raise unknown_name("slice", label, known)
        if label not in known:
            raise UserError(f"There is no label {label!r}: the items have no labels.", "Leave --slices out.")
