"""Sort the arms with a block by the values of their options: a function of the contrasts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_core.arms import parse_arm
from talan_core.errors import UserError
from talan_eval.result.axes import DEFAULT, RESEEDED, Configuration, GridAxes, OptionShare
from talan_eval.result.labels import backbones
from talan_eval.stats.guarded_t import paired_t
from talan_eval.stats.selection import grid_rate, reseeded_rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_core.arms import Arm
    from talan_eval.result.schema import Contrast, Result
    from talan_eval.stats.arrays import FloatArray

_FEWEST_SEEDS = 2  # that have a spread


@dataclass(frozen=True)
class _Configured:
    """One arm on one backbone.

    Attributes:
        contrast: Against its adapter alone.
        options: What it gives of its block, and its partner.
        gains: Mean gain over benchmarks of each seed.
        cells: Gain of each seed and benchmark, shape (S, C); NaN where one is missing.
    """

    contrast: Contrast
    options: Mapping[str, str]
    gains: Mapping[int, float]
    cells: FloatArray


def grid_axes(result: Result) -> tuple[GridAxes, ...]:
    """Sort the arms with a block by the values of their options.

    Args:
        result: The comparison, as the statistics make it: more is better.

    Returns:
        One for each backbone on which at least two such arms, with another value of some option, were compared with
        their own adapter alone at the same seeds. Arms whose names are no arms' names, as of logs, are left out.
    """
    own = [(contrast, arm) for contrast in result.contrasts if (arm := _with_block(contrast)) is not None]
    blocks = [(contrast, arm) for contrast, arm in own if arm.talan is not None]
    if len(blocks) < 2:  # noqa: PLR2004 - one is no grid
        return ()
    noise = [contrast for contrast, arm in own if arm.talan is None]
    given = {name for _, arm in blocks for name in _options(arm)}
    grids = []
    for backbone in backbones(result):
        found = [
            _Configured(
                contrast,
                {"partner": contrast.base, **{name: _options(arm).get(name, DEFAULT) for name in sorted(given)}},
                _gains(contrast, backbone),
                _matrix(contrast, backbone, of_base=False),
            )
            for contrast, arm in blocks
            if any(cell.backbone == backbone for cell in contrast.cells)
        ]
        varied = [name for name in ("partner", *sorted(given)) if len({one.options[name] for one in found}) > 1]
        if varied:
            alpha = result.settings.alpha
            controls = (
                *(_of_noise(one, backbone, alpha) for one in noise),
                *_of_bases([contrast for contrast, _ in own], backbone),
            )
            configurations = tuple(map(_published, found))
            grids.append(GridAxes(backbone=backbone, configurations=configurations,
                                  shares=_shares(found, varied, alpha), controls=controls))  # fmt: skip
    return tuple(grids)


def _with_block(contrast: Contrast) -> Arm | None:
    """Return the arm under test where it is the base's adapter with a block, or its noise control, beside it."""
    if contrast.pairing != "paired":
        return None
    try:
        base, treatment = parse_arm(contrast.base), parse_arm(contrast.treatment)
    except UserError:  # an arm of logs, or a stored one, may have any name
        return None
    alike = (base.partner, base.overrides) == (treatment.partner, treatment.overrides)
    return treatment if alike and base.block is None and treatment.block is not None else None


def _options(arm: Arm) -> dict[str, str]:
    given = {} if arm.talan is None else dataclasses.asdict(arm.talan)
    return {name: str(value) for name, value in given.items() if value is not None}


def _published(found: _Configured) -> Configuration:
    complete = found.cells[np.isfinite(found.cells).all(axis=1)]
    return Configuration(
        arm=found.contrast.treatment,
        options=dict(found.options),
        delta=float(np.mean(list(found.gains.values()))) if found.gains else None,
        worst_delta=float(complete.mean(axis=0).min()) if len(complete) else None,
    )


def _shares(found: Sequence[_Configured], varied: Sequence[str], alpha: float) -> tuple[OptionShare, ...]:
    shares = [_share("", "all arms with a block", found, alpha)]
    for name in varied:
        for value in sorted({one.options[name] for one in found}, key=_in_order):
            shares += [_share(name, value, [one for one in found if one.options[name] == value], alpha)]
    return tuple(shares)


def _in_order(value: str) -> tuple[bool, float, str]:
    """Return what sorts values of an option: numbers by size, then names, the default last."""
    try:
        return False, float(value), ""
    except ValueError:
        return value == DEFAULT, float("inf"), value


def _share(option: str, value: str, found: Sequence[_Configured], alpha: float) -> OptionShare:
    seeds = sorted(set.intersection(*(set(one.gains) for one in found)))
    means = np.array([np.mean([one.gains[seed] for one in found]) for seed in seeds])
    ci = paired_t(means, alpha).ci if len(means) >= _FEWEST_SEEDS else None
    rates = [grid_rate(one.cells) for one in found]
    return OptionShare(
        option=option,
        value=value,
        arms=len(found),
        delta=float(means.mean()) if len(means) else None,
        ci=None if ci is None else tuple(ci),
        hits=sum(one.hits for one in rates),
        trainings=sum(one.pairs for one in rates),
    )


def _of_noise(contrast: Contrast, backbone: str, alpha: float) -> OptionShare:
    found = _Configured(contrast, {}, _gains(contrast, backbone), _matrix(contrast, backbone, of_base=False))
    return _share("", contrast.treatment, [found], alpha).model_copy(update={"arms": None})


def _of_bases(contrasts: Sequence[Contrast], backbone: str) -> tuple[OptionShare, ...]:
    firsts: dict[str, Contrast] = {}
    for contrast in contrasts:
        firsts.setdefault(contrast.base, contrast)
    rates = {name: reseeded_rate(_matrix(one, backbone, of_base=True)) for name, one in firsts.items()}
    return tuple(
        OptionShare(
            option="", value=f"{name} {RESEEDED}", arms=None, delta=None, ci=None, hits=rate.hits, trainings=rate.pairs
        )
        for name, rate in rates.items()
    )


def _gains(contrast: Contrast, backbone: str) -> dict[int, float]:
    mean = next((one for one in contrast.aggregate.backbones if one.backbone == backbone), None)
    return {} if mean is None else dict(zip(mean.seeds, mean.deltas, strict=True))


def _matrix(contrast: Contrast, backbone: str, *, of_base: bool) -> FloatArray:
    """Return the differences, or the base's scores, of every seed and benchmark, shape (S, C)."""
    cells = [cell for cell in contrast.cells if cell.backbone == backbone]
    seeds = sorted({seed for cell in cells for seed in cell.seeds})
    found = np.full((len(seeds), len(cells)), np.nan)
    for place, cell in enumerate(cells):
        values = cell.base_by_seed if of_base else cell.deltas
        for seed, value in zip(cell.seeds, values, strict=True):
            found[seeds.index(seed), place] = value
    return found
