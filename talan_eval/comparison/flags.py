"""What a reader must know before believing a number: reasons for nulls, and data that look wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.copies import MIN_ITEMS, copied_seeds
from talan_eval.stats.items import concentration, saturation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from talan_eval.comparison.pairing import CellScores

AGGREGATE = "aggregate"
_UNPARSED_GAP = 0.05
_CONSTANT = 1e-9
_SATURATED = 0.1  # share of informative items below which N overstates what a benchmark can show
_FEW_FLIPS = 20  # with fewer, a share of them says little
_EXAMPLES = 2
_CONCENTRATED = 0.25  # share of the flips in one item or cluster


def cell_flags(cell: CellScores) -> tuple[str, ...]:
    """List what looks wrong in one cell.

    Dropped seeds and items, identical arms, copied seeds, one prompt under several items, one constant shift of every
    item, a saturated benchmark, flips that concentrate in one place, unequal unparsed rates.
    """
    flags = _suspicious_items(cell)
    if cell.dropped_seeds:
        listed = ", ".join(map(str, cell.dropped_seeds))
        flags.append(f"{len(cell.dropped_seeds)} seed(s) left out because only one arm finished: {listed}")
    if cell.dropped_items:
        whole = len(cell.item_ids) + cell.dropped_items
        flags.append(
            f"{cell.dropped_items} of {whole} items left out of both arms because not every run has them under one "
            f"prompt ({cell.dropped_prompts} differ in the prompt alone)"
        )
    if cell.same_prompt:
        listed = ", ".join(map(repr, cell.same_prompt[:_EXAMPLES]))
        flags.append(
            f"{len(cell.same_prompt)} of {len(cell.item_ids)} items have a prompt that another item has as well (such "
            f"as {listed}); a question that is asked twice counts twice, and items are not independent"
        )
    if np.array_equal(cell.base, cell.treat):
        flags.append("both arms have the same score on every item and seed; was the treat adapter active?")
    else:
        flags += [
            f"seeds {cell.seeds[one]} and {cell.seeds[two]} have identical scores in both arms; a copy is no new seed"
            for one, two in copied_seeds(cell.base, cell.treat)
        ]
    if cell.base_unparsed is not None and cell.treat_unparsed is not None:
        gap = cell.treat_unparsed - cell.base_unparsed
        if abs(gap) > _UNPARSED_GAP:
            flags.append(
                f"unparsed answers differ between the arms (base {cell.base_unparsed:.1%}, treat "
                f"{cell.treat_unparsed:.1%}); part of the difference may be format, not skill"
            )
    return tuple(flags)


def _suspicious_items(cell: CellScores) -> list[str]:
    deltas, n_items = cell.treat - cell.base, len(cell.item_ids)
    if n_items < MIN_ITEMS or np.array_equal(cell.base, cell.treat):
        return []
    flags = []
    if np.ptp(deltas) < _CONSTANT:
        flags.append(f"every item of every seed moved by the same {deltas.flat[0]:+.3g}; are these scores of items?")
    counts = saturation(cell.base, cell.treat)
    if counts.informative_share < _SATURATED:
        flags.append(
            f"saturated: {counts.always_right} of {n_items} items are right and {counts.always_wrong} wrong in both "
            "arms at every seed, so few can show a difference"
        )
    if np.count_nonzero(deltas) < _FEW_FLIPS:
        return flags
    share = concentration(deltas, cell.clusters)
    if share.item > _CONCENTRATED:
        flags.append(f"{share.item:.0%} of all flips are of one item")
    if share.cluster is not None and share.cluster > _CONCENTRATED:
        flags.append(f"{share.cluster:.0%} of all flips are in one cluster of items")
    return flags


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
        subject = ", ".join([*place, *([AGGREGATE] if AGGREGATE in names else [])])
        lines.append(f"{subject}: {reason}" if reason.endswith("?") else f"{subject}: {reason}.")
    return tuple(lines)
