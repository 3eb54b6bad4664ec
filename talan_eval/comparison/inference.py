"""E0, E1 and E2 of a cell or of the mean over cells, in points and with a reason for every null."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.comparison.settings import AUTO
from talan_eval.result import schema
from talan_eval.stats import backbones, mcnemar, signflip
from talan_eval.stats import seed_bootstrap as boot
from talan_eval.stats.backbone_flips import MAX_UNITS, sign_flip_backbones
from talan_eval.stats.noninferiority import one_sided_bounds
from talan_eval.stats.power import minimum_detectable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from talan_eval.comparison.pairing import CellScores
    from talan_eval.comparison.settings import StatisticsSettings
    from talan_eval.stats.arrays import FloatArray, Interval
    from talan_eval.stats.backbones import BackboneGains, BackbonesT, GridCell
    from talan_eval.stats.mean_squares import MeanSquares

Reasons = tuple[str, ...]


@dataclass(frozen=True)
class Inference:
    """What may be said about re-training.

    Attributes:
        e1: Null with one seed.
        e2: Null with one seed or one item.
        mde80: Points; null with one seed.
        reasons: Why something is null, and how to take what is there.
    """

    e1: schema.E1 | None
    e2: schema.E2 | None
    mde80: float | None
    reasons: Reasons


def points(value: float) -> float:
    """Convert a proportion to percentage points."""
    return 100 * value + 0.0  # + 0.0 turns -0.0 into 0.0


def ci_points(interval: Interval) -> tuple[float, float]:
    """Convert an interval of proportions to percentage points."""
    return points(interval.lo), points(interval.hi)


def infer(
    cells: Sequence[GridCell],
    k: Sequence[int],
    settings: StatisticsSettings,
    rng: np.random.Generator,
    two_way: Interval | None,
) -> Inference:
    """Infer E1 and E2 for the equal-weight mean over cells; one cell is the special case.

    Args:
        cells: Difference matrices (S, N_c) in proportions; the cells of a backbone over the same seeds.
        k: Samples per item of each cell.
        settings: Error rate, resamples, bootstrap.
        rng: Source of randomness of the bootstrap over seeds, where its law is too large to be listed.
        two_way: Two-way bootstrap interval of the same mean, in proportions; None where it has no width.

    Returns:
        The results in points.
    """
    gains = backbones.backbone_gains(cells)
    sizes = [len(gain.per_seed) for gain in gains]
    if min(sizes) == 1:
        return Inference(None, None, None, ("E1 and E2 are not estimable with one training seed; E0 stands alone",))
    result = backbones.guarded_t_backbones(cells, settings.alpha)
    sign, why_sign = _sign_flip(cells, k, gains, settings.alpha)
    bootstrap, why_bootstrap = _bootstrap(gains, settings, rng)
    e2, why_e2 = _e2(cells, settings.alpha, two_way)
    reasons = list(_seed_count(sizes, settings.alpha))
    if result.plain.p is None:
        reasons.append("all seeds gave the same difference, so the plain t has no interval and no p")
    return Inference(
        _e1(result, _df(result, sizes), sign, bootstrap, settings.alpha),
        e2,
        points(minimum_detectable(result.guard.se, _df(result, sizes), settings.alpha)),
        (*reasons, *why_sign, *why_bootstrap, *why_e2),
    )


def checkpoint_pairs(scores: CellScores, deltas: FloatArray, alpha: float) -> tuple[schema.CheckpointPair, ...]:
    """Describe each seed's pair of checkpoints (E0), from a difference matrix (S, N) in proportions."""
    pairs = [mcnemar.checkpoint_pair(row, alpha, scores.clusters) for row in deltas]
    return tuple(
        schema.CheckpointPair(
            seed=seed,
            delta=points(pair.delta),
            lost=pair.lost,
            gained=pair.gained,
            mcnemar_p=pair.p,
            ci=ci_points(pair.ci),
        )
        for seed, pair in zip(scores.seeds, pairs, strict=True)
    )


