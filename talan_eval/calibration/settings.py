"""Which experiments the study simulates."""

from __future__ import annotations

import dataclasses
import json
import zlib
from itertools import product

from talan_eval.calibration.coverage import CoverageSetting
from talan_eval.calibration.families import FamilySetting
from talan_eval.calibration.gates import GateSetting, PeekSetting
from talan_eval.calibration.world import World

Setting = CoverageSetting | FamilySetting | GateSetting | PeekSetting

SEEDS = (3, 5, 7, 10, 20)
SMALL = 24  # settings of the small study
# open items and shared random numbers: dense flips, an adapter against an adapter, an almost saturated benchmark
_DENSITIES = ((1.0, 0.0), (0.3, 0.8), (0.05, 0.8))


def key(setting: Setting) -> str:
    """Name a setting by what it is."""
    return f"{type(setting).__name__} {json.dumps(dataclasses.asdict(setting), sort_keys=True)}"


def full_study() -> tuple[Setting, ...]:
    """List all settings, mixed so that every prefix is a fair sample of the whole."""
    every = [*_coverage(), *_families(), *_backbones(), *_gates(), *(PeekSetting(3, last) for last in (7, 10, 20))]
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
    return [
        GateSetting(World(n_seeds, 500, tau=tau, delta=delta, agreement=0.8))
        for n_seeds, tau, delta in product((3, 7, 20), (0.0, 0.005), (0.01, 0.0, -0.005, -0.01, -0.02, -0.03))
    ]
