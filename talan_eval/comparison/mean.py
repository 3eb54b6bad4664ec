"""The equal-weight mean over the cells: the one primary test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from talan_eval.comparison.anytime import anytime
from talan_eval.comparison.family import common_seeds, generator
from talan_eval.comparison.flags import AGGREGATE
from talan_eval.comparison.inference import infer, points
from talan_eval.comparison.named import equivalence_test
from talan_eval.comparison.verdicts import aggregate_p, aggregate_verdict
from talan_eval.result import schema
from talan_eval.stats.aggregate import interquartile_mean, probability_of_improvement
from talan_eval.stats.backbones import GridCell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.family import Analysed
    from talan_eval.comparison.settings import StatisticsSettings
    from talan_eval.stats.arrays import FloatArray, Interval


def aggregate(
    analysed: Sequence[Analysed], settings: StatisticsSettings, two_way: Interval | None
) -> tuple[schema.Aggregate, tuple[str, ...]]:
    """Average the cells and test the mean.

    Seeds are joint across the benchmarks of a backbone, so only seeds that are complete in each of its cells count.

    Args:
        analysed: The declared cells, without slices.
        settings: Error rate, resamples, variants tried, earlier looks (which count for a single backbone only).
        two_way: Two-way bootstrap interval of the mean, in proportions.

    Returns:
        The mean in points, and why something in it is null.
    """
    common = common_seeds([item.scores for item in analysed])
    lost = sum(len(_all_seeds(analysed, name)) - len(seeds) for name, seeds in common.items())
    reasons = [f"{lost} seed(s) left out because not every benchmark has them"] if lost else []
    if not all(common.values()):
        return _empty(analysed, common), ("no seed is complete in every benchmark, so the mean is not estimable",)
    cells = [_restricted(item, common[item.scores.backbone]) for item in analysed]
    samples = [item.scores.k for item in analysed]
    inference = infer(cells, samples, settings, generator(settings, AGGREGATE), two_way)
    means = [cell.deltas.mean(axis=1) for cell in cells]
    every = np.concatenate(means)
    delta = points(float(np.mean([mean.mean() for mean in means])))
    sizes = [len(seeds) for seeds in common.values()]
    followed: schema.Anytime | None = None
    notes: tuple[str, ...] = ()
    if len(common) == 1:
        ((_, seeds),) = common.items()
        followed, notes = anytime(cells, seeds, settings)
    p = aggregate_p(sizes, inference.e1, settings)
    p = p if p is None or followed is None else max(p, followed.p)
    verdict = aggregate_verdict(delta, sizes, p, settings.alpha)
    by_backbone = _by_backbone(analysed, common, means)
    single = by_backbone[0] if len(by_backbone) == 1 else None
    published = schema.Aggregate(
        n_cells=len(analysed),
        backbones=by_backbone,
        seeds=() if single is None else single.seeds,
        delta=delta,
        deltas=() if single is None else single.deltas,
        e1=inference.e1,
        e2=inference.e2,
        anytime=followed,
        iqm=points(interquartile_mean(every)),
        poi=probability_of_improvement(every),
        adjusted_p=p,
        also=equivalence_test(delta, inference.e1, settings),
        mde80=inference.mde80,
        verdict=verdict.word,
        verdict_basis=verdict.basis,
    )
    return published, (*inference.reasons, *reasons, *notes)


def _all_seeds(analysed: Sequence[Analysed], backbone: str) -> set[int]:
    return {seed for item in analysed if item.scores.backbone == backbone for seed in item.scores.seeds}


def _restricted(item: Analysed, seeds: tuple[int, ...]) -> GridCell:
    rows = [item.scores.seeds.index(seed) for seed in seeds]
    return GridCell(item.scores.backbone, item.scores.task, item.deltas[rows], item.scores.clusters)


def _by_backbone(
    analysed: Sequence[Analysed], common: dict[str, tuple[int, ...]], means: Sequence[FloatArray]
) -> tuple[schema.BackboneMean, ...]:
    entries = []
    for name, seeds in common.items():
        rows = [mean for item, mean in zip(analysed, means, strict=True) if item.scores.backbone == name]
        per_seed = np.mean(rows, axis=0)
        entries.append(
            schema.BackboneMean(
                backbone=name,
                weight=len(rows) / len(analysed),
                seeds=seeds,
                delta=points(float(per_seed.mean())),
                deltas=tuple(points(float(value)) for value in per_seed),
            )
        )
    return tuple(entries)


def _empty(analysed: Sequence[Analysed], common: dict[str, tuple[int, ...]]) -> schema.Aggregate:
    backbones = [item.scores.backbone for item in analysed]
    return schema.Aggregate(
        n_cells=len(analysed),
        backbones=tuple(
            schema.BackboneMean(
                backbone=name, weight=backbones.count(name) / len(backbones), seeds=(), delta=None, deltas=()
            )
            for name in common
        ),
        seeds=(), delta=None, deltas=(), e1=None, e2=None, iqm=None, poi=None, adjusted_p=None, mde80=None,
        verdict="not estimable", verdict_basis=None,
    )  # fmt: skip
