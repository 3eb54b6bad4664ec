"""The table that papers print, backbones by benchmarks, and how many cells gained against chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_eval.report import format as fmt
from talan_eval.report.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from talan_eval.result.schema import Cell, Result

MAX_SEEDS: Final = 16  # seeds of a backbone whose sign patterns are enumerated here
_EQUAL = 1e-9  # points; sums of binary fractions differ by less


@dataclass(frozen=True)
class PositiveCells:
    """How many cells gained, against what chance gives.

    Attributes:
        positive: Cells with a gain above zero.
        n_cells: All cells.
        p: Probability of at least as many positive cells if every seed's signs were flipped by a fair coin, jointly
            over the benchmarks of a backbone; None above 16 seeds of a backbone.
        median: Median number of positive cells under these flips; None likewise.
        all_positive: Probability that every cell gains by chance alone; None likewise.
    """

    positive: int
    n_cells: int
    p: float | None
    median: int | None
    all_positive: float | None


def positive_cells(cells: Sequence[Cell]) -> PositiveCells:
    """Count positive cells and enumerate the null distribution of that count.

    The benchmarks of a backbone share their training seeds, so their gains are not independent and the count is not
    binomial: "positive on 4 of 4" is common by chance. One sign per seed and backbone keeps that dependence.

    Args:
        cells: Cells of one or several backbones.
    """
    count = sum(cell.delta > _EQUAL for cell in cells)
    by_backbone: dict[str, list[Cell]] = {}
    for cell in cells:
        by_backbone.setdefault(cell.backbone, []).append(cell)
    if any(len(_seeds(members)) > MAX_SEEDS for members in by_backbone.values()):
        return PositiveCells(count, len(cells), None, None, None)
    law = np.ones(1)
    for members in by_backbone.values():
        law = np.convolve(law, _count_law(members))
    median = int(np.searchsorted(np.cumsum(law), 0.5 - _EQUAL))
    return PositiveCells(count, len(cells), min(1.0, float(law[count:].sum())), median, float(law[-1]))


def passes_g1(cells: Sequence[Cell]) -> bool:
    """Return whether no cell lost and at least one gained: the audit that this project calls G1.

    It looks at signs of point estimates only. It is no test.
    """
    return all(cell.delta >= -_EQUAL for cell in cells) and any(cell.delta > _EQUAL for cell in cells)


def cross_table(result: Result) -> Table:
    """Build the table of backbones by benchmarks with the mean gain of each backbone and of all."""
    tasks = tuple(dict.fromkeys(cell.task for cell in result.cells))
    columns = (
        Column(("backbone",), "backbone", "left"),
        *(Column((task,), task) for task in tasks),
        Column(("mean gain",), "mean gain"),
        Column(("positive",), "positive"),
        Column(("p by chance",), "p by chance"),
        Column(("G1",), "G1", "left"),
    )
    rows = []
    for entry in result.aggregate.backbones:
        members = [cell for cell in result.cells if cell.backbone == entry.backbone]
        by_task = {cell.task: _gain(cell.delta, cell.e1.ci if cell.e1 else None) for cell in members}
        mean = fmt.gain(entry.delta)
        if len(result.aggregate.backbones) == 1:
            mean = _gain(entry.delta, result.aggregate.e1.ci if result.aggregate.e1 else None)
        rows.append((entry.backbone, *(by_task.get(task, fmt.MISSING) for task in tasks), mean, *_counts(members)))
    if len(rows) == 1:
        return Table(_title(result), columns, tuple(rows))
    means = [fmt.gain(float(np.mean([cell.delta for cell in result.cells if cell.task == task]))) for task in tasks]
    e1 = result.aggregate.e1
    last = ("mean", *means, _gain(result.aggregate.delta, e1.ci if e1 else None), *_counts(result.cells))
    return Table(_title(result), columns, (*rows, last), summary=True)


def chance_sentence(result: Result) -> str:
    """Return what "positive on k of n" is worth."""
    count = positive_cells(result.cells)
    said = f"Positive on {count.positive} of {count.n_cells} cells"
    if count.p is None or count.all_positive is None:
        return f"{said}; the null distribution is not enumerated above {MAX_SEEDS} seeds."
    return (
        f"{said}. If nothing but chance were at work, {count.median} would be typical, at least {count.positive} would "
        f"occur with probability {fmt.p_value(count.p)} and all {count.n_cells} with {fmt.p_value(count.all_positive)} "
        "(signs of the seeds flipped jointly over the benchmarks of a backbone). G1 (no cell lost, one gained) is a "
        "count of signs, no test."
    )


def _title(result: Result) -> str:
    level = fmt.percent(1 - result.settings.alpha)
    return f"Gain of {result.treat} over {result.base} in points, with the half-width of the E1 {level} interval"


def _gain(delta: float | None, ci: tuple[float, float] | None) -> str:
    return fmt.gain(delta) if ci is None else f"{fmt.gain(delta)} ± {(ci[1] - ci[0]) / 2:.2f}"


def _counts(cells: Sequence[Cell]) -> tuple[str, str, str]:
    count = positive_cells(cells)
    return f"{count.positive} of {count.n_cells}", fmt.p_value(count.p), "pass" if passes_g1(cells) else "no"


def _seeds(cells: Sequence[Cell]) -> tuple[int, ...]:
    return tuple(sorted({seed for cell in cells for seed in cell.seeds}))


def _count_law(cells: Sequence[Cell]) -> NDArray[np.float64]:
    """Return the probabilities of 0..C positive cells over all sign patterns of one backbone's seeds."""
    seeds = _seeds(cells)
    gains = np.zeros((len(cells), len(seeds)))
    for row, cell in zip(gains, cells, strict=True):
        row[[seeds.index(seed) for seed in cell.seeds]] = cell.deltas
    patterns = 1 - 2 * ((np.arange(2 ** len(seeds))[:, None] >> np.arange(len(seeds))) & 1)
    counts = (patterns @ gains.T > _EQUAL * len(seeds)).sum(axis=1)
    return np.bincount(counts, minlength=len(cells) + 1) / len(patterns)
