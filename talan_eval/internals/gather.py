"""From what was kept of every checkpoint to what is published of every arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from talan_core.analysis.controls import random_cosine
from talan_eval.internals.findings import (
    ALL_TASKS,
    ArmFindings,
    RandomVectors,
    ShapeStability,
    TaskFindings,
)
from talan_eval.internals.over_seeds import band, depth_curve, estimate
from talan_eval.internals.quantities import QUANTITIES, why_missing
from talan_eval.internals.weight_findings import weight_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from talan_eval.internals.kept import KeptRun
    from talan_eval.internals.weighing import KeptWeights
    from talan_eval.stats.arrays import FloatArray

_SHAPES: Final = ("block_divergence", "random_divergence", "run_divergence")
_LEAST: Final = 3
"""Points of a curve that a correlation needs."""


@dataclass(frozen=True)
class KeptArm:
    """All that was kept of one arm on one backbone.

    Attributes:
        arm: Canonical arm name.
        backbone: Backbone name.
        base: The arm that it is set against.
        seeds: S of them.
        runs: By benchmark, S of them in the order of the seeds.
        weights: S of them.
    """

    arm: str
    backbone: str
    base: str | None
    seeds: tuple[int, ...]
    runs: Mapping[str, tuple[KeptRun, ...]]
    weights: tuple[KeptWeights, ...]

    @property
    def first(self) -> KeptRun:
        """Any of its runs: shapes are those of all."""
        return next(iter(self.runs.values()))[0]


def arm_findings(kept: KeptArm, dtype: str, alpha: float) -> ArmFindings:
    """Average everything of one arm.

    Args:
        kept: What was kept of it.
        dtype: In which type it was run.
        alpha: Error rate of intervals.
    """
    cosine = random_cosine(kept.first.hidden_size)
    return ArmFindings(
        arm=kept.arm,
        backbone=kept.backbone,
        base=kept.base,
        seeds=kept.seeds,
        layer=kept.first.layer,
        layers=kept.first.layers,
        hidden_size=kept.first.hidden_size,
        random_cosine=RandomVectors(mean=cosine.mean, lower=cosine.low, upper=cosine.high),
        tasks=tuple(_tasks(kept, dtype, alpha)),
        shape=tuple(_shape(kept, name) for name in _SHAPES if _has(kept, name)),
        weights=weight_findings(kept.weights, alpha),
    )


def _tasks(kept: KeptArm, dtype: str, alpha: float) -> Iterator[TaskFindings]:
    yield _task(kept, ALL_TASKS, list(kept.runs), dtype, alpha)
    for task in kept.runs:
        yield _task(kept, task, [task], dtype, alpha)


def _task(kept: KeptArm, name: str, tasks: Sequence[str], dtype: str, alpha: float) -> TaskFindings:
    values, curves, bands = {}, {}, {}
    layer = kept.first.layer
    for quantity in QUANTITIES:
        cells = _cells(kept, tasks, quantity.name)
        if quantity.by == "example":
            reason = why_missing(quantity.name, layer, dtype, measured=cells is not None)
            found = [] if cells is None else [cell[:, :, 0] for cell in cells]
            values[quantity.name] = estimate(found, alpha, reason, of_pairs=quantity.of_pairs)
        elif cells is not None:
            points = range(kept.first.layers + 1)
            reasons = [why_missing(quantity.name, layer, dtype, at=at, measured=True) for at in points]
            curve = depth_curve(cells, alpha, reasons, of_pairs=quantity.of_pairs)
            own = _seeds_with(kept, tasks, quantity.name)
            curves[quantity.name] = curve if own == kept.seeds else curve.model_copy(update={"seeds": own})
        drawn = _drawn(kept, tasks, quantity.name)
        if drawn is not None:
            bands[quantity.name] = band(drawn)
    items = sum(len(next(iter(kept.runs[task][0].values.values()))) for task in tasks)
    return TaskFindings(task=name, items=items, values=values, curves=curves, bands=bands)


def _cells(kept: KeptArm, tasks: Sequence[str], name: str) -> list[FloatArray] | None:
    """Return for each benchmark (S, E, K), K being 1 or L + 1, of the seeds that have it; None where none has."""
    return _stacked([[run.rows(name) for run in kept.runs[task]] for task in tasks])


def _seeds_with(kept: KeptArm, tasks: Sequence[str], name: str) -> tuple[int, ...]:
    """Return the seeds that have a quantity on every benchmark."""
    have = [all(kept.runs[task][place].rows(name) is not None for task in tasks) for place in range(len(kept.seeds))]
    return tuple(seed for seed, has in zip(kept.seeds, have, strict=True) if has)


def _drawn(kept: KeptArm, tasks: Sequence[str], name: str) -> list[FloatArray] | None:
    """Return for each benchmark (S, D, K), likewise; None where it is no control that is drawn."""
    return _stacked([[run.draws(name) for run in kept.runs[task]] for task in tasks])


def _stacked(found: Sequence[Sequence[FloatArray | None]]) -> list[FloatArray] | None:
    """Stack what seeds have on every benchmark: a run whose base is gone has nothing that is measured against it."""
    seeds = [own for own in zip(*found, strict=True) if all(rows is not None for rows in own)]
    known: Any = list(zip(*seeds, strict=True))
    return [np.stack(rows) for rows in known] if seeds else None


def _has(kept: KeptArm, name: str) -> bool:
    return _cells(kept, list(kept.runs), name) is not None


def _shape(kept: KeptArm, name: str) -> ShapeStability:
    """Correlate the mean curves of every two benchmarks, from l* on."""
    start = kept.first.layer or 0
    cells = _cells(kept, list(kept.runs), name) or []
    means = [np.nanmean(cell, axis=(0, 1))[start:] for cell in cells]
    if len(means) < 2 or len(means[0]) < _LEAST or any(np.ptp(mean) == 0 for mean in means):  # noqa: PLR2004 - a pair
        return ShapeStability(quantity=name, lowest=None, mean=None)
    matrix = np.corrcoef(np.stack(means))
    pairs = matrix[np.triu_indices(len(means), 1)]
    return ShapeStability(quantity=name, lowest=float(pairs.min()), mean=float(pairs.mean()))
