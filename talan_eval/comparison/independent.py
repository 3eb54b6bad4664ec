"""E1 and E2 of arms with independent training seeds: other seeds, or another number of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.comparison.retraining import Companions, RetrainingEstimate
from talan_eval.comparison.unbounded import without_floor
from talan_eval.result import schema
from talan_eval.stats.arrays import as_deltas
from talan_eval.stats.backbones import GridCell, backbone_gains
from talan_eval.stats.independent import ArmsCell, guarded_crossed_independent, guarded_t_independent, pairing
from talan_eval.stats.label_permutation import SeedGroups, studentised_permutation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.matrix import CellScores
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.stats.backbones import BackbonesT
    from talan_eval.stats.crossed import Crossed

_LEAST_FOR_R = 3


def estimate_independent(cells: Sequence[CellScores], settings: StatisticsSettings) -> RetrainingEstimate | None:
    """Estimate E1 (Welch over seeds, permutation of seed labels) and E2 (a variance of each arm) of a mean over cells.

    Args:
        cells: Cells of one contrast with independent seeds, at least three of each arm; those of a backbone over the
            same seeds.
        settings: Error rate, seed of the permutations where they are drawn.

    Returns:
        The results in proportions; None where a metric without bounds has equal differences. Not covered: sign flips,
        the bootstrap over seeds and the two-way bootstrap, which need pairs.
    """
    arms = [_arms_cell(cell) for cell in cells]
    found: BackbonesT | None = guarded_t_independent(arms, settings.alpha)
    bounded = cells[0].items.measure.bounded
    if not bounded and found is not None:
        found = without_floor(found, settings.alpha)
    if found is None:
        return None
    result = found
    test = studentised_permutation(_groups(arms), settings.rng_seed)
    permutation = schema.Permutation(p=test.p, floor=test.floor, enumerated=test.exact)
    sizes = [size for cell in cells for size in (len(cell.seeds), len(cell.base_seeds))]
    df = float(sum(size - 1 for size in sizes) / len(cells)) if result.plain.p is None else result.plain.df
    reasons = ["seeds are independent: there are no pairs for sign flips and bootstraps, and none of checkpoints"]
    if result.plain.p is None:
        reasons.append("no arm's seeds differ, so the plain t has no interval and no p")
    single = any(cell.treatment.shape[1] == 1 for cell in cells)
    if single:
        reasons.append("E2 is not estimable with a single item")
    crossed: Crossed | None = None if single else guarded_crossed_independent(arms, settings.alpha)
    if not bounded and crossed is not None:
        crossed = without_floor(crossed, settings.alpha)
    return RetrainingEstimate(
        independent=True,
        seeds=result,
        df=df,
        beside=Companions(permutation=permutation),
        crossed=crossed,
        two_way=None,
        reasons=tuple(reasons),
    )


def pairedness(cells: Sequence[CellScores], alpha: float) -> schema.Pairedness | None:
    """Measure what pairing by seed was worth; None unless seeds are paired and there are three of them.

    Args:
        cells: Cells of one paired contrast over the same seeds within a backbone.
        alpha: Error rate of the intervals that are compared.
    """
    if cells[0].contrast.pairing != "paired" or min(cell.n_seeds for cell in cells) < _LEAST_FOR_R:
        return None
    found = pairing([_arms_cell(cell) for cell in cells], alpha)
    return schema.Pairedness(correlation=found.r, width_ratio=found.width_ratio)


def _arms_cell(cell: CellScores) -> ArmsCell:
    return ArmsCell(cell.backbone, cell.task, cell.treatment, cell.base, cell.items.clusters)


def _groups(arms: Sequence[ArmsCell]) -> list[SeedGroups]:
    of_arm = [
        backbone_gains(
            [GridCell(cell.backbone, cell.benchmark, as_deltas(scores), cell.clusters) for cell, scores in own]
        )
        for own in ([(cell, cell.treat) for cell in arms], [(cell, cell.base) for cell in arms])
    ]
    return [SeedGroups(one.per_seed, other.per_seed, one.weight) for one, other in zip(*of_arm, strict=True)]
