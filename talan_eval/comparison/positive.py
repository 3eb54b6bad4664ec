"""How many cells of a contrast gained, as the result publishes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from talan_eval.result.schema import PositiveCells
from talan_eval.stats.positive_count import positive_count, seed_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.comparison.matrix import CellScores


def positive_cells(cells: Sequence[CellScores]) -> PositiveCells:
    """Count the positive cells of a contrast, on one or several backbones; independent seeds have no law by chance."""
    gains = [float(cell.deltas.mean(axis=1).mean()) for cell in cells]
    by_backbone: dict[str, list[Mapping[int, float]]] = {}
    for cell in cells if cells[0].contrast.pairing != "independent" else ():
        by_seed = dict(zip(cell.seeds, cell.deltas.mean(axis=1).tolist(), strict=True))
        by_backbone.setdefault(cell.backbone, []).append(by_seed)
    found = positive_count(gains, [seed_rows(own) for own in by_backbone.values()])
    return PositiveCells(n_cells=len(cells), **asdict(found))
