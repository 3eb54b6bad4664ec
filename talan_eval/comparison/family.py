"""The family: every cell and slice that is tested, analysed alike and adjusted together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_core.errors import UserError
from talan_eval.comparison.inference import Inference, infer
from talan_eval.stats.backbone_flips import max_t_backbones
from talan_eval.stats.backbones import GridCell
from talan_eval.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm
from talan_eval.stats.signflip import MAX_SEEDS, SeedSums, seed_sums
from talan_eval.stats.two_way import Member, TwoWay, two_way_intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.pairing import CellScores
    from talan_eval.comparison.settings import StatisticsSettings
    from talan_eval.stats.arrays import FloatArray, Interval


@dataclass(frozen=True, eq=False)
class Analysed:
    """A cell, or a slice of one, with its inference.

    Attributes:
        scores: Paired scores.
        slice: "label=value", or None for the whole benchmark.
        deltas: Their differences, shape (S, N), proportions.
        inference: E1 and E2.
    """

    scores: CellScores
    slice: str | None
    deltas: FloatArray
    inference: Inference

    @property
    def name(self) -> str:
        """Return what reports call it."""
        return self.scores.task if self.slice is None else f"{self.scores.task} {self.slice}"


@dataclass(frozen=True)
class Adjusted:
    """p-values of one cell, adjusted over the family and for the variants tried; None where it could not be tested."""

    holm_p: float | None
    maxt_p: float | None
    bh_p: float | None
    by_p: float | None


def analyse(
    family: Sequence[tuple[str | None, CellScores]], settings: StatisticsSettings
) -> tuple[list[Analysed], Interval | None]:
    """Infer about the cells and slices of a family.

    Args:
        family: (slice, scores) of each; the slice is None for a whole benchmark.
        settings: Error rate, resamples, bootstrap.

    Returns:
        The inferences in the order given, and the two-way bootstrap interval of the mean over whole benchmarks, in
        proportions, which is drawn along with theirs.
    """
    common = common_seeds([scores for part, scores in family if part is None])
    complete = all(common.values())
    members = [
        Member(
            GridCell(scores.backbone, _drawn_as(part, scores), scores.treat - scores.base, scores.clusters),
            scores.seeds,
            common[scores.backbone] if part is None and complete else None,
        )
        for part, scores in family
    ]
    two_way = _two_way(members, settings)
    analysed = []
    for (part, scores), member, interval in zip(family, members, two_way.members, strict=True):
        rng = generator(settings, scores.name if part is None else f"{scores.name}/{part}")
        inference = infer([member.cell], [scores.k], settings, rng, interval)
        analysed.append(Analysed(scores, part, member.cell.deltas, inference))
    return analysed, two_way.mean


def _two_way(members: Sequence[Member], settings: StatisticsSettings) -> TwoWay:
    if max(len(member.seeds) for member in members) == 1:  # nothing is said about re-training then
        return TwoWay((None,) * len(members), None)
    return two_way_intervals(
        members, settings.resamples, lambda name: generator(settings, f"two-way/{name}"), settings.alpha
    )


def common_seeds(cells: Sequence[CellScores]) -> dict[str, tuple[int, ...]]:
    """Return the seeds that are complete in all cells of each backbone, ascending."""
    found: dict[str, set[int]] = {}
    for cell in cells:
        found.setdefault(cell.backbone, set(cell.seeds)).intersection_update(cell.seeds)
    return {backbone: tuple(sorted(seeds)) for backbone, seeds in found.items()}


def generator(settings: StatisticsSettings, name: str) -> np.random.Generator:
    """Return the generator of one part of a comparison, keyed by name: a further benchmark changes no other's draws."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng([settings.rng_seed, key])


def adjust(family: Sequence[Analysed], variants: int) -> list[Adjusted]:
    """Adjust the family's p-values.

    Args:
        family: Cells and slices.
        variants: Variants of the treat arm that were tried; every p is multiplied by it (Bonferroni).

    Returns:
        Holm on the guarded p, joint sign-flip max-T with one sign per seed of a backbone, Benjamini-Hochberg and
        Benjamini-Yekutieli, in the order given. A cell that could not be tested stays in the family with p = 1.
    """
    tested = [item.inference.e1 is not None for item in family]
    raw = np.array([1.0 if item.inference.e1 is None else item.inference.e1.p for item in family])
    joint = _max_t(family)
    adjusted = zip(holm(raw), joint, benjamini_hochberg(raw), benjamini_yekutieli(raw), strict=True)

    def times(p: float | None) -> float | None:
        return None if p is None else min(1.0, float(p) * variants)

    return [
        Adjusted(*(times(p) for p in row)) if known else Adjusted(None, None, None, None)
        for known, row in zip(tested, adjusted, strict=True)
    ]


def check_family(cells: Sequence[CellScores]) -> None:
    """Raise a ``UserError`` for a family that is empty or names a cell twice."""
    if not cells:
        raise UserError("There is no cell to compare.", "Name at least one benchmark with --tasks.")
    names = [(cell.backbone, cell.task, cell.metric) for cell in cells]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"Benchmark {name[1]!r} is given twice.", "Name each benchmark once with --tasks.")
    items: dict[str, tuple[CellScores, ...]] = {}
    for cell in cells:
        items[cell.task] = (*items.get(cell.task, ()), cell)
    for task, members in items.items():
        # not the prompts: each backbone has its own chat template
        if len({cell.item_ids for cell in members}) > 1:
            raise UserError(
                f"The backbones answered different items of {task!r}, so their mean has no common benchmark.",
                "Evaluate every backbone on the same items: the same task version and --limit.",
            )
        if len({_grouping(cell) for cell in members}) > 1:
            raise UserError(
                f"The backbones group the items of {task!r} into different clusters, so they cannot be drawn together.",
                "Give every backbone the same clusters, or none.",
            )


def _grouping(cell: CellScores) -> tuple[int, ...] | None:
    """Return the number of each item's cluster, in the order of the clusters' names."""
    return None if cell.clusters is None else tuple(np.unique(cell.clusters, return_inverse=True)[1].tolist())


def _drawn_as(part: str | None, scores: CellScores) -> str:
    """Name the items that are resampled together: those of a benchmark for all backbones, of a slice for one."""
    return scores.task if part is None else f"{scores.name}/{part}"


def _max_t(family: Sequence[Analysed]) -> list[float | None]:
    seeds: dict[str, list[int]] = {}
    for item in family:
        known = seeds.setdefault(item.scores.backbone, [])
        known.extend(seed for seed in item.scores.seeds if seed not in known)
    if max(len(known) for known in seeds.values()) > MAX_SEEDS:
        return [None] * len(family)
    sums = [_spread_out(item, sorted(seeds[item.scores.backbone])) for item in family]
    return [float(p) for p in max_t_backbones(sums, [item.scores.backbone for item in family])]


def _spread_out(item: Analysed, seeds: Sequence[int]) -> SeedSums:
    """Place a cell's seeds among all seeds of its backbone; a seed that it lacks contributes nothing."""
    sums = seed_sums(item.deltas, item.scores.k)
    counts = np.zeros(len(seeds), dtype=np.int64)
    counts[[seeds.index(seed) for seed in item.scores.seeds]] = sums.counts
    return SeedSums(counts, sums.denominator, sums.slack)
