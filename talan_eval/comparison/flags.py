"""What a reader must know before believing a number: reasons for nulls, and data that look wrong."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from talan_eval.comparison.pairing import CellScores

AGGREGATE = "aggregate"
_COPY_ITEMS = 20  # with fewer items two honest seeds can agree everywhere
_UNPARSED_GAP = 0.05


def cell_flags(cell: CellScores) -> tuple[str, ...]:
    """List what looks wrong in one cell: dropped seeds, identical arms, copied seeds, unequal unparsed rates."""
    flags = []
    if cell.dropped_seeds:
        listed = ", ".join(map(str, cell.dropped_seeds))
        flags.append(f"{len(cell.dropped_seeds)} seed(s) left out because only one arm finished: {listed}")
    if cell.dropped_items:
        whole = len(cell.item_ids) + cell.dropped_items
        flags.append(
            f"{cell.dropped_items} of {whole} items left out of both arms because not every run has them under one "
            f"prompt ({cell.dropped_prompts} differ in the prompt alone)"
        )
    if np.array_equal(cell.base, cell.treat):
        flags.append("both arms have the same score on every item and seed; was the treat adapter active?")
    elif len(cell.item_ids) >= _COPY_ITEMS:
        flags += [
            f"seeds {cell.seeds[one]} and {cell.seeds[two]} have identical scores in both arms; a copy is no new seed"
            for one, two in combinations(range(len(cell.seeds)), 2)
            if np.array_equal(cell.base[one], cell.base[two]) and np.array_equal(cell.treat[one], cell.treat[two])
        ]
    if cell.base_unparsed is not None and cell.treat_unparsed is not None:
        gap = cell.treat_unparsed - cell.base_unparsed
        if abs(gap) > _UNPARSED_GAP:
            flags.append(
                f"unparsed answers differ between the arms (base {cell.base_unparsed:.1%}, treat "
                f"{cell.treat_unparsed:.1%}); part of the difference may be format, not skill"
            )
    return tuple(flags)


def grouped(reasons: Iterable[tuple[str, str]], n_cells: int) -> tuple[str, ...]:
    """Merge equal reasons: "gsm8k, mbpp: reason", or "all benchmarks: reason".

    Args:
        reasons: (cell name, reason) in order of appearance.
        n_cells: Number of cells.

    Returns:
        One sentence per reason, without repeats.
    """
    where: dict[str, list[str]] = {}
    for name, reason in reasons:
        names = where.setdefault(reason, [])
        if name not in names:
            names.append(name)
    lines = []
    for reason, names in where.items():
        cells = [name for name in names if name != AGGREGATE]
        place = ["all benchmarks"] if len(cells) == n_cells > 1 else cells
        lines.append(f"{', '.join([*place, *([AGGREGATE] if AGGREGATE in names else [])])}: {reason}.")
    return tuple(lines)
