"""Items that several cells share: the same item under two backbones, the same prompt in two benchmarks, one cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.comparison.matrix import CellScores, ScoreMatrix
    from talan_eval.stats.arrays import IntArray

_Key = tuple[str, str, str]


def item_units(cells: Sequence[CellScores | ScoreMatrix]) -> list[IntArray]:
    """Number the items of some cells so that what belongs together has one number.

    Two items are one unit where they are the same item of one benchmark (two backbones answer it), where they have the
    same prompt (HumanEval and HumanEval+), or where they are in a cluster of the same name: names of clusters are
    common to all benchmarks of a comparison, so that translations of an item can be put into one.

    Args:
        cells: Cells of one contrast, or matrices of one arm.

    Returns:
        Per cell the number of each item's unit, shape (N,).
    """
    leader: dict[_Key, _Key] = {}

    def find(key: _Key) -> _Key:
        while leader[key] != key:
            leader[key] = key = leader[leader[key]]
        return key

    names: list[list[_Key]] = []
    for cell in cells:
        own = []
        for keys in _keys(cell):
            for key in keys:
                leader.setdefault(key, key)
                leader[find(key)] = find(keys[0])
            own.append(keys[0])
        names.append(own)
    numbers: dict[_Key, int] = {}
    return [np.array([numbers.setdefault(find(key), len(numbers)) for key in own], dtype=np.int64) for own in names]


def _keys(cell: CellScores | ScoreMatrix) -> Iterator[list[_Key]]:
    """Yield what each item is known by, its own name first."""
    items = cell.items
    for place, item in enumerate(items.item_ids):
        keys = [("item", items.task, item)]
        if items.prompts is not None and items.prompts[place]:
            keys.append(("prompt", "", items.prompts[place]))
        if items.clusters is not None:
            keys.append(("cluster", "", items.clusters[place]))
        yield keys
