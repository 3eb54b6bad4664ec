"""One line that says what was computed, in the manner of sacreBLEU (Post 2018), and the hash of the declared family."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from talan_eval.comparison.matrix import CellScores
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.result.contrast import ContrastSpec

PACKAGE = "talan-eval"
UNVERSIONED = "unversioned"


def family_hash(
    contrasts: Sequence[ContrastSpec], cells: Iterable[tuple[str, str, str, str]], variants_tried: int = 1
) -> str:
    """Hash the declared family, to be frozen before results are read.

    Args:
        contrasts: What is compared, the primary one first; the order of the others does not matter.
        cells: (backbone, task, metric, slice) of each cell, in any order; the slice is "" for the whole benchmark.
        variants_tried: Variants of the arm under test that were tried.

    Returns:
        12 hexadecimal digits of SHA-256. That of one paired contrast is the one of result schema 1, so that baselines
        of that schema stay comparable.
    """
    primary = contrasts[0]
    family: dict[str, object] = {
        "base": primary.base,
        "treat": primary.treatment,
        "cells": sorted(cells),
        "variants_tried": variants_tried,
    }
    if len(contrasts) > 1 or primary.pairing != "paired":
        family["contrasts"] = sorted([one.base, one.treatment, one.pairing] for one in contrasts)
    document = json.dumps(family, sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()[:12]


def signature(
    contrasts: Sequence[Sequence[CellScores]],
    settings: StatisticsSettings,
    family: str,
    task_versions: Mapping[str, str],
    sandbox_tier: object = None,
) -> str:
    """Build the signature: two results with equal signatures were computed alike on the same questions.

    Args:
        contrasts: Ordered cells of each contrast.
        settings: Settings of the statistics.
        family: Hash of the declared family.
        task_versions: Version of each task; a task that is missing reads "unversioned".
        sandbox_tier: The boundary around model-written programs; None where none was run.

    Returns:
        ``key:value`` pairs joined by "|".
    """
    cells = contrasts[0]
    by_task = {cell.task: cell for cell in cells}  # the backbones of a benchmark answer the same items
    pairing = hashlib.sha256("\n".join(str(cell.items.pairing_hash) for cell in cells).encode()).hexdigest()[:12]
    pairings = dict.fromkeys(one[0].contrast.pairing for one in contrasts)
    several = len(contrasts) > 1 or "paired" not in pairings
    independent = "independent" in pairings
    parts = {
        "backbone": "+".join(dict.fromkeys(cell.backbone for cell in cells)),
        "tasks": "+".join(f"{task}@{task_versions.get(task, UNVERSIONED)}" for task in by_task),
        "items": "+".join(str(len(cell.items.item_ids)) for cell in by_task.values()),
        "seeds": _same([seed_range(cell.seeds) for one in contrasts for cell in one]),
        "k": _same([str(cell.k) for cell in cells]),
        "pair": pairing,
        **({"contrasts": f"{len(contrasts)},{'+'.join(pairings)}"} if several else {}),
        "family": family,
        "e0": "bonett-price+midp,t",
        "e1": "guarded-t,sign-flip" + (",welch,permutation" if independent else ""),
        "e2": "guarded-crossed,pigeonhole",
        "boot": settings.bootstrap,
        "variants": str(settings.variants_tried),
        "alpha": f"{settings.alpha:g}",
        "rs": str(settings.resamples),
        "rng": str(settings.rng_seed),
        **({} if sandbox_tier is None else {"sandbox": str(sandbox_tier)}),
        "version": package_version(),
    }
    return "|".join(f"{key}:{value}" for key, value in parts.items())


def seed_range(seeds: Sequence[int]) -> str:
    """Return "0-6" for consecutive ascending seeds, else "0,3,5"."""
    consecutive = list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))) if seeds else False
    return f"{seeds[0]}-{seeds[-1]}" if consecutive and len(seeds) > 1 else ",".join(map(str, seeds))


def package_version() -> str:
    """Return the installed version of this package, or "source" when it runs from a source tree without metadata."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "source"


def _same(values: Sequence[str]) -> str:
    return values[0] if len(set(values)) == 1 else "+".join(values)
