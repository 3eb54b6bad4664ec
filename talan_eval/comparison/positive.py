"""How many cells gained, against what chance gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from talan_eval.result.schema import PositiveCells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.matrix import CellScores
    from talan_eval.stats.arrays import FloatArray

MAX_SEEDS: Final = 16  # seeds of a backbone whose sign patterns are enumerated here
_EQUAL: Final = 1e-11  # sums of binary fractions differ by less


def positive_cells(cells: Sequence[CellScores]) -> PositiveCells:
    """Count positive cells and enumerate the null distribution of that count.

    The benchmarks of a backbone share their training seeds, so their gains are not independent and the count is not
    binomial: "positive on 4 of 4" is common by chance. One sign per seed and backbone keeps that dependence.

    Args:
        cells: Cells of one contrast, on one or several backbones.

    Returns:
        The count, and whether no cell lost and at least one gained: the audit that this project calls G1. It looks at
        signs of point estimates only and is no test.
    """
    deltas = [float(cell.deltas.mean(axis=1).mean()) for cell in cells]
    count = sum(delta > _EQUAL for delta in deltas)
    g1 = min(deltas) >= -_EQUAL and count > 0
    by_backbone: dict[str, list[CellScores]] = {}
    for cell in cells:
        by_backbone.setdefault(cell.backbone, []).append(cell)
    unpaired = cells[0].contrast.pairing == "independent"
    if unpaired or any(len(_seeds(members)) > MAX_SEEDS for members in by_backbone.values()):
        return PositiveCells(positive=count, n_cells=len(cells), p=None, median=None, all_positive=None, g1=g1)
    law = np.ones(1)
    for members in by_backbone.values():
        law = np.convolve(law, _count_law(members))
    return PositiveCells(
        positive=count,
        n_cells=len(cells),
        p=min(1.0, float(law[count:].sum())),
        median=int(np.searchsorted(np.cumsum(law), 0.5 - _EQUAL)),
        all_positive=min(1.0, float(law[-1])),
        g1=g1,
    )


def _seeds(cells: Sequence[CellScores]) -> tuple[int, ...]:
    return tuple(sorted({seed for cell in cells for seed in cell.seeds}))


def _count_law(cells: Sequence[CellScores]) -> FloatArray:
    """Return the probabilities of 0..C positive cells over all sign patterns of one backbone's seeds."""
    seeds = _seeds(cells)
    gains = np.zeros((len(cells), len(seeds)))
    for row, cell in zip(gains, cells, strict=True):
        row[[seeds.index(seed) for seed in cell.seeds]] = cell.deltas.mean(axis=1)
    patterns = 1 - 2 * ((np.arange(2 ** len(seeds))[:, None] >> np.arange(len(seeds))) & 1)
    counts = (patterns @ gains.T > _EQUAL * len(seeds)).sum(axis=1)
    return np.asarray(np.bincount(counts, minlength=len(cells) + 1) / len(patterns), dtype=np.float64)
