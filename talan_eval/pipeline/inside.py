"""From the logs of trainings and the probes of checkpoints to what a report shows of the inside of an arm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import stats

from talan_eval.records.curves import ADAPTER_GRADIENTS, BLOCK_GRADIENTS, GATES
from talan_eval.result.answered import Curve, Inside, MeanOverSeeds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.stats.arrays import FloatArray

POINTS_OF_A_CURVE: Final = 60
_BAND_SEEDS: Final = 3
_SIGNS: Final = {"adapter_gradient": ADAPTER_GRADIENTS, "block_gradient": BLOCK_GRADIENTS, "gate": GATES}
"""Curves of the result, and what the log of a training calls them."""
_PROBED: Final = {
    "adapter_kl": "adapter_kl",
    "block_kl": "block_kl",
    "block_logit_change": "block_max_logit_change",
    "relative_write": "relative_write",
    "bf16_survival": "bf16_survival",
}
"""Means over seeds of the result, and what an evaluation calls them."""


def inside_of(
    arm: str,
    backbone: str,
    logs: Mapping[int, Mapping[str, Any]],
    probes: Mapping[int, Sequence[Mapping[str, Any]]],
    alpha: float,
) -> Inside | None:
    """Put the trainings of one arm on one backbone together.

    Args:
        arm: Its name.
        backbone: Backbone name.
        logs: The log of each finished training, by seed.
        probes: Of each seed what was measured in each of its evaluations; see `talan_core.probe.Liveness`.
        alpha: Error rate of bands and intervals.

    Returns:
        The curves; None where there is no log with losses, or the logs are not of equal length.
    """
    known = {seed: log for seed, log in sorted(logs.items()) if log.get("losses")}
    losses = _rows([log["losses"] for log in known.values()])
    if losses is None:
        return None
    signs = [log.get("signs") or {} for log in known.values()]
    return Inside(
        arm=arm,
        backbone=backbone,
        seeds=tuple(known),
        loss=_thinned(losses, alpha),
        held_out_loss=_held_out([one.get("held_out") or () for one in signs], alpha),
        **{name: _curve([one.get(key) or () for one in signs], alpha) for name, key in _SIGNS.items()},
        **{name: _over_seeds([probes.get(seed, ()) for seed in known], key, alpha) for name, key in _PROBED.items()},
    )


def _over_seeds(probes: Sequence[Sequence[Mapping[str, Any]]], key: str, alpha: float) -> MeanOverSeeds | None:
    """Average a measurement over benchmarks, then over seeds; None where a seed lacks it."""
    found = [[one[key] for one in own if one.get(key) is not None] for own in probes]
    if not found or not all(found):
        return None
    each = np.array([np.mean(own) for own in found])
    half = _half_width(each[:, None], alpha)
    mean = float(each.mean())
    return MeanOverSeeds(mean=mean, ci=None if half is None else (mean - float(half[0]), mean + float(half[0])))


def _rows(found: Sequence[Sequence[float]]) -> FloatArray | None:
    """Return S curves of N points as (S, N); None where there are none, of different lengths, or not finite."""
    if not found or not found[0] or len({len(one) for one in found}) > 1:
        return None
    rows = np.array(found, dtype=np.float64)
    return rows if np.isfinite(rows).all() else None


def _curve(found: Sequence[Sequence[float]], alpha: float) -> Curve | None:
    rows = _rows(found)
    return None if rows is None else _thinned(rows, alpha)


def _held_out(found: Sequence[Sequence[Mapping[str, Any]]], alpha: float) -> Curve | None:
    rows = _rows([[point["loss"] for point in one] for one in found])
    if rows is None or len({tuple(point["step"] for point in one) for one in found}) > 1:
        return None
    return _band([int(point["step"]) for point in found[0]], rows, alpha)


def _thinned(rows: FloatArray, alpha: float) -> Curve:
    """Average stretches of equal length, each shown at its last step, so that few points stand for many steps."""
    steps = rows.shape[1]
    width = math.ceil(steps / POINTS_OF_A_CURVE)
    begins = range(0, steps, width)
    means = np.stack([rows[:, begin : begin + width].mean(axis=1) for begin in begins], axis=1)
    return _band([min(begin + width, steps) for begin in begins], means, alpha)


def _band(steps: Sequence[int], rows: FloatArray, alpha: float) -> Curve:
    mean, half = rows.mean(axis=0), _half_width(rows, alpha)
    if half is None:
        return Curve(steps=tuple(steps), mean=tuple(mean.tolist()))
    return Curve(
        steps=tuple(steps),
        mean=tuple(mean.tolist()),
        lower=tuple((mean - half).tolist()),
        upper=tuple((mean + half).tolist()),
    )


def _half_width(rows: FloatArray, alpha: float) -> FloatArray | None:
    """Return the half-width of the t interval over S rows, for each of N columns; None with fewer than three rows."""
    n_seeds = len(rows)
    if n_seeds < _BAND_SEEDS:
        return None
    half: FloatArray = stats.t.ppf(1 - alpha / 2, n_seeds - 1) * rows.std(axis=0, ddof=1) / math.sqrt(n_seeds)
    return half