def published_squares(squares: MeanSquares) -> schema.MeanSquares:
    """Convert mean squares to squared points."""
    item, error = (None if value is None else 1e4 * value for value in (squares.item, squares.error))
    return schema.MeanSquares(seed=1e4 * squares.seed, item=item, error=error)


def _df(result: BackbonesT, sizes: Sequence[int]) -> float:
    """Return the degrees of freedom of the t over seeds, also where equal seeds leave it without a variance."""
    return float(sum(size - 1 for size in sizes)) if result.plain.p is None else result.plain.df


def _e1(
    result: BackbonesT, df: float, sign: schema.SignFlip | None, bootstrap: schema.Bootstrap | None, alpha: float
) -> schema.E1:
    plain = result.plain
    bounds = one_sided_bounds(result.delta, result.terms, alpha)
    return schema.E1(
        method="guarded_t",
        ci=ci_points(result.guard.ci),
        p=result.guard.p,
        binding=result.guard.binding,
        t=schema.PlainT(ci=None if plain.ci is None else ci_points(plain.ci), p=plain.p, df=df),
        signflip=sign,
        bootstrap=bootstrap,
        one_sided=schema.OneSided(alpha=alpha, lower=points(bounds.lower), upper=points(bounds.upper)),
        terms=tuple(
            schema.GuardTerm(name=term.name, se=points(term.se), df=None if math.isinf(term.df) else term.df)
            for term in result.terms
        ),
    )


def _seed_count(sizes: Sequence[int], alpha: float) -> Reasons:
    """Say what so few seeds allow; ``sizes`` are the seeds of each backbone."""
    least, floor = min(sizes), signflip.sign_flip_floor(sum(sizes))
    if least < schema.SPARSE_SEEDS:
        return ("two training seeds give indicative intervals and no verdict",)
    if floor >= alpha:
        claim = "no claim per benchmark is made, and a" if least < schema.CELL_SEEDS else "a"
        basis = f"claim rests on normality of the seed differences: the sign-flip p cannot fall below {floor:g}"
        return (f"with {least} training seeds {claim} {basis}",)
    if not enumerable(sizes):
        limit = f"{signflip.MAX_SEEDS} seeds of a backbone and {MAX_UNITS} trained pairs"
        return (f"sign flips are enumerated up to {limit}; a claim rests on the guarded t",)
    return ()


def enumerable(sizes: Sequence[int]) -> bool:
    """Say whether the sign flips of backbones with so many seeds each are enumerated."""
    return max(sizes) <= signflip.MAX_SEEDS and sum(sizes) <= MAX_UNITS


def _sign_flip(
    cells: Sequence[GridCell], k: Sequence[int], gains: Sequence[BackboneGains], alpha: float
) -> tuple[schema.SignFlip | None, Reasons]:
    sizes = [len(gain.per_seed) for gain in gains]
    if not enumerable(sizes):
        return None, ()
    sums = [signflip.seed_sums(cell.deltas, samples) for cell, samples in zip(cells, k, strict=True)]
    test = sign_flip_backbones(sums, [cell.backbone for cell in cells])
    reasons = []
    if any(item.slack for item in sums):
        reasons.append("scores are no multiples of 1/k, so sign flips compare seed means rounded to 1e-9")
    if len(gains) > 1:
        reasons.append("the sign-flip interval and the seed bootstrap are given for single backbones")
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
    result = backbones.guarded_crossed_backbones(cells, alpha)
    e2 = schema.E2(
        method="guarded_crossed",
        ci=ci_points(result.guard.ci),
        p=result.guard.p,
        df=result.df,
        pigeonhole_ci=None if two_way is None else ci_points(two_way),
    )
    return e2, () if two_way is not None else ("the two-way bootstrap has no width for these differences",)
