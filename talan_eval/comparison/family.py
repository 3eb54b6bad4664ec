"""The family: the tests of all contrasts, adjusted together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_core.errors import UserError
from talan_eval.comparison.checkpoint_means import two_sided
from talan_eval.stats.contrast_family import FamilyMember, adjust_family
from talan_eval.stats.guard import ErrorTerm
from talan_eval.stats.joint_flips import SeedGains
from talan_eval.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.checkpoint_means import Checkpoints
    from talan_eval.comparison.inference import Analysed
    from talan_eval.comparison.matrix import CellScores
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.result.schema import E1
    from talan_eval.stats.arrays import Interval
    from talan_eval.stats.contrast_family import FamilyResult


@dataclass(frozen=True)
class Adjusted:
    """p-values of one test, adjusted over its family and for the variants tried; None where it could not be tested.

    Attributes:
        holm_p: Holm on the guarded p.
        maxt_p: Joint sign-flip max-T, step-down; None without signs.
        bh_p: Benjamini-Hochberg.
        by_p: Benjamini-Yekutieli.
        interval: Simultaneous interval, in proportions.
    """

    holm_p: float | None = None
    maxt_p: float | None = None
    bh_p: float | None = None
    by_p: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True, eq=False)
class FamilyTest:
    """One test as its family sees it.

    Attributes:
        delta: Its difference, a proportion.
        e1: Its E1; None where it could not be tested.
        seeds: Its differences by seed, one part per backbone; empty without signs to flip.
    """

    delta: float
    e1: E1 | None
    seeds: tuple[SeedGains, ...] = ()


def adjust(family: Sequence[FamilyTest], settings: StatisticsSettings) -> list[Adjusted]:
    """Adjust the p-values of a family.

    Args:
        family: All tests that are judged together.
        settings: The error rate; the seed of sign flips where they are too many to be listed; and the variants that
            were tried, by whose number every p is multiplied (Bonferroni).

    Returns:
        In the order given. A test that could not be done stays in the family with p = 1.
    """
    if not family:
        return []
    results = adjust_family([_member(one) for one in family], settings.alpha, settings.rng_seed)
    raw = np.array([1.0 if one.e1 is None else one.e1.p for one in family])
    rates = zip(benjamini_hochberg(raw), benjamini_yekutieli(raw), strict=True)
    times = settings.for_variants
    return [
        Adjusted(times(found.holm_p), times(_joint(one, found, len(family))), times(bh), times(by), found.interval)
        if one.e1 is not None
        else Adjusted()
        for one, found, (bh, by) in zip(family, results, rates, strict=True)
    ]


def _joint(one: FamilyTest, found: FamilyResult, size: int) -> float | None:
    """Return the joint sign-flip p; a test that is alone in its family has its own, whatever the number of seeds."""
    alone = size == 1 and one.e1 is not None and one.e1.signflip is not None
    return one.e1.signflip.p if alone and one.e1 is not None and one.e1.signflip is not None else found.joint_p


def adjust_checkpoints(family: Sequence[Checkpoints | None], settings: StatisticsSettings) -> list[Adjusted]:
    """Adjust the p-values of E0 over a family: Holm, and Bonferroni for simultaneous intervals.

    Args:
        family: All tests that are judged together; None where there is none, which stays in the family with p = 1.
        settings: The error rate, and the variants that were tried.
    """
    if not family:
        return []
    raw = np.array([1.0 if one is None else one.record.p for one in family])
    columns = zip(family, holm(raw), benjamini_hochberg(raw), benjamini_yekutieli(raw), strict=True)
    times = settings.for_variants
    return [
        Adjusted()
        if one is None
        else Adjusted(times(p), None, times(bh), times(by), two_sided(one.evidence, settings.alpha / len(family))[0])
        for one, p, bh, by in columns
    ]


def cell_test(item: Analysed) -> FamilyTest:
    """Return a cell or slice as a test of its family; signs flip where seeds are paired or the base is fixed."""
    scores, e1 = item.scores, item.inference.e1
    delta = float(scores.deltas.mean(axis=1).mean())
    if scores.contrast.pairing == "independent" or e1 is None or _drawn(e1, scores):
        return FamilyTest(delta, e1)
    return FamilyTest(delta, e1, (SeedGains(scores.backbone, scores.seeds, scores.deltas.mean(axis=1)),))


def _drawn(e1: E1, scores: CellScores) -> bool:
    """Tell whether a fixed base's drawn answers are noise that signs do not see."""
    return scores.contrast.pairing == "fixed" and scores.k > 1 and e1.signflip is None


def check_family(cells: Sequence[CellScores]) -> None:
    """Raise a ``UserError`` where the backbones of a benchmark cannot be averaged."""
    items: dict[str, list[CellScores]] = {}
    for cell in cells:
        items.setdefault(cell.task, []).append(cell)
    for task, members in items.items():
        # not the prompts: each backbone has its own chat template
        if len({cell.items.item_ids for cell in members}) > 1:
            raise UserError(
                f"The backbones answered different items of {task!r}, so their mean has no common benchmark.",
                "Evaluate every backbone on the same items: the same task version and --limit.",
            )
        if len({_grouping(cell) for cell in members}) > 1:
            raise UserError(
                f"The backbones group the items of {task!r} into different clusters, so they cannot be drawn together.",
                "Give every backbone the same clusters, or none.",
            )
    tasks: dict[str, tuple[str, ...]] = {}
    for cell in cells:
        tasks[cell.backbone] = (*tasks.get(cell.backbone, ()), cell.task)
    if len(set(tasks.values())) > 1:
        listed = "; ".join(f"{name}: {', '.join(of)}" for name, of in tasks.items())
        raise UserError(
            f"The backbones have different benchmarks ({listed}).",
            "Compare benchmarks that every backbone has: --tasks NAME",
        )


def _grouping(cell: CellScores) -> tuple[int, ...] | None:
    """Return the number of each item's cluster, in the order of the clusters' names."""
    clusters = cell.items.clusters
    return None if clusters is None else tuple(np.unique(clusters, return_inverse=True)[1].tolist())


def _member(one: FamilyTest) -> FamilyMember:
    if one.e1 is None:
        return FamilyMember(0.0, (ErrorTerm("t", 1.0, math.inf),))
    terms = tuple(
        ErrorTerm(term.name, term.se / 100, math.inf if term.df is None else term.df) for term in one.e1.terms
    )
    return FamilyMember(one.delta, terms, one.seeds)
