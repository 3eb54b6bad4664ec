"""The tables that papers print: backbones by benchmarks, how many cells gained against chance, and cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_eval.report import format as fmt
from talan_eval.report.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from talan_eval.schema import Cell, Result

MAX_SEEDS: Final = 16  # seeds of a backbone whose sign patterns are enumerated here
_MILLI: Final = 1000
_COST: Final = "Cost in wall-clock time, summed over seeds; processes side by side slow each other"
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


def cost_table(result: Result) -> Table:
    """Build the table of what each arm took to train and to evaluate; no rows where that was not recorded.

    Per fine-tuning and per answer only where no cell was given up: the times count those too, the numbers would not.
    Not covered, because results do not record them: trainable parameters and memory.
    """
    columns = (
        Column(("arm",), "arm", "left"),
        Column(("fine-tunings",), "fine-tunings"),
        Column(("training s",), "training s"),
        Column(("s per fine-tuning",), "s per fine-tuning"),
        Column(("training, relative",), "training, relative"),
        Column(("answers",), "answers"),
        Column(("evaluation s",), "evaluation s"),
        Column(("ms per answer",), "ms per answer"),
        Column(("evaluation, relative",), "evaluation, relative"),
    )
    recorded = _seconds(result)
    base = recorded.get(result.base)
    if base is None:
        return Table(_COST, columns, ())
    whole = not result.failed_cells
    trained = Counter(probe.arm for probe in result.live_probes if whole)
    answers = _answers(result) if whole else 0
    rows = tuple(
        (arm, *_cost(own[0], base[0], trained[arm], 1), *_cost(own[1], base[1], answers, _MILLI))
        for arm, own in recorded.items()
    )
    return Table(_COST, columns, rows)


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


def _seconds(result: Result) -> Mapping[str, tuple[float, float]]:
    """Read what each arm took; the base arm first. Empty where the provenance does not say."""
    times = result.provenance.get("times")
    arms = times.get("by_arm") if isinstance(times, dict) else None
    if not isinstance(arms, dict):
        return {}
    found = {}
    for arm in (result.base, result.treat):
        own = arms.get(arm)
        if isinstance(own, dict):
            training, evaluation = own.get("training_seconds"), own.get("evaluation_seconds")
            if isinstance(training, int | float) and isinstance(evaluation, int | float):
                found[arm] = (float(training), float(evaluation))
    return found


def _answers(result: Result) -> int:
    """Return how many answers each arm gave."""
    return sum((cell.n_items + cell.n_dropped) * cell.n_seeds * cell.k for cell in result.cells)


def _cost(seconds: float, base: float, count: int, unit: float) -> tuple[str, ...]:
    """Return how many (0: not known), their seconds, seconds times unit of one, and the ratio to the base arm."""
    known = f"{count:,}" if count else fmt.MISSING
    return known, f"{seconds:.1f}", f"{unit * seconds / count:.1f}" if count else fmt.MISSING, _ratio(seconds, base)


def _ratio(value: float, base: float) -> str:
    return f"{value / base:.2f}x" if base > 0 else fmt.MISSING
