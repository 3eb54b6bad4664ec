"""Which experiments the study simulates."""

from __future__ import annotations

import dataclasses
import json
import zlib
from itertools import product
from typing import TYPE_CHECKING

from talan_eval.calibration.contrasts import ContrastsSetting, Pairs, SelectionSetting
from talan_eval.calibration.coverage import CoverageSetting
from talan_eval.calibration.families import FamilySetting
from talan_eval.calibration.gates import GateSetting, PeekSetting
from talan_eval.calibration.unpaired import FixedSetting, IndependentSetting
from talan_eval.calibration.world import Law, World

if TYPE_CHECKING:
    from talan_eval.calibration.effects import EffectLaw

Setting = (
    CoverageSetting
    | FamilySetting
    | GateSetting
    | PeekSetting
    | FixedSetting
    | IndependentSetting
    | ContrastsSetting
    | SelectionSetting
)

SEEDS = (3, 5, 7, 10, 20)
SMALL = 24  # settings of the small study
_LAWS: tuple[EffectLaw, ...] = ("normal", "exponential", "t3", "failed")
_TRAININGS: tuple[Law, ...] = ("normal", "exponential", "exponential losses", "t3", "failed")
_PAIRS: tuple[Pairs, ...] = ("base", "all")
# open items and shared random numbers: dense flips, an adapter against an adapter, an almost saturated benchmark
_DENSITIES = ((1.0, 0.0), (0.3, 0.8), (0.05, 0.8))


def key(setting: Setting) -> str:
    """Name a setting by what it is."""
    return f"{type(setting).__name__} {json.dumps(dataclasses.asdict(setting), sort_keys=True)}"


def full_study() -> tuple[Setting, ...]:
    """List all settings, mixed so that every prefix is a fair sample of the whole."""
    every = [*_coverage(), *_families(), *_backbones(), *_gates(), *(PeekSetting(3, last) for last in (7, 10, 20))]
    every += [*_fixed(), *_independent(), *_contrasts(), *_selections()]
    return tuple(sorted(every, key=lambda setting: zlib.crc32(key(setting).encode())))


def _coverage() -> list[Setting]:
    worlds = [
        World(n_seeds, n_items, tau=tau, lean=lean, open_share=share, agreement=agreement)
        for n_seeds, n_items, (share, agreement), tau, lean in product(
            SEEDS, (198, 1319), _DENSITIES, (0.0, 0.004, 0.02), (0.0, 0.1)
        )
        if 3 * tau / share + lean <= 0.35  # noqa: PLR2004 - the room of a probability, see World
    ]
    worlds += [
        World(n_seeds, 198, tau=tau, lean=lean, k=4) for n_seeds, tau, lean in product((3, 7), (0.0, 0.02), (0.0, 0.1))
    ]
    worlds += [World(n_seeds, n_items, tau=0.02, law="skewed") for n_seeds, n_items in product(SEEDS, (198, 1319))]
    # effects of the trainings several times the items' noise in variance, so that their law shows
    worlds += [World(n_seeds, 1319, tau=0.02, agreement=0.8, law=law) for n_seeds, law in product(SEEDS, _LAWS)]
    worlds += [
        World(n_seeds, n_items, tau=tau, open_share=share, agreement=agreement)
        for n_seeds, n_items, (share, agreement), tau in product((3, 7), (10, 30), _DENSITIES[:2], (0.0, 0.02))
    ]
    worlds += [
        World(n_seeds, 500, tau=tau, lean=0.25, cluster=cluster)
        for n_seeds, tau, cluster in product(SEEDS, (0.0, 0.02), (5, 25))
    ]
    return [CoverageSetting(world) for world in worlds]


def _families() -> list[Setting]:
    return [
        FamilySetting(
            World(n_seeds, 198, tau=tau), n_benchmarks=4, gains=gains, gain=0.06 if gains else 0.0, shared=shared
        )
        for n_seeds, tau, gains, shared in product((5, 6, 7, 10), (0.004, 0.02), (0, 2), (0.0, 0.8))
    ]


