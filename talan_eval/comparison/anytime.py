"""The primary test when seeds were added after a look: valid however often it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.comparison.published import ci_points
from talan_eval.result import schema
from talan_eval.stats.anytime import MIN_SEEDS, looks
from talan_eval.stats.backbones import GridCell, backbone_gains, guarded_t_backbones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.published import Reasons
    from talan_eval.comparison.statistics_settings import StatisticsSettings


def anytime(
    cells: Sequence[GridCell], seeds: Sequence[int], settings: StatisticsSettings, *, bounded: bool = True
) -> tuple[schema.Anytime | None, Reasons]:
    """Follow the mean over the looks at it.

    Args:
        cells: The cells of one backbone over the same seeds.
        seeds: These seeds, in the order of the rows.
        settings: Error rate, variants tried and earlier looks.
        bounded: Whether scores have two bounds, on which the guard's floor rests.

    Returns:
        The test in points, and what a reader must know; nothing where no seed was added after a look. Seeds count in
        the order in which they were added, and a standard error never as less than the guard's flip term and floor.
    """
    earlier = settings.earlier_looks
    gone = sorted({seed for look in earlier for seed in look} - set(seeds))
    reasons = [f"an earlier look read seed(s) {', '.join(map(str, gone))}, which are left out here"] if gone else []
    order, at = _arrival(seeds, earlier)
    if len(at) == 1:
        return None, tuple(reasons)
    rows = [seeds.index(seed) for seed in order]
    ordered = [GridCell(cell.backbone, cell.benchmark, cell.deltas[rows], cell.clusters) for cell in cells]
    (gain,) = backbone_gains(ordered)
    least = [_least_se(ordered, count, settings.alpha, bounded=bounded) for count in at]
    *_, last = looks(gain.per_seed, at, settings.alpha, least_se=least)
    p = min(1.0, last.p * settings.variants_tried)
    published = schema.Anytime(
        method="t_e_value",
        at=tuple(at),
        e_value=last.e_value,
        p=p,
        ci=None if last.ci is None else ci_points(last.ci),
    )
    reasons.append(
        f"seeds were added after a look (results were read at {', '.join(map(str, at))} seeds), so the verdict rests "
        f"on the anytime-valid p = {p:.3g}; other p-values and intervals hold for a number of seeds fixed in advance"
    )
    return published, tuple(reasons)


def _arrival(seeds: Sequence[int], earlier: Sequence[tuple[int, ...]]) -> tuple[list[int], list[int]]:
    """Return the seeds in the order in which they were first read, and their numbers at each look, this one last."""
    order: list[int] = []
    at: list[int] = []
    for look in (*earlier, tuple(seeds)):
        order += [seed for seed in sorted(look) if seed in seeds and seed not in order]
        if order and (not at or len(order) > at[-1]):
            at.append(len(order))
    return order, at


def _least_se(cells: Sequence[GridCell], count: int, alpha: float, *, bounded: bool) -> float:
    if count < MIN_SEEDS:
        return 0.0
    first = [GridCell(cell.backbone, cell.benchmark, cell.deltas[:count], cell.clusters) for cell in cells]
    without = {"t"} if bounded else {"t", "floor"}
    return max(term.se for term in guarded_t_backbones(first, alpha).terms if term.name not in without)
