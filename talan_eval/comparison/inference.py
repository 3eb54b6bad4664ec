"""E1 and E2 of a cell or of the mean over cells, whatever the pairing of their seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.comparison.independent import infer_independent
from talan_eval.comparison.published import Companions, Inference, ci_points, e1_record, e2_record, points
from talan_eval.comparison.settings import AUTO
from talan_eval.result import schema
from talan_eval.stats import backbones, signflip
from talan_eval.stats import seed_bootstrap as boot
from talan_eval.stats.backbone_flips import sign_flip_backbones
from talan_eval.stats.fixed_base import DrawnAnswers, FixedCell, guarded_t_fixed, right_or_wrong_answers
from talan_eval.stats.outliers import outlying_seed
from talan_eval.stats.power import minimum_detectable
from talan_eval.stats.verdict_power import SeedNoise, mean_detectable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.contrast import CellScores
    from talan_eval.comparison.published import Reasons
    from talan_eval.comparison.settings import StatisticsSettings
    from talan_eval.stats.arrays import Interval
    from talan_eval.stats.backbones import BackboneGains, BackbonesT, GridCell

_ONE_SEED = ("E1 and E2 are not estimable with one training seed; E0 stands alone",)
_TWO_SEEDS = ("E1 and E2 are not estimable with two training seeds: their spread tells next to nothing",)


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
        return infer_independent(cells, settings)
    grid = [grid_cell(cell) for cell in cells]
    drawn, why_drawn = _drawn_base(cells)
    flipped = _Flipped(grid, [cell.k for cell in cells], backbones.backbone_gains(grid))
    sizes = [len(gain.per_seed) for gain in flipped.gains]
    result = guarded_t_fixed(drawn, settings.alpha) if drawn else backbones.guarded_t_backbones(grid, settings.alpha)
    sign, why_sign = (None, ()) if drawn else _sign_flip(flipped, settings.alpha)
    bootstrap, why_bootstrap = (None, ()) if drawn else _bootstrap(flipped.gains, settings, rng)
    e2, why_e2 = _e2(grid, settings.alpha, two_way)
    outlying, why_outlying = apart(flipped.gains, cells[0].seeds, result)
    reasons = list(_seed_count(sizes, settings.alpha))
    if result.plain.p is None:
        reasons.append("all seeds gave the same difference, so the plain t has no interval and no p")
    df = _df(result, sizes)
    return Inference(
        e1_record(result, df, Companions(signflip=sign, bootstrap=bootstrap), settings.alpha),
        e2,
        points(_detectable(result, df, sizes, settings.alpha)),
        (*why_outlying, *reasons, *why_drawn, *why_sign, *why_bootstrap, *why_e2),
        outlying,
    )


@dataclass(frozen=True, eq=False)
class _Flipped:
    """Differences by seed, for tests that flip their signs.

    Attributes:
        cells: Difference matrices.
        k: Samples per item of each.
        gains: Their mean by backbone and seed.
    """

    cells: Sequence[GridCell]
    k: Sequence[int]
    gains: Sequence[BackboneGains]


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


def _detectable(result: BackbonesT, df: float, sizes: Sequence[int], alpha: float) -> float:
    """Return the true difference that the verdict about a mean would find in 80 % of such experiments.

    Over several backbones the sign flips, which then count all trained pairs, are left out: the t decides.
    """
    if len(sizes) > 1:
        return minimum_detectable(result.guard.se, df, alpha)
    least = max(term.half_width(alpha) for term in result.terms if term.name != "t")
    return mean_detectable(SeedNoise(result.guard.se * math.sqrt(sizes[0]), least), sizes[0], alpha)


def _df(result: BackbonesT, sizes: Sequence[int]) -> float:
    """Return the degrees of freedom of the t over seeds, also where equal seeds leave it without a variance."""
    return float(sum(size - 1 for size in sizes)) if result.plain.p is None else result.plain.df


def apart(
    gains: Sequence[BackboneGains], seeds: Sequence[int], result: BackbonesT
) -> tuple[schema.OutlyingSeed | None, Reasons]:
    """Look for a seed that stands apart, on a single backbone.

    Args:
        gains: Differences by seed of each backbone.
        seeds: The seeds of the first.
        result: The guarded t, whose flip term is what the items alone make seeds differ by.
    """
    if len(gains) > 1:
        return None, ()
    per_seed = gains[0].per_seed
    found = outlying_seed(per_seed, result.terms[1].se * math.sqrt(len(per_seed)))
    if found is None or not found.stands_apart:
        return None, ()
    record = schema.OutlyingSeed(
        seed=seeds[found.place],
        delta=points(float(per_seed[found.place])),
        median=points(float(np.median(per_seed))),
        distance=found.distance,
        threshold=found.threshold,
    )
    why = (
        f"RED FLAG: seed {record.seed} stands apart, {record.delta:+.2f} points where the median is "
        f"{record.median:+.2f} (robust distance {record.distance:.1f}; normal seeds exceed {record.threshold:.1f} in "
        "1 % of comparisons); look at that training before anything is concluded"
    )
    return record, (why,)


def _seed_count(sizes: Sequence[int], alpha: float) -> Reasons:
    """Say what so few seeds allow; ``sizes`` are the seeds of each backbone."""
    least, floor = min(sizes), signflip.sign_flip_floor(sum(sizes))
    if floor >= alpha:
        claim = "no claim per benchmark is made, and a" if least < schema.CELL_SEEDS else "a"
        basis = f"claim rests on normality of the seed differences: the sign-flip p cannot fall below {floor:g}"
        return (f"with {least} training seeds {claim} {basis}",)
    return ()


def _sign_flip(flipped: _Flipped, alpha: float) -> tuple[schema.SignFlip, Reasons]:
    gains = flipped.gains
    sizes = [len(gain.per_seed) for gain in gains]
    sums = [signflip.seed_sums(cell.deltas, k) for cell, k in zip(flipped.cells, flipped.k, strict=True)]
    test = sign_flip_backbones(sums, [cell.backbone for cell in flipped.cells])
    reasons = []
    if any(item.slack for item in sums):
        reasons.append("scores are no multiples of 1/k, so sign flips compare seed means rounded to 1e-9")
    if len(gains) > 1:
        reasons.append("the sign-flip interval and the seed bootstrap are given for single backbones")
        return schema.SignFlip(p=test.p, floor=test.floor, ci=None), tuple(reasons)
    if sizes[0] > signflip.MAX_SEEDS:
        reasons.append(f"the sign-flip interval is listed for up to {signflip.MAX_SEEDS} seeds; the test counts all")
        return schema.SignFlip(p=test.p, floor=test.floor, ci=None), tuple(reasons)
    interval = signflip.hartigan_interval(gains[0].per_seed, alpha)
    if interval is None:
        cause = "so few seeds" if signflip.sign_flip_floor(sizes[0]) > alpha else "seed differences so alike"
        reasons.append(f"no sign-flip interval of level {1 - alpha:.0%} exists for {cause}")
    ci = None if interval is None else ci_points(interval)
    return schema.SignFlip(p=test.p, floor=test.floor, ci=ci), tuple(reasons)


def _bootstrap(
    gains: Sequence[BackboneGains], settings: StatisticsSettings, rng: np.random.Generator
) -> tuple[schema.Bootstrap | None, Reasons]:
    if len(gains) > 1:
        return None, ()
    per_seed = gains[0].per_seed
    n_seeds = len(per_seed)
    small = n_seeds <= boot.MAX_EXACT_SEEDS
    law = boot.exact_law(n_seeds) if small else boot.monte_carlo_law(n_seeds, settings.resamples, rng)
    if settings.bootstrap == AUTO:
        result = boot.default_interval(per_seed, law, settings.alpha)
    else:
        result = boot.bootstrap_interval(per_seed, law, boot.BootstrapMethod(settings.bootstrap), settings.alpha)
    reasons = [result.reason] if result.reason else []
    if result.method.under_covers:
        reasons.append(f"the {result.method.label} bootstrap over seeds covers less than its level with few seeds")
    ci = None if result.ci is None else ci_points(result.ci)
    return schema.Bootstrap(method=result.method.value, exact=law.exact, ci=ci), tuple(reasons)


def _e2(cells: Sequence[GridCell], alpha: float, two_way: Interval | None) -> tuple[schema.E2 | None, Reasons]:
    if any(cell.deltas.shape[1] == 1 for cell in cells):
        return None, ("E2 is not estimable with a single item",)
    e2 = e2_record(backbones.guarded_crossed_backbones(cells, alpha), two_way, alpha)
    return e2, () if two_way is not None else ("the two-way bootstrap has no width for these differences",)