def _backbones() -> list[Setting]:
    return [
        FamilySetting(World(n_seeds, 198, tau=tau, lean=lean), n_benchmarks=2, n_backbones=4, shared=0.5)
        for n_seeds, tau, lean in product((3, 7), (0.004, 0.02), (0.0, 0.2))
    ]


def _gates() -> list[Setting]:
    settings = [
        GateSetting(World(n_seeds, 500, tau=tau, delta=delta, agreement=0.8))
        for n_seeds, tau, delta in product((3, 7, 20), (0.0, 0.005), (0.01, 0.0, -0.005, -0.01, -0.02, -0.03))
    ]
    # a loss of just the margin, none, and a gain of the margin, by the law of the trainings
    settings += [
        GateSetting(World(n_seeds, 1319, tau=0.02, delta=delta, agreement=0.8, law=law), margin=0.02)
        for n_seeds, law, delta in product((5, 7, 10), _TRAININGS, (-0.02, 0.0, 0.02))
    ]
    settings += [
        GateSetting(World(n_seeds, n_items, delta=delta, open_share=0.3, agreement=0.8), margin=0.02)
        for n_seeds, n_items, delta in product((3, 5, 7), (30, 100), (-0.02, 0.0, 0.02))
    ]
    return [*settings]


def _fixed() -> list[Setting]:
    return [
        FixedSetting(World(n_seeds, n_items, tau=tau, lean=lean, open_share=share), answers)
        for n_seeds, n_items, (share, tau, lean), answers in product(
            (3, 5, 7, 10), (198, 1319), ((1.0, 0.004, 0.1), (1.0, 0.02, 0.0), (0.05, 0.004, 0.0)), (0, 4)
        )
    ]


def _independent() -> list[Setting]:
    sizes = ((3, 3), (5, 5), (7, 7), (3, 7), (7, 3), (5, 10))
    # seeds that matter more than items, items that matter more than seeds, and spreads of 3 to 1 either way
    spreads = ((0.02, 0.02), (0.004, 0.004), (0.06, 0.015), (0.015, 0.06))
    settings = [
        IndependentSetting(one, other, 1319, treat, base, lean=lean)
        for (one, other), (treat, base), lean in product(sizes, spreads, (0.0, 0.05))
        if lean == 0 or treat == base
    ]
    settings += [IndependentSetting(one, other, 198, 0.002, 0.002, open_share=0.05) for one, other in sizes]
    settings += [
        IndependentSetting(one, other, 1319, 0.03, 0.03, law=law)
        for (one, other), law in product(((3, 3), (5, 5), (7, 7), (3, 7)), _LAWS)
        if law != "normal"
    ]
    settings += [
        IndependentSetting(count, count, 1319, 0.06, 0.06, r=r) for count, r in product((3, 5, 7), (0.0, 0.2, 0.5))
    ]
    return [*settings]


def _contrasts() -> list[Setting]:
    # effects of the trainings four times the items' noise in variance, so that their law shows
    settings = [
        ContrastsSetting(13, 7, law=law, n_items=1000, tau=0.03) for law in _LAWS if law in {"exponential", "failed"}
    ]
    settings += [
        ContrastsSetting(5, n_seeds, pairs, law, n_items=1000, tau=0.03)
        for n_seeds, pairs, law in product((5, 7), _PAIRS, _LAWS)
        if n_seeds == 7 or law in {"normal", "exponential"}  # noqa: PLR2004 - the usual number, under every law
    ]
    settings += [ContrastsSetting(13, 7, "all")]
    settings += [ContrastsSetting(5, 7, pairs, gains=2, gain=0.08) for pairs in _PAIRS]
    settings += [ContrastsSetting(13, 7, gains=4, gain=0.08)]
    return [*settings]


def _selections() -> list[Setting]:
    return [
        SelectionSetting(n_arms, n_seeds, spread=spread)
        for n_arms, n_seeds, spread in product((1, 3, 12), (3, 7), (0.0, 0.02))
    ]
