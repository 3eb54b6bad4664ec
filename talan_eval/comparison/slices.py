"""Slices of a benchmark, by a label of its items (subject, level, tag): cells of the same family."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from talan_core.errors import UserError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.pairing import CellScores

MIN_ITEMS = 2
MOST_SLICES = 50


def slice_cell(cell: CellScores, labels: Sequence[str]) -> tuple[tuple[str, CellScores], ...]:
    """Cut a benchmark into one cell per value of each label.

    Args:
        cell: The whole benchmark.
        labels: Names of labels; one that this benchmark's items do not have gives no slice of it.

    Returns:
        ("label=value", cell) in the order of labels and values. Items without a value, and values of a single item, are
        in no slice. Not covered: the unparsed rate of a slice, which is not recorded by item.

    Raises:
        UserError: If a label has so many values that slicing by it tests nothing (an id, say).
    """
    slices = []
    for label in labels:
        column = np.array(cell.labels.get(label, ()))
        values = [value for value in dict.fromkeys(sorted(column.tolist())) if value != ""]
        if len(values) > MOST_SLICES:
            raise UserError(
                f"The label {label!r} of {cell.task} has {len(values)} values; so many slices show nothing.",
                f"Slice by a label of at most {MOST_SLICES} values: --slices NAME",
            )
        for value in values:
            chosen = np.flatnonzero(column == value)
            if len(chosen) >= MIN_ITEMS:
                slices.append((f"{label}={value}", _only(cell, chosen)))
    return tuple(slices)


def check_labels(cells: Sequence[CellScores], labels: Sequence[str]) -> None:
    """Raise a ``UserError`` for a label that no benchmark has."""
    known = sorted({name for cell in cells for name in cell.labels})
    for label in labels:
        if label not in known and known:
            raise unknown_name("slice", label, known)
        if label not in known:
            raise UserError(f"There is no label {label!r}: the items have no labels.", "Leave --slices out.")


def _only(cell: CellScores, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]) -> CellScores:
    clusters = None if cell.clusters is None else tuple(cell.clusters[item] for item in chosen)
    return replace(
        cell,
        item_ids=tuple(cell.item_ids[item] for item in chosen),
        base=cell.base[:, chosen],
        treat=cell.treat[:, chosen],
        base_unparsed=None,
        treat_unparsed=None,
        clusters=clusters if clusters is not None and len(set(clusters)) > 1 else None,
        labels={},
        pairing_hash=None,
        same_prompt=None,
    )
