"""E0, E1 and E2 of a cell or of the mean over cells, in points and with a reason for every null."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval import schema
from talan_eval.comparison.settings import AUTO
from talan_eval.stats import mcnemar, signflip
from talan_eval.stats import seed_bootstrap as boot
from talan_eval.stats.aggregate import equal_weight_mean
from talan_eval.stats.crossed import guarded_crossed
from talan_eval.stats.guarded_t import GuardedT, guarded_t
from talan_eval.stats.mean_squares import MeanSquares, mean_squares
from talan_eval.stats.pigeonhole import pigeonhole_interval
from talan_eval.stats.power import minimum_detectable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.settings import StatisticsSettings
    from talan_eval.stats.arrays import FloatArray, Interval

SPARSE_SEEDS = 3  # fewer allow no verdict
CELL_SEEDS = 5  # fewer allow no claim about a single cell


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
    reasons: tuple[str, ...]


def points(value: float) -> float:
    """Convert a proportion to percentage points, free of the last digits of binary rounding."""
    return round(100 * value, 10) + 0.0  # + 0.0 turns -0.0 into 0.0


def infer(
    cells: Sequence[FloatArray], k: Sequence[int], settings: StatisticsSettings, rng: np.random.Generator
) -> Inference:
    """Infer E1 and E2 for the equal-weight mean over cells; one cell is the special case.

    Args:
        cells: Difference matrices (S, N_c) over the same seeds, proportions.
        k: Samples per item of each cell.
        settings: Error rate, resamples, bootstrap.
        rng: Source of randomness.

    Returns:
        The results in points.
    """
    n_seeds = len(cells[0])
    if n_seeds == 1:
        return Inference(None, None, None, ("E1 and E2 are not estimable with one training seed; E0 stands alone",))
    per_seed = equal_weight_mean(np.stack([cell.mean(axis=1) for cell in cells]))
    squares = [mean_squares(cell) for cell in cells]
    reasons = list(_seed_count(n_seeds, settings.alpha))
    result = guarded_t(per_seed, squares, settings.alpha)
    sign, why_sign = _sign_flip(cells, k, per_seed, settings.alpha)
    bootstrap, why_bootstrap = _bootstrap(per_seed, settings, rng)
    e2, why_e2 = _e2(cells, per_seed, squares, settings, rng)
    if result.plain.p is None:
        reasons.append("all seeds gave the same difference, so the plain t has no interval and no p")
    return Inference(
        _e1(result, sign, bootstrap),
        e2,
        points(minimum_detectable(result.guard.se, n_seeds - 1, settings.alpha)),
        (*reasons, *why_sign, *why_bootstrap, *why_e2),
    )


def checkpoint_pairs(seeds: Sequence[int], deltas: FloatArray, alpha: float) -> tuple[schema.CheckpointPair, ...]:
    """Describe each seed's pair of checkpoints (E0), from a difference matrix (S, N) in proportions."""
    pairs = [mcnemar.checkpoint_pair(row, alpha) for row in deltas]
    return tuple(
        schema.CheckpointPair(
            seed=seed, delta=points(pair.delta), lost=pair.lost, gained=pair.gained, mcnemar_p=pair.p, ci=_ci(pair.ci)
        )
        for seed, pair in zip(seeds, pairs, strict=True)
    )


def published_squares(squares: MeanSquares) -> schema.MeanSquares:
    """Convert mean squares to squared points."""
    item, error = (None if value is None else 1e4 * value for value in (squares.item, squares.error))
    return schema.MeanSquares(seed=1e4 * squares.seed, item=item, error=error)


def _ci(interval: Interval) -> tuple[float, float]:
    return points(interval.lo), points(interval.hi)


def _e1(result: GuardedT, sign: schema.SignFlip | None, bootstrap: schema.Bootstrap) -> schema.E1:
    plain = result.plain
    return schema.E1(
        method="guarded_t",
        ci=_ci(result.guard.ci),
        p=result.guard.p,
        binding=result.guard.binding,
        t=schema.PlainT(ci=None if plain.ci is None else _ci(plain.ci), p=plain.p, df=plain.df),
        signflip=sign,
        bootstrap=bootstrap,
    )


def _seed_count(n_seeds: int, alpha: float) -> tuple[str, ...]:
    floor = signflip.sign_flip_floor(n_seeds)
    if n_seeds < SPARSE_SEEDS:
        return ("two training seeds give indicative intervals and no verdict",)
    if floor >= alpha:
        claim = "no claim per benchmark is made, and a" if n_seeds < CELL_SEEDS else "a"
        basis = f"claim rests on normality of the seed differences: the sign-flip p cannot fall below {floor:g}"
        return (f"with {n_seeds} training seeds {claim} {basis}",)
    if n_seeds > signflip.MAX_SEEDS:
        return (f"sign flips are enumerated up to {signflip.MAX_SEEDS} seeds; a claim rests on the guarded t",)
    return ()


def _sign_flip(
    cells: Sequence[FloatArray], k: Sequence[int], per_seed: FloatArray, alpha: float
) -> tuple[schema.SignFlip | None, tuple[str, ...]]:
    if len(per_seed) > signflip.MAX_SEEDS:
        return None, ()
    sums = signflip.mean_sums([signflip.seed_sums(cell, samples) for cell, samples in zip(cells, k, strict=True)])
    test = signflip.sign_flip(sums)
    interval = signflip.hartigan_interval(per_seed, alpha)
    reasons = []
    if sums.slack:
        reasons.append("scores are no multiples of 1/k, so sign flips compare seed means rounded to 1e-9")
    if interval is None:
        cause = "so few seeds" if signflip.sign_flip_floor(len(per_seed)) > alpha else "seed differences so alike"
        reasons.append(f"no sign-flip interval of level {1 - alpha:.0%} exists for {cause}")
    return schema.SignFlip(p=test.p, floor=test.floor, ci=None if interval is None else _ci(interval)), tuple(reasons)


def _bootstrap(
    per_seed: FloatArray, settings: StatisticsSettings, rng: np.random.Generator
) -> tuple[schema.Bootstrap, tuple[str, ...]]:
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
    ci = None if result.ci is None else _ci(result.ci)
    return schema.Bootstrap(method=result.method.value, exact=law.exact, ci=ci), tuple(reasons)


def _e2(
    cells: Sequence[FloatArray],
    per_seed: FloatArray,
    squares: Sequence[MeanSquares],
    settings: StatisticsSettings,
    rng: np.random.Generator,
) -> tuple[schema.E2 | None, tuple[str, ...]]:
    if any(cell.item is None for cell in squares):
        return None, ("E2 is not estimable with a single item",)
    result = guarded_crossed(per_seed, squares, settings.alpha)
    two_way = pigeonhole_interval(cells, settings.resamples, rng, settings.alpha)
    e2 = schema.E2(
        method="guarded_crossed",
        ci=_ci(result.guard.ci),
        p=result.guard.p,
        df=result.df,
        pigeonhole_ci=None if two_way is None else _ci(two_way),
    )
    return e2, () if two_way is not None else ("the two-way bootstrap has no width for these differences",)
