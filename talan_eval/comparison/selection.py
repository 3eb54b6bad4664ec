"""Several treatments at once: does any arm differ, and how much does the best one's own gain exaggerate?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.comparison.published import points
from talan_eval.result import schema
from talan_eval.stats.arm_permutation import permute_arms
from talan_eval.stats.selection import best_arm, expected_exaggeration, gain_covariance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.matrix import ScoreMatrix
    from talan_eval.comparison.mean import Mean
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.result.contrast import ContrastSpec
    from talan_eval.stats.arrays import FloatArray

_LEAST_ARMS = 3
_LEAST_SEEDS = 2


@dataclass(frozen=True)
class GlobalP:
    """p of no difference between any arms; None where that cannot be tested.

    Attributes:
        mean: Of the largest difference of two arms' means over all cells.
        cells: Of the largest scaled difference in any cell.
    """

    mean: float | None = None
    cells: float | None = None


def global_p(
    contrasts: Sequence[ContrastSpec], matrices: Sequence[ScoreMatrix], settings: StatisticsSettings
) -> GlobalP:
    """Ask whether any arm differs, over the arms of paired contrasts and the seeds that all of them completed.

    With two arms the contrast's own tests answer that, so nothing is returned.
    """
    arms = dict.fromkeys(arm for one in contrasts if one.pairing == "paired" for arm in (one.base, one.treatment))
    if len(arms) < _LEAST_ARMS:
        return GlobalP()
    blocks = []
    for backbone in dict.fromkeys(matrix.backbone for matrix in matrices):
        own = [matrix for matrix in matrices if matrix.backbone == backbone and matrix.arm in arms]
        seeds = sorted(set.intersection(*(set(matrix.seeds) for matrix in own)))
        if len(seeds) < _LEAST_SEEDS:
            return GlobalP()
        tasks = dict.fromkeys(matrix.task for matrix in own)
        means = {(matrix.arm, matrix.task): matrix.at(seeds).scores.mean(axis=1) for matrix in own}
        blocks.append(np.array([[means[arm, task] for task in tasks] for arm in arms]).transpose(0, 2, 1))
    found = permute_arms(blocks, seed=settings.rng_seed)
    return GlobalP(found.mean_p, found.cell_p)


def select(
    contrasts: Sequence[schema.Contrast], means: Sequence[Mean], settings: StatisticsSettings
) -> schema.Selection | None:
    """Name the best of several treatments of one base, and say how much selection alone exaggerates its gain.

    Args:
        contrasts: As published; those against the base of the first are candidates.
        means: Their means, with differences by seed.
        settings: Seed of the bootstrap.

    Returns:
        The selection, without confirmation; None with fewer than two candidates. The exaggeration is null where the
        candidates have no two seeds in common on every backbone, or no pairs.
    """
    base = contrasts[0].base
    candidates = [
        (one, mean)
        for one, mean in zip(contrasts, means, strict=True)
        if one.base == base and one.aggregate.delta is not None
    ]
    if len(candidates) < _LEAST_SEEDS:
        return None
    gains = np.array([mean.test.delta for _, mean in candidates])
    best, _ = candidates[best_arm(gains)]
    covariance = _covariance([mean for _, mean in candidates])
    found = None if covariance is None else expected_exaggeration(gains, covariance, seed=settings.rng_seed)
    return schema.Selection(
        tried=len(candidates),
        best=schema.ContrastName(base=best.base, treatment=best.treatment),
        selection_seeds=best.seeds,
        selection_gain=points(float(gains.max())),
        expected_exaggeration=None if found is None else points(max(0.0, found.observed)),
        exaggeration_if_equal=None if found is None else points(max(0.0, found.equal)),
    )


def confirmed(
    selection: schema.Selection, confirmation: schema.Contrast, *, new_items: bool = False
) -> schema.Selection:
    """Set what fresh seeds say of the selected treatment beside its selection.

    Args:
        selection: Of the seeds that chose it.
        confirmation: The same contrast on fresh seeds alone.
        new_items: Whether its items chose nothing either; where they did, E2 is not confirmed.
    """
    mean = confirmation.aggregate if new_items else confirmation.aggregate.model_copy(update={"e2": None})
    return selection.model_copy(
        update={
            "confirmation_seeds": confirmation.seeds,
            "confirmed": mean,
            "difference": None if mean.delta is None else mean.delta - selection.selection_gain,
        }
    )


def _covariance(means: Sequence[Mean]) -> FloatArray | None:
    """Return the covariance of the candidates' means over the seeds that all have; None where it is not estimable."""
    if not all(mean.test.seeds for mean in means):
        return None
    total = np.zeros((len(means), len(means)))
    for number, first in enumerate(means[0].test.seeds):
        parts = [mean.test.seeds[number] for mean in means]
        seeds = sorted(set.intersection(*(set(part.seeds) for part in parts)))
        if len(seeds) < _LEAST_SEEDS:
            return None
        rows = [part.per_seed[[part.seeds.index(seed) for seed in seeds]] for part in parts]
        total += first.weight**2 * gain_covariance(np.array(rows))
    return total
