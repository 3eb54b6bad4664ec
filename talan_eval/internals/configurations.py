"""Does the distance to the best configuration predict the gain (figure 13 of the paper)?

Of each arm with a block: 13 features of its settings, or 29 with what training made of it. Features are standardised
over the configurations; those that are null for one of two are left out of their distance, which is scaled up to the
number of all that vary, and counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from scipy import stats

from talan_core.arms import parse_arm
from talan_core.config import MIXERS, SCOPES, WRITEBACKS, TalanConfig
from talan_eval.internals.findings import ConfigurationDistance, Distance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from talan_eval.internals.findings import ArmFindings, SeedMean
    from talan_eval.result.schema import BackboneMean, Contrast, Result
    from talan_eval.stats.arrays import FloatArray

LEAST: Final = 4
"""Configurations from which on a correlation is computed."""
_PERMUTATIONS: Final = 9999
_TIE: Final = 1e-9
_CAUTION: Final = (
    "The best configuration was chosen by the same gains, so its own gain is exaggerated. Configurations share their "
    "seeds and base, so the points are not independent."
)
_UNCONFIRMED: Final = "Fresh seeds would tell how much: --confirm."

Features = dict[str, float | None]


def configuration_distances(
    result: Result, arms: Sequence[ArmFindings], points: Mapping[str, TalanConfig]
) -> tuple[ConfigurationDistance, ...]:
    """Relate distance to gain on every backbone, by settings alone and with trained statistics.

    Args:
        result: The comparison, for the gains.
        arms: What was found of its arms.
        points: The operating point of each backbone, over which an arm's options are laid.

    Returns:
        Two for each backbone with at least four trained blocks that were compared with one base.
    """
    return tuple(found for backbone in points for found in _of_backbone(result, arms, backbone, points[backbone]))


def settings_of(config: TalanConfig, layers: int) -> Features:
    """Return the 13 features of a configuration.

    Under AdamW a factor on gradients changes next to nothing and one on the learning rate does, so that the gradient
    scale is the product of both here.

    Args:
        config: Resolved or not.
        layers: L.
    """
    share = config.layer / layers if isinstance(config.layer, int) else config.layer
    return {
        "insertion": float(share),
        "log2 slots": math.log2(config.slots),
        **{f"mixer {name}": float(config.mixer == name) for name in MIXERS},
        **{f"writeback {name}": float(config.writeback == name) for name in WRITEBACKS},
        **{f"scope {name}": float(config.scope == name) for name in SCOPES if name != "frozen"},
        "log10 gradient scale": math.log10(config.grad_scale * config.lr_scale),
        "components": float(config.components if config.mixer == "ensemble" else 1),
    }


def trained_of(arm: ArmFindings) -> Features:
    """Return the 16 trained statistics of an arm, means over benchmarks and seeds."""
    values, weights = arm.tasks[0].values, arm.weights
    groups = {} if weights is None else {one.group: one for one in weights.groups}
    loss, without = values["loss_11"].mean, values["loss_10"].mean
    ensemble = None if weights is None else weights.ensemble
    return {
        "gate RMS": _mean(None if weights is None else weights.gate_rms),
        "gate largest": _mean(None if weights is None else weights.gate_largest),
        "relative write": values["relative_write"].mean,
        "block KL": values["block_kl"].mean,
        **{
            f"{name} from start": _mean(None if name not in groups else groups[name].from_start)
            for name in ("theme queries", "projections")
        },
        **{
            f"{name} of ceiling": _mean(None if name not in groups else groups[name].rms_of_ceiling)
            for name in ("biases", "mixture")
        },
        **{name: values[name].mean for name in ("ratio_at_write", "ratio_at_end", "ratio_of_effects")},
        "cosine": values["end_cosine"].mean,
        "amplification": values["amplification"].mean,
        "bf16 share": values["bf16_share"].mean,
        "loss change": None if loss is None or without is None else loss - without,
        "mixture entropy": _mean(None if ensemble is None else ensemble.entropy),
    }


def relate(
    backbone: str,
    kind: Literal["settings", "settings and trained statistics"],
    features: Mapping[str, Features],
    gains: Mapping[str, float],
    confirmed: str = _UNCONFIRMED,
) -> ConfigurationDistance:
    """Relate the distance to the best configuration to the gain.

    Args:
        backbone: Backbone name.
        kind: What the features are.
        features: Of each configuration, at least four, all with the same names.
        gains: Of each, points.
        confirmed: What fresh seeds say of the best one.
    """
    best = max(gains, key=lambda arm: gains[arm])
    names = [name for name in next(iter(features.values())) if _varies([one[name] for one in features.values()])]
    table = {arm: _row(one, names) for arm, one in features.items()}
    every = np.array(list(table.values()))
    spread = np.nanstd(every, axis=0)
    others = []
    for arm, row in table.items():
        if arm != best:
            parts = (row - table[best]) / spread
            known = ~np.isnan(parts)
            distance = math.sqrt(float(np.square(parts[known]).sum()) * len(names) / max(int(known.sum()), 1))
            others.append(Distance(arm=arm, gain=gains[arm], distance=distance, left_out=len(names) - int(known.sum())))
    rank = _spearman([one.distance for one in others], [one.gain for one in others])
    bound = "" if rank.smallest_p is None else f" No order of {len(others)} others has a p below {rank.smallest_p:.2g}."
    return ConfigurationDistance(
        backbone=backbone,
        features=tuple(names),
        kind=kind,
        best=best,
        best_gain=gains[best],
        others=tuple(others),
        spearman=rank.rho,
        p=rank.p,
        caution=f"{_CAUTION}{bound} {confirmed}",
    )


def _of_backbone(
    result: Result, arms: Sequence[ArmFindings], backbone: str, point: TalanConfig
) -> Iterator[ConfigurationDistance]:
    own = {arm.arm: arm for arm in arms if arm.backbone == backbone and parse_arm(arm.arm).talan is not None}
    found = _contrasts(result, own)
    means = {arm: mean for arm, one in found.items() if (mean := _mean_of(one, backbone)) is not None}
    gains = {arm: mean.delta for arm, mean in means.items() if mean.delta is not None}
    if len(gains) < LEAST:
        return
    settings = {}
    for arm in gains:
        options = parse_arm(arm).talan
        settings[arm] = settings_of(point if options is None else options.config(point), own[arm].layers)
    confirmed = _confirmed(result, found[max(gains, key=lambda arm: gains[arm])])
    yield _with_intervals(relate(backbone, "settings", settings, gains, confirmed), means)
    both = {arm: {**settings[arm], **trained_of(own[arm])} for arm in gains}
    yield _with_intervals(relate(backbone, "settings and trained statistics", both, gains, confirmed), means)


def _contrasts(result: Result, arms: Mapping[str, ArmFindings]) -> dict[str, Contrast]:
    """Return the contrast of each arm with the base that the first of them has."""
    base = next((one.base for one in result.contrasts if one.treatment in arms), None)
    found: dict[str, Contrast] = {}
    for contrast in result.contrasts:
        if contrast.base == base and contrast.treatment in arms:
            found.setdefault(contrast.treatment, contrast)
    return found


def _mean_of(contrast: Contrast, backbone: str) -> BackboneMean | None:
    """Return the mean of a contrast on one backbone, benchmarks weighed as declared."""
    return next((one for one in contrast.aggregate.backbones if one.backbone == backbone), None)


def _with_intervals(found: ConfigurationDistance, means: Mapping[str, BackboneMean]) -> ConfigurationDistance:
    """Add the interval of each gain, E1, unadjusted."""
    ends = {arm: None if mean.e1 is None else mean.e1.ci for arm, mean in means.items()}
    others = tuple(one.model_copy(update={"ci": ends[one.arm]}) for one in found.others)
    return found.model_copy(update={"others": others, "best_ci": ends[found.best]})


def _confirmed(result: Result, best: Contrast) -> str:
    """Say what the comparison found of the best one on seeds that did not choose it."""
    chosen = result.selection
    if chosen is None or chosen.confirmed is None or chosen.confirmed.delta is None:
        return _UNCONFIRMED
    found, chosen_one = chosen.confirmed, chosen.best
    if (chosen_one.base, chosen_one.treatment) != (best.base, best.treatment) or len(found.backbones) > 1:
        where = "all backbones" if len(found.backbones) > 1 else "it"
        return f"Fresh seeds confirmed {chosen_one.treatment} against {chosen_one.base} over {where}, not this gain."
    ci = None if found.e1 is None else found.e1.ci
    interval = "" if ci is None else f" ({ci[0]:+.2f} to {ci[1]:+.2f})"
    return (
        f"On {len(chosen.confirmation_seeds)} fresh seeds {best.treatment} gained {found.delta:+.2f}{interval} points."
    )


@dataclass(frozen=True, slots=True)
class _RankCorrelation:
    """A rank correlation, its permutation p, and the smallest p that any order of the same numbers could have."""

    rho: float | None = None
    p: float | None = None
    smallest_p: float | None = None


def _spearman(distances: Sequence[float], gains: Sequence[float]) -> _RankCorrelation:
    """Correlate the ranks; without numbers where there are too few, or all are alike."""
    if len(distances) < LEAST - 1 or np.ptp(distances) == 0 or np.ptp(gains) == 0:
        return _RankCorrelation()
    ranks = stats.rankdata(gains)

    def correlation(permuted: FloatArray) -> float:
        return float(stats.pearsonr(stats.rankdata(permuted), ranks).statistic)

    found = stats.permutation_test(
        (np.array(distances),),
        correlation,
        permutation_type="pairings",
        n_resamples=_PERMUTATIONS,
        rng=np.random.default_rng(0),
    )
    null = found.null_distribution
    smallest = 2 * float(min(np.mean(null >= null.max() - _TIE), np.mean(null <= null.min() + _TIE)))
    return _RankCorrelation(float(found.statistic), float(found.pvalue), min(1.0, smallest))


def _row(features: Features, names: Sequence[str]) -> FloatArray:
    found = [features[name] for name in names]
    return np.array([math.nan if value is None else value for value in found])


def _varies(values: Sequence[float | None]) -> bool:
    known = [value for value in values if value is not None]
    return len(known) > 1 and float(np.ptp(known)) > 0


def _mean(found: SeedMean | None) -> float | None:
    return None if found is None else found.mean
