"""From the score matrices of one arm, which is compared with nothing, to its published scores."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_eval.comparison.arm_records import ArmFacts
from talan_eval.comparison.published import ci_points, points
from talan_eval.comparison.reduce import reduced
from talan_eval.comparison.same_items import item_units
from talan_eval.comparison.signature import UNVERSIONED, package_version, seed_range
from talan_eval.comparison.task_weights import task_weights
from talan_eval.result.arm_scores import (
    ArmScores,
    BenchmarkScore,
    CheckpointScore,
    IntervalOfScore,
    MeanOfBenchmarks,
    MeanScore,
    ScoredArm,
    ScoreSettings,
)
from talan_eval.stats.score_intervals import (
    BenchmarkScores,
    crossed_interval,
    mean_items_interval,
    seeds_interval,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.comparison.build import Origin
    from talan_eval.comparison.matrix import ScoreMatrix
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.stats.score_intervals import ScoreInterval

_LEAST_SEEDS: Final = 3  # the spread of two tells next to nothing, as in comparisons


def score_arm(matrices: Sequence[ScoreMatrix], origin: Origin, settings: StatisticsSettings) -> ArmScores:
    """Publish the scores of one arm on one or several backbones.

    Args:
        matrices: Its shares of right answers, one matrix per backbone and benchmark; at least one, all of one arm.
        origin: Where they come from. An arm whose kind is "fixed" has no seeds.
        settings: Error rate, weights and the way to make one score of several answers.

    Raises:
        UserError: ``--reduce`` asks for more answers than there are, or ``--weights`` names another benchmark.
    """
    ordered = [one.ordered() for one in reduced(matrices, settings.reduce)]
    (arm,) = {one.arm for one in ordered}
    weights = task_weights(settings.weights, list(dict.fromkeys(one.task for one in ordered)))
    found = []
    for backbone in dict.fromkeys(one.backbone for one in ordered):
        own = [one for one in ordered if one.backbone == backbone]
        facts = origin.arms.get((arm, backbone), ArmFacts())
        found.append(
            ScoredArm(
                backbone=backbone,
                kind=facts.kind,
                diverged=facts.diverged,
                trained_parameters=facts.trained_parameters,
                scores=tuple(_benchmark(one, facts, settings.alpha) for one in own),
                mean=_mean(own, weights, facts, settings.alpha),
            )
        )
    return ArmScores(
        signature=_signature(ordered, origin, settings),
        arm=arm,
        backbones=tuple(found),
        settings=ScoreSettings(alpha=settings.alpha, reduce=settings.reduce),
        probes=tuple(origin.probes),
        provenance=dict(origin.provenance),
        sandbox=dict(origin.sandbox),
        warnings=(),
    )


def _benchmark(matrix: ScoreMatrix, facts: ArmFacts, alpha: float) -> BenchmarkScore:
    only = [BenchmarkScores(matrix.scores, clusters=_clusters(matrix))]
    return BenchmarkScore(
        **dict(_scored(only, matrix.seeds, facts, alpha)),
        task=matrix.task,
        metric=matrix.items.metric,
        n_items=len(matrix.items.item_ids),
        k=matrix.k,
        unparsed=None if matrix.unparsed is None else float(np.mean(matrix.unparsed)),
        reasons=dict(facts.reasons.get(matrix.task, {})),
    )


def _mean(
    matrices: Sequence[ScoreMatrix], weights: Mapping[str, float], facts: ArmFacts, alpha: float
) -> MeanOfBenchmarks | None:
    """Return the mean over benchmarks, at the seeds that are complete on all of them."""
    seeds = sorted(set.intersection(*(set(one.seeds) for one in matrices)))
    if len(matrices) == 1 or not seeds:
        return None
    shares = weights or {one.task: 1 / len(matrices) for one in matrices}
    every = [
        BenchmarkScores(one.at(seeds).scores, shares[one.task], _clusters(one), units)
        for one, units in zip(matrices, item_units(matrices), strict=True)
    ]
    return MeanOfBenchmarks(**dict(_scored(every, tuple(seeds), facts, alpha)), weights=dict(shares))


def _scored(every: Sequence[BenchmarkScores], seeds: Sequence[int], facts: ArmFacts, alpha: float) -> MeanScore:
    """Return the weighted mean of benchmarks with the same seeds, and its intervals."""
    weights = [one.weight for one in every]
    by_seed = np.average([one.scores.mean(axis=1) for one in every], axis=0, weights=weights)
    checkpoints = [
        CheckpointScore(seed=seed, mean=points(float(mean)), e0=_published(_of_items(every, alpha, row)))
        for row, (seed, mean) in enumerate(zip(seeds, by_seed, strict=True))
    ]
    several = len(seeds) >= _LEAST_SEEDS
    return MeanScore(
        seeds=() if facts.kind == "fixed" else tuple(seeds),
        mean=points(float(by_seed.mean())),
        checkpoints=tuple(checkpoints),
        e0=_published(_of_items(every, alpha)),
        e1=_published(seeds_interval(every, alpha)) if several else None,
        e2=_published(crossed_interval(every, alpha)) if several else None,
    )


def _of_items(every: Sequence[BenchmarkScores], alpha: float, row: int | None = None) -> ScoreInterval | None:
    """Return E0 of one checkpoint, or of all of them together."""
    chosen = [
        BenchmarkScores(one.scores if row is None else one.scores[[row]], one.weight, one.clusters, one.units)
        for one in every
    ]
    return mean_items_interval(chosen, alpha)


def _published(found: ScoreInterval | None) -> IntervalOfScore | None:
    return None if found is None else IntervalOfScore(ci=ci_points(found.ci), method=found.method)


def _clusters(matrix: ScoreMatrix) -> tuple[str, ...] | None:
    return matrix.items.clusters


def _signature(matrices: Sequence[ScoreMatrix], origin: Origin, settings: StatisticsSettings) -> str:
    """Return one line that says what was computed, as that of a comparison does."""
    by_task = {one.task: one for one in matrices}
    asked = hashlib.sha256("\n".join(one.items.pairing_hash for one in matrices).encode()).hexdigest()[:12]
    tier = origin.sandbox.get("tier")
    parts = {
        "arm": matrices[0].arm,
        "backbone": "+".join(dict.fromkeys(one.backbone for one in matrices)),
        "tasks": "+".join(f"{task}@{origin.task_versions.get(task, UNVERSIONED)}" for task in by_task),
        "items": "+".join(str(len(one.items.item_ids)) for one in by_task.values()),
        "seeds": "+".join(dict.fromkeys(seed_range(one.seeds) for one in matrices)),
        "k": "+".join(dict.fromkeys(str(one.k) for one in matrices)),
        "asked": asked,
        "e0": "clopper-pearson,t",
        "e1": "guarded-t",
        "e2": "guarded-crossed",
        "reduce": settings.reduce,
        "alpha": f"{settings.alpha:g}",
        **({} if tier is None else {"sandbox": str(tier)}),
        "version": package_version(),
    }
    return "|".join(f"{key}:{value}" for key, value in parts.items())
