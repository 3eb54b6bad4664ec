"""What may be said about re-training: E1 and E2 of cells, or of a mean over cells, however their seeds relate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.comparison.checkpoint_means import cell_checkpoints
from talan_eval.comparison.companions import paired_companions
from talan_eval.comparison.independent import estimate_independent
from talan_eval.comparison.published import ci_points, one_sided_record, points, term_records
from talan_eval.comparison.retraining import Companions, RetrainingEstimate
from talan_eval.comparison.unbounded import EQUAL, without_floor
from talan_eval.result import schema
from talan_eval.stats import backbones, signflip
from talan_eval.stats.fixed_base import DrawnAnswers, FixedCell, guarded_t_fixed, right_or_wrong_answers
from talan_eval.stats.noninferiority import GuardedDifference
from talan_eval.stats.outliers import outlying_seed
from talan_eval.stats.power import minimum_detectable
from talan_eval.stats.two_way import Member, TwoWay, two_way_intervals
from talan_eval.stats.verdict_power import SeedNoise, lattice_step, mean_detectable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.checkpoint_means import Checkpoints
    from talan_eval.comparison.matrix import CellScores
    from talan_eval.comparison.published import Reasons
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.stats.arrays import Interval
    from talan_eval.stats.backbones import BackbonesT, GridCell
    from talan_eval.stats.crossed import Crossed

_ONE_SEED = ("E1 and E2 are not estimable with one training seed; E0 stands alone",)
_TWO_SEEDS = ("E1 and E2 are not estimable with two training seeds: their spread tells next to nothing",)


@dataclass(frozen=True)
class Inference:
    """What may be said about re-training.

    Attributes:
        e1: Null below three seeds.
        e2: Null below three seeds, or with one item.
        mde80: Points; null below three seeds.
        reasons: Why something is null, and how to take what is there.
        outlying: A seed that stands apart.
    """

    e1: schema.E1 | None
    e2: schema.E2 | None
    mde80: float | None
    reasons: Reasons
    outlying: schema.OutlyingSeed | None = None


@dataclass(frozen=True, eq=False)
class Analysed:
    """A cell, or a slice of one, with its inference and what is known of its checkpoints as they are."""

    scores: CellScores
    inference: Inference
    checkpoints: Checkpoints | None

    @property
    def name(self) -> str:
        """Return what reports call it."""
        return self.scores.label


@dataclass(frozen=True, eq=False)
class AnalysedContrast:
    """All of one contrast.

    Attributes:
        whole: Its cells, in the order of the table.
        parts: Their slices.
        two_way: Two-way bootstrap interval of the mean over its cells, in proportions.
    """

    whole: tuple[Analysed, ...]
    parts: tuple[Analysed, ...]
    two_way: Interval | None


def analyse(
    contrasts: Sequence[tuple[Sequence[CellScores], Sequence[CellScores]]], settings: StatisticsSettings
) -> list[AnalysedContrast]:
    """Infer about the cells and slices of a family.

    Args:
        contrasts: Of each its cells, and their slices.
        settings: Error rate, resamples, bootstrap.

    Returns:
        The inferences in the order given. The two-way bootstrap draws the items of a benchmark once for all of them.
    """
    members, owners = [], []
    for number, (whole, parts) in enumerate(contrasts):
        common = common_seeds(whole)
        complete = all(common.values())
        for cell in (*whole, *parts):
            if cell.contrast.pairing == "independent":
                continue
            in_mean = common[cell.backbone] if cell.part is None and complete else None
            drawn = cell.task if cell.part is None else cell.name
            grid = grid_cell(cell)
            owners.append(cell)
            members.append(
                Member(type(grid)(cell.backbone, drawn, grid.deltas, grid.clusters), cell.seeds, in_mean, number)
            )
    found = _two_way(members, settings)
    intervals = {id(cell): interval for cell, interval in zip(owners, found.members, strict=True)}

    def analysed(cell: CellScores) -> Analysed:
        rng = settings.generator(cell.name)
        inference = infer([cell], settings, rng, intervals.get(id(cell)))
        return Analysed(cell, inference, cell_checkpoints(cell, settings.alpha))

    return [
        AnalysedContrast(
            tuple(analysed(cell) for cell in whole),
            tuple(analysed(cell) for cell in parts),
            found.means.get(number),
        )
        for number, (whole, parts) in enumerate(contrasts)
    ]


def _two_way(members: Sequence[Member], settings: StatisticsSettings) -> TwoWay:
    if max((len(member.seeds) for member in members), default=1) < schema.SPARSE_SEEDS:
        # nothing is said about re-training then
        return TwoWay((None,) * len(members), {})
    return two_way_intervals(
        members, settings.resamples, lambda name: settings.generator(f"two-way/{name}"), settings.alpha
    )


def common_seeds(cells: Sequence[CellScores]) -> dict[str, tuple[int, ...]]:
    """Return the seeds of the treatment that are complete in all cells of each backbone, ascending."""
    found: dict[str, set[int]] = {}
    for cell in cells:
        found.setdefault(cell.backbone, set(cell.seeds)).intersection_update(cell.seeds)
    return {backbone: tuple(sorted(seeds)) for backbone, seeds in found.items()}


def grid_cell(cell: CellScores) -> GridCell:
    """Return the differences of a cell as the statistics take them."""
    return backbones.GridCell(cell.backbone, cell.task, cell.deltas, cell.items.clusters)


def infer(
    cells: Sequence[CellScores], settings: StatisticsSettings, rng: np.random.Generator, two_way: Interval | None
) -> Inference:
    """Infer E1 and E2 for the equal-weight mean over cells of one contrast; one cell is the special case.

    Args:
        cells: The cells of a backbone over the same seeds.
        settings: Error rate, resamples, bootstrap.
        rng: Source of randomness of the bootstrap over seeds, where its law is too large to be listed.
        two_way: Two-way bootstrap interval of the same mean, in proportions; None where it has no width.

    Returns:
        The results in points.
    """
    least = min(cell.n_seeds for cell in cells)
    if least < schema.SPARSE_SEEDS:
        return Inference(None, None, None, _ONE_SEED if least == 1 else _TWO_SEEDS)
    if cells[0].contrast.pairing == "independent":
        found = estimate_independent(cells, settings)
    else:
        found = _estimate_paired(cells, settings, rng, two_way)
    if found is None:
        return Inference(None, None, None, (EQUAL,))
    return Inference(
        _e1_record(found, settings.alpha),
        None if found.crossed is None else _e2_record(found, found.crossed, settings.alpha),
        points(_detectable(found, cells, settings.alpha)),
        found.reasons,
        None if found.independent else _apart(cells, found.seeds),
    )


def _estimate_paired(
    cells: Sequence[CellScores], settings: StatisticsSettings, rng: np.random.Generator, two_way: Interval | None
) -> RetrainingEstimate | None:
    """Estimate with paired seeds or a fixed base; None where a metric without bounds has equal differences."""
    grid = [grid_cell(cell) for cell in cells]
    drawn, why_drawn = _drawn_base(cells)
    sizes = [len(gain.per_seed) for gain in backbones.backbone_gains(grid)]
    found = guarded_t_fixed(drawn, settings.alpha) if drawn else backbones.guarded_t_backbones(grid, settings.alpha)
    bounded = cells[0].items.measure.bounded
    result: BackbonesT | None = found if bounded else without_floor(found, settings.alpha)
    if result is None:
        return None
    beside, why_beside = (
        (Companions(), ()) if drawn else paired_companions(grid, [cell.k for cell in cells], settings, rng)
    )
    crossed, why_e2 = _crossed(grid, settings.alpha, two_way, bounded=bounded)
    reasons = list(_seed_count(sizes, settings.alpha))
    constant = result.plain.p is None
    if constant:
        reasons.append("all seeds gave the same difference, so the plain t has no interval and no p")
    return RetrainingEstimate(
        independent=False,
        seeds=result,
        df=float(sum(size - 1 for size in sizes)) if constant else result.plain.df,
        beside=beside,
        crossed=crossed,
        two_way=two_way,
        reasons=(*reasons, *why_drawn, *why_beside, *why_e2),
    )


def _detectable(found: RetrainingEstimate, cells: Sequence[CellScores], alpha: float) -> float:
    """Return the true difference that the verdict about a mean would find in 80 % of such experiments.

    Over several backbones the sign flips, which then count all trained pairs, are left out: the t decides. So it does
    where seeds are independent.
    """
    result = found.seeds
    others = [term.half_width(alpha) for term in result.terms if term.name != "t"]
    if found.independent or len({cell.backbone for cell in cells}) > 1 or not others:
        return minimum_detectable(result.guard.se, found.df, alpha)
    count, k = len(cells[0].seeds), math.lcm(*(cell.k for cell in cells))
    step = lattice_step([len(cell.items.item_ids) for cell in cells], k) if cells[0].items.measure.bounded else 0.0
    return mean_detectable(SeedNoise(result.guard.se * math.sqrt(count), max(others), step), count, alpha)


def _apart(cells: Sequence[CellScores], result: BackbonesT) -> schema.OutlyingSeed | None:
    """Look for a seed that stands apart, on a single backbone, by what the items alone make seeds differ by."""
    gains = backbones.backbone_gains([grid_cell(cell) for cell in cells])
    if len(gains) > 1:
        return None
    per_seed = gains[0].per_seed
    noise = next((term.se for term in result.terms if term.name == "flip"), 0.0)
    found = outlying_seed(per_seed, noise * math.sqrt(len(per_seed)))
    if found is None or not found.stands_apart:
        return None
    return schema.OutlyingSeed(
        seed=cells[0].seeds[found.place],
        delta=points(float(per_seed[found.place])),
        median_delta=points(float(np.median(per_seed))),
        distance=found.distance,
        threshold=found.threshold,
    )


def _drawn_base(cells: Sequence[CellScores]) -> tuple[list[FixedCell], Reasons]:
    """Return the cells against a fixed base with several drawn answers per item, whose noise counts; else none."""
    if cells[0].contrast.pairing != "fixed" or all(cell.k == 1 for cell in cells):
        return [], ()
    why = "the base's drawn answers are noise of their own, which sign flips and the bootstrap over seeds do not see"
    answers: list[DrawnAnswers | None] = []
    for cell in cells:
        try:
            answers.append(right_or_wrong_answers(cell.base[0], cell.k) if cell.k > 1 else None)
        except ValueError:  # scores between right and wrong: the spread within items is not known from their means
            return [], ("the base's drawn answers are taken as they are: their spread within items is not recorded",)
    return [
        FixedCell(cell.backbone, cell.task, cell.treatment, cell.base[0], own, cell.items.clusters)
        for cell, own in zip(cells, answers, strict=True)
    ], (why,)


def _seed_count(sizes: Sequence[int], alpha: float) -> Reasons:
    """Say what so few seeds allow; ``sizes`` are the seeds of each backbone."""
    least, floor = min(sizes), signflip.sign_flip_floor(sum(sizes))
    if floor >= alpha:
        claim = "no claim per benchmark is made, and a" if least < schema.CELL_SEEDS else "a"
        basis = f"claim rests on normality of the seed differences: the sign-flip p cannot fall below {floor:g}"
        return (f"with {least} training seeds {claim} {basis}",)
    return ()


def _crossed(
    cells: Sequence[GridCell], alpha: float, two_way: Interval | None, *, bounded: bool
) -> tuple[Crossed | None, Reasons]:
    if any(cell.deltas.shape[1] == 1 for cell in cells):
        return None, ("E2 is not estimable with a single item",)
    e2: Crossed | None = backbones.guarded_crossed_backbones(cells, alpha)
    if not bounded and e2 is not None:
        e2 = without_floor(e2, alpha)
    if e2 is None:
        return None, (EQUAL,)
    return e2, () if two_way is not None else ("the two-way bootstrap has no width for these differences",)


def _e1_record(found: RetrainingEstimate, alpha: float) -> schema.E1:
    guard, plain = found.seeds.guard, found.seeds.plain
    return schema.E1.model_validate(
        {
            "method": "guarded_welch" if found.independent else "guarded_t",
            "ci": ci_points(guard.ci),
            "p": guard.p,
            "binding": guard.binding,
            "t": schema.PlainT(ci=None if plain.ci is None else ci_points(plain.ci), p=plain.p, df=found.df),
            "signflip": found.beside.signflip,
            "permutation": found.beside.permutation,
            "bootstrap": found.beside.bootstrap,
            "one_sided": one_sided_record(GuardedDifference(found.seeds.delta, found.seeds.terms), alpha),
            "terms": term_records(found.seeds.terms),
        }
    )


def _e2_record(found: RetrainingEstimate, crossed: Crossed, alpha: float) -> schema.E2:
    return schema.E2.model_validate(
        {
            "method": "guarded_crossed_independent" if found.independent else "guarded_crossed",
            "ci": ci_points(crossed.guard.ci),
            "p": crossed.guard.p,
            "df": crossed.df,
            "pigeonhole_ci": None if found.two_way is None else ci_points(found.two_way),
            "one_sided": one_sided_record(GuardedDifference(crossed.delta, crossed.terms), alpha),
            "terms": term_records(crossed.terms),
        }
    )
