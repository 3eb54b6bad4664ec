"""Items that do not choose the best arm, so that what is found on them speaks of new items as well."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.matrix import ScoreMatrix

LEAST_ITEMS: Final = 2
_RANGE: Final = 2**64


@dataclass(frozen=True, eq=False)
class ItemSplit:
    """The same arms and seeds on two parts of the items.

    Attributes:
        choosing: On the items that choose the best arm.
        held_out: On those that do not; on all items where none are held out.
    """

    choosing: tuple[ScoreMatrix, ...]
    held_out: tuple[ScoreMatrix, ...]


def is_held_out(task: str, unit: str, share: float, rng_seed: int) -> bool:
    """Tell whether an item, or a cluster of items, is held out: by its name alone, so that others cannot change it.

    Args:
        task: Benchmark.
        unit: The item's id, or its cluster.
        share: Share that is held out, in [0, 1).
        rng_seed: Another one holds out others.
    """
    digest = hashlib.sha256(f"{rng_seed}/{task}/{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * _RANGE


def check_split(task: str, units: Sequence[str], share: float, rng_seed: int) -> None:
    """Refuse a share that leaves a benchmark without two items to choose by, or without two to confirm on.

    Raises:
        UserError: It does.
    """
    out = sum(is_held_out(task, unit, share, rng_seed) for unit in units)
    if share and min(out, len(units) - out) < LEAST_ITEMS:
        raise UserError(
            f"--confirm-items {share:g} holds out {out} of the {len(units)} items of {task}.",
            "Evaluate more items, with a larger --limit or without it, or type a share such as --confirm-items 0.5",
        )


def split_items(matrices: Sequence[ScoreMatrix], share: float, rng_seed: int) -> ItemSplit:
    """Divide the items of every benchmark; clusters stay together.

    Args:
        matrices: Scores of every arm.
        share: Share of each benchmark's items that is held out, in [0, 1); about that, since each item is drawn on its
            own.
        rng_seed: Of the draw.

    Raises:
        UserError: A benchmark has too few items on one side.
    """
    if not share:
        return ItemSplit(tuple(matrices), tuple(matrices))
    parts: tuple[list[ScoreMatrix], list[ScoreMatrix]] = ([], [])
    for matrix in matrices:
        units = matrix.items.item_ids if matrix.items.clusters is None else matrix.items.clusters
        check_split(matrix.task, units, share, rng_seed)
        out = [is_held_out(matrix.task, unit, share, rng_seed) for unit in units]
        for part, wanted in zip(parts, (False, True), strict=True):
            part.append(matrix.only([number for number, held in enumerate(out) if held is wanted]))
    return ItemSplit(tuple(parts[0]), tuple(parts[1]))
