"""What a result says of each arm: its kind, its seeds, its scores, and trainings that diverged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.comparison.published import points
from talan_eval.result import schema
from talan_eval.stats.diverged import diverged_rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.comparison.matrix import ScoreMatrix
    from talan_eval.result.contrast import ContrastSpec


@dataclass(frozen=True)
class ArmFacts:
    """What is known of an arm on a backbone beside its scores.

    Attributes:
        kind: Where its checkpoints come from.
        diverged: Seeds whose training diverged: outcomes without scores.
        trained_parameters: How many parameters were trained; None where that was not recorded.
        reasons: By benchmark, its answers by why they were graded so.
    """

    kind: schema.ArmKind = "logged"
    diverged: tuple[int, ...] = ()
    trained_parameters: int | None = None
    reasons: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def published_arms(
    matrices: Sequence[ScoreMatrix],
    contrasts: Sequence[ContrastSpec],
    facts: Mapping[tuple[str, str], ArmFacts],
    alpha: float,
) -> tuple[schema.ArmRecord, ...]:
    """Describe the arms, by backbone, in the order of the matrices.

    Args:
        matrices: Scores of all arms.
        contrasts: Which arms are fixed: they have no seeds.
        facts: By (arm, backbone).
        alpha: Error rate of the interval of a rate of divergence.
    """
    fixed = {one.base for one in contrasts if one.pairing == "fixed"}
    found = []
    for arm, backbone in dict.fromkeys((matrix.arm, matrix.backbone) for matrix in matrices):
        own = [matrix for matrix in matrices if (matrix.arm, matrix.backbone) == (arm, backbone)]
        known = facts.get((arm, backbone), ArmFacts())
        seeds = tuple(sorted({seed for matrix in own for seed in matrix.seeds}))
        rate = diverged_rate(len(known.diverged), len(known.diverged) + len(seeds), alpha) if known.diverged else None
        found.append(
            schema.ArmRecord(
                name=arm,
                kind="fixed" if arm in fixed else known.kind,
                backbone=backbone,
                seeds=() if arm in fixed else seeds,
                diverged=known.diverged,
                divergence_ci=None if rate is None else (rate.ci.lo, rate.ci.hi),
                trained_parameters=known.trained_parameters,
                scores=tuple(_score(matrix, known.reasons.get(matrix.task, {})) for matrix in own),
            )
        )
    return tuple(found)


def _score(matrix: ScoreMatrix, reasons: Mapping[str, int]) -> schema.TaskScore:
    return schema.TaskScore(
        task=matrix.task,
        metric=matrix.items.metric,
        n_items=len(matrix.items.item_ids),
        k=matrix.k,
        mean=points(float(matrix.scores.mean())),
        by_seed=tuple(points(float(value)) for value in matrix.scores.mean(axis=1)),
        seeds=matrix.seeds,
        unparsed=None if matrix.unparsed is None else float(np.mean(matrix.unparsed)),
        reasons=dict(reasons),
    )
