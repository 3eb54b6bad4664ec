"""What stands beside the guarded t of paired seeds: sign flips, and the bootstrap over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.comparison.published import ci_points
from talan_eval.comparison.retraining import Companions
from talan_eval.comparison.statistics_settings import AUTO
from talan_eval.result import schema
from talan_eval.stats import seed_bootstrap as boot
from talan_eval.stats import signflip
from talan_eval.stats.backbone_flips import sign_flip_backbones
from talan_eval.stats.backbones import backbone_gains

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from talan_eval.comparison.published import Reasons
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.stats.backbones import BackboneGains, GridCell


def paired_companions(
    cells: Sequence[GridCell], k: Sequence[int], settings: StatisticsSettings, rng: np.random.Generator
) -> tuple[Companions, Reasons]:
    """Flip signs, and draw seeds.

    Args:
        cells: The differences of the cells that are averaged.
        k: Samples per item of each.
        settings: Error rate, resamples, bootstrap.
        rng: Source of randomness of the bootstrap, where its law is too large to be listed.

    Returns:
        In points, and why something is null.
    """
    gains = backbone_gains(cells)
    signs, why_signs = _sign_flip(cells, k, gains, settings.alpha)
    bootstrap, why_bootstrap = _bootstrap(gains, settings, rng)
    return Companions(signflip=signs, bootstrap=bootstrap), (*why_signs, *why_bootstrap)


def _sign_flip(
    cells: Sequence[GridCell], k: Sequence[int], gains: Sequence[BackboneGains], alpha: float
) -> tuple[schema.SignFlip, Reasons]:
    sizes = [len(gain.per_seed) for gain in gains]
    sums = [signflip.seed_sums(cell.deltas, samples) for cell, samples in zip(cells, k, strict=True)]
    test = sign_flip_backbones(sums, [cell.backbone for cell in cells])
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
