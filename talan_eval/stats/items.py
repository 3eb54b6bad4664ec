"""Item level: which items are lost or gained again and again, and whether a benchmark can still tell arms apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import FloatArray, IntArray, as_deltas
from talan_eval.stats.clusters import Labels, as_clusters
from talan_eval.stats.mcnemar import mcnemar_exact
from talan_eval.stats.multiplicity import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ItemFlips:
    """Flips of each item over the seeds; all arrays have shape (N,).

    Attributes:
        lost: Seeds in which the treat arm scores less on the item.
        gained: Seeds in which it scores more.
        p: Exact two-sided sign test of lost against gained; 1 for an item that never changed.
        tarone_p: Family-wise adjusted over the items (Tarone 1990).
        bh_p: Adjusted for the false discovery rate over the items that could reach alpha at all; 1 for the others.
        testable: Items whose smallest attainable p is at most alpha.
    """

    lost: IntArray
    gained: IntArray
    p: FloatArray
    tarone_p: FloatArray
    bh_p: FloatArray
    testable: int

    def systematic(self, alpha: float) -> IntArray:
        """Return the items whose false-discovery-rate adjusted p is at most alpha, most one-sided first."""
        found = np.flatnonzero(self.bh_p <= alpha)
        imbalance = np.abs(self.gained - self.lost)[found]
        return np.asarray(found[np.argsort(-imbalance, kind="stable")], dtype=np.int64)


@dataclass(frozen=True)
class Concentration:
    """How much of the discordance sits in one place.

    Attributes:
        item: Share of ``sum |D|`` in the most discordant item; 0 without discordance.
        cluster: Share in the most discordant cluster; None without clusters.
        items_for_half: Fewest items that hold half of it; 0 without discordance.
    """

    item: float
    cluster: float | None
    items_for_half: int


@dataclass(frozen=True)
class Saturation:
    """Items that can no longer tell the arms apart.

    Attributes:
        always_right: Items with full score in both arms and all seeds.
        always_wrong: Items with score zero in both arms and all seeds.
        informative: All others.
    """

    always_right: int
    always_wrong: int
    informative: int

    @property
    def informative_share(self) -> float:
        """Return the share of items that can still change."""
        return self.informative / (self.always_right + self.always_wrong + self.informative)


def item_flips(deltas: FloatArray, alpha: float = 0.05) -> ItemFlips:
    """Count in how many seeds each item was lost or gained, and test which of them change systematically.

    An item that flips at random is lost as often as it is gained. Given its number of changes n the sign test's
    smallest attainable p is ``2/2^n``, so an item with few changes cannot count against the others: Tarone's (1990)
    adjusted p is ``p`` times the number of items whose smallest attainable p does not exceed it. Likewise
    Benjamini-Hochberg runs over the items that could reach alpha (Gilbert 2005); n says nothing about the direction, so
    this choice is free.

    Args:
        deltas: Shape (S, N), proportions; the sign counts.
        alpha: Error rate that decides which items could be significant.

    Returns:
        Counts and p-values. Not covered: a main effect. If the treat arm is better everywhere, many items are gained
        systematically, which is what the test then says. With five seeds or fewer no item is testable at .05.
    """
    matrix = as_deltas(deltas)
    lost = np.asarray((matrix < 0).sum(axis=0), dtype=np.int64)
    gained = np.asarray((matrix > 0).sum(axis=0), dtype=np.int64)
    table = {pair: mcnemar_exact(*pair) for pair in set(zip(lost.tolist(), gained.tolist(), strict=True))}
    p = np.array([table[pair] for pair in zip(lost.tolist(), gained.tolist(), strict=True)])
    attainable = np.minimum(1.0, 2.0 ** (1 - (lost + gained)))
    rivals = np.searchsorted(np.sort(attainable), p, side="right")
    open_ = attainable <= alpha
    bh = np.ones(len(p))
    if open_.any():
        bh[open_] = benjamini_hochberg(p[open_])
    return ItemFlips(lost, gained, p, np.minimum(1.0, p * rivals), bh, int(open_.sum()))


def concentration(deltas: FloatArray, clusters: Labels | Sequence[str] | Sequence[int] | None = None) -> Concentration:
    """Measure how much of the discordance one item or one cluster holds.

    Args:
        deltas: Shape (S, N).
        clusters: One cluster id per item.

    Returns:
        Shares in [0, 1].
    """
    weight = np.abs(as_deltas(deltas)).sum(axis=0)
    total = float(weight.sum())
    members = None if clusters is None else as_clusters(clusters, len(weight))
    if total == 0:
        return Concentration(0.0, None if members is None else 0.0, 0)
    share = None if members is None else float(members.totals(weight[None, :]).max()) / total
    running = np.cumsum(-np.sort(-weight))
    half = int(np.searchsorted(running, total / 2 * (1 - 1e-12))) + 1
    return Concentration(float(weight.max()) / total, share, half)


def saturation(base: FloatArray, treat: FloatArray) -> Saturation:
    """Count the items that all checkpoints of both arms answer alike, right or wrong.

    Args:
        base: Scores of the base arm, shape (S1, N), proportions.
        treat: Scores of the treat arm, shape (S2, N).

    Returns:
        The counts. A benchmark with few informative items is saturated: its N overstates what it can show.
    """
    if base.shape[1] != treat.shape[1]:
        raise ValueError(f"the arms need the same items, got {base.shape} and {treat.shape}")
    right = int(((base.min(axis=0) >= 1) & (treat.min(axis=0) >= 1)).sum())
    wrong = int(((base.max(axis=0) <= 0) & (treat.max(axis=0) <= 0)).sum())
    return Saturation(right, wrong, base.shape[1] - right - wrong)
