"""Joint sign flips of a whole family: cells of several contrasts, or their means, under one sign per trained seed.

Cells of a backbone share its seeds, whichever contrast and benchmark they belong to, so the sign of a seed flips all of
them together and their dependence is kept. A cell that lacks a seed uses the signs of its own seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import FloatArray, Interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.stats.arrays import IntArray

LISTED = 2**22  # statistics (members times sign vectors) that are listed in full; 20 seeds and eight cells
DRAWS = 2**16  # sign vectors otherwise, the observed one among them
_AT_ONCE = 2**20
_TIE = 1e-9  # relative; near-ties count as ties, which can only raise p


@dataclass(frozen=True, eq=False)
class SeedGains:
    """The differences of a cell's seeds, or one backbone's part of a mean.

    Attributes:
        backbone: Name.
        seeds: Training seeds, unique.
        per_seed: Their differences, shape (S,), proportions.
        weight: The backbone's share of the mean; 1 for a cell.
    """

    backbone: str
    seeds: tuple[int, ...]
    per_seed: FloatArray
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse seeds that do not belong to the differences."""
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or len(self.seeds) != len(self.per_seed):
            raise ValueError(f"every difference on {self.backbone} needs one seed of its own")


@dataclass(frozen=True, eq=False)
class JointFlips:
    """The joint law of a family's statistics under sign flips, and what it says about the observed ones.

    Attributes:
        step_down: Adjusted p-values (Westfall and Young 1993, step-down max-T), shape (M,).
        single_step: Single-step adjusted p-values, shape (M,), each at least the step-down one.
        critical: The largest statistic that single-step does not reject at alpha.
        exact: Whether every sign vector was listed; otherwise 65,535 drawn ones and the observed one.
    """

    step_down: FloatArray
    single_step: FloatArray
    critical: float
    exact: bool


Member = tuple[SeedGains, ...]


def joint_sign_flips(members: Sequence[Member], alpha: float, seed: int = 0) -> JointFlips:
    """Flip all members of a family together.

    A member's statistic is ``|m| / sqrt(sum_b w_b^2 / S_b^2 sum_s d_bs^2)``, with ``m = sum_b w_b mean_s d_bs``. For
    one backbone it is ``|sum_s d_s| / sqrt(sum_s d_s^2)``, which orders like |t|, and the step-down p-values are those
    of ``max_t_backbones``. Members without a common backbone are independent under flips.

    Flipping the seeds of one pair of arms is exact where swapping the pair's labels changes nothing. In a family whose
    contrasts share arms it is approximate: that arms are exchangeable does not make the vector of all differences
    symmetric. docs/statistics.md gives the measured family-wise error.

    Args:
        members: At least one; each one part for every backbone it covers.
        alpha: Family-wise error rate of ``critical``.
        seed: Of the draws, where more than 4,194,304 statistics would have to be listed.

    Returns:
        The adjusted p-values and the critical value. A family of one has its own sign-flip p (drawn, from 24 trained
        pairs on: use ``sign_flip_backbones`` there).

    Raises:
        ValueError: If there is no member, or a member names a backbone twice.
    """
    if not members or not all(members):
        raise ValueError("a family needs at least one member, and every member its seeds")
    blocks, owners = _blocks(members)
    observed = np.empty(len(members))
    for block, rows in zip(blocks, owners, strict=True):
        observed[rows] = np.abs(block.sum(axis=1))
    order = np.argsort(-observed, kind="stable")
    place = np.empty(len(members), dtype=np.int64)
    place[order] = np.arange(len(members))
    thresholds = observed[order] * (1 - _TIE)
    rng = np.random.default_rng(seed)
    below, single, laws, exact = np.ones(len(members)), np.ones(len(members)), [], True
    for block, rows in zip(blocks, owners, strict=True):
        rank = np.argsort(place[rows])
        flips = _Flips(block[rank], place[rows][rank], listed=block.shape[0] << (block.shape[1] - 1) <= LISTED)
        share, largest = flips.run(thresholds, rng)
        below *= share
        largest.sort()
        single *= np.searchsorted(largest, thresholds, side="left") / len(largest)
        laws.append(largest)
        exact &= flips.listed
    step_down = np.maximum.accumulate(1 - below)
    return JointFlips(step_down[place], (1 - single)[place], _critical(laws, alpha), exact)


def flip_interval(member: Member, critical: float) -> Interval | None:
    """Return the shifts of a member's differences whose statistic stays at or below a critical value.

    All differences of the member are shifted alike, so the condition is a quadratic inequality; for one backbone its
    solution is ``m +- t s / sqrt(S)`` with ``t = c sqrt((S - 1) / (S - c^2))``.

    Args:
        member: Its seeds.
        critical: ``JointFlips.critical``.

    Returns:
        The interval, which excludes zero exactly when the member's single-step p is at most alpha. None where it is
        unbounded: so few seeds cannot bring the statistic above the critical value.
    """
    means = np.array([part.per_seed.mean() for part in member])
    weights = np.array([part.weight for part in member])
    shares = np.array([part.weight**2 / len(part.seeds) for part in member])
    spread = sum(share * float(part.per_seed.var()) for part, share in zip(member, shares, strict=True))
    # a statistic that ties with the critical value is not rejected, so its shift belongs into the interval
    reached = critical * (1 + 2 * _TIE)
    square, centre = reached * reached, float(weights @ means) / float(weights.sum())
    means -= centre  # the quadratic is solved around the mean, where it does not cancel
    lead = float(weights.sum()) ** 2 - square * float(shares.sum())
    if lead <= _TIE:
        return None
    middle = square * float(shares @ means) / lead
    # the inequality is lead x^2 + 2 square (shares . means) x - square (spread + shares . means^2) <= 0
    root = math.sqrt(middle * middle + square * (spread + float(shares @ (means * means))) / lead)
    return Interval(centre - middle - root, centre - middle + root)


@dataclass(frozen=True, eq=False)
class _Flips:
    """Statistics of the members of one block under its signs.

    Attributes:
        contributions: Shape (M_b, U): what each trained seed adds to each statistic, largest observed member first.
        places: Their places in the family's order, ascending.
        listed: Whether all sign vectors are used.
    """

    contributions: FloatArray
    places: IntArray
    listed: bool

    def run(self, thresholds: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return, for each place of the family, the share of flips that keep all later members below its threshold.

        The second array holds the largest statistic of each flip.
        """
        # the first member of this block that is still there when the family's members before a place are rejected
        first = np.searchsorted(self.places, np.arange(len(thresholds)))
        open_places = first < len(self.places)
        below, largest, count = np.zeros(len(thresholds)), [], 0
        for signs in self._signs(rng):
            statistics = np.abs(self.contributions @ signs)
            reverse = np.maximum.accumulate(statistics[::-1], axis=0)[::-1]
            largest.append(reverse[0])
            count += reverse.shape[1]
            kept = reverse[first[open_places]] < thresholds[open_places, None]
            below[open_places] += kept.sum(axis=1)
        share = np.where(open_places, below / count, 1.0)
        return share, np.concatenate(largest)

    def _signs(self, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Yield sign vectors as columns; the first unit's sign is plus, because the mirror image gives the same."""
        units = self.contributions.shape[1]
        total = 2 ** (units - 1) if self.listed else DRAWS
        step = max(1, _AT_ONCE // max(self.contributions.shape))
        for start in range(0, total, step):
            numbers = np.arange(start, min(start + step, total))
            if self.listed:
                bits = numbers[None, :] >> np.arange(units - 1)[:, None] & 1
            else:
                bits = rng.integers(0, 2, size=(units - 1, len(numbers)))
                bits[:, numbers == 0] = 0  # the observed signs are one of the drawn
            yield np.vstack([np.ones(len(numbers)), 1.0 - 2.0 * bits])


def _blocks(members: Sequence[Member]) -> tuple[list[FloatArray], list[IntArray]]:
    """Group members that share backbones, and lay out what each trained seed adds to each statistic."""
    groups: list[tuple[set[str], list[int]]] = []
    for row, member in enumerate(members):
        names = {part.backbone for part in member}
        if len(names) != len(member):
            raise ValueError("a member of a family names each backbone once")
        joined = [group for group in groups if group[0] & names]
        groups = [group for group in groups if not group[0] & names]
        merged = set().union(names, *(group[0] for group in joined))
        groups.append((merged, [*(other for group in joined for other in group[1]), row]))
    blocks, owners = [], []
    for _, rows in groups:
        units = sorted({(part.backbone, s) for row in rows for part in members[row] for s in part.seeds})
        column = {unit: position for position, unit in enumerate(units)}
        block = np.zeros((len(rows), len(units)))
        for position, row in enumerate(sorted(rows)):
            for part in members[row]:
                columns = [column[part.backbone, s] for s in part.seeds]
                block[position, columns] = part.weight * part.per_seed / len(part.seeds)
        norms = np.sqrt(np.square(block).sum(axis=1, keepdims=True))
        blocks.append(block / np.where(norms > 0, norms, 1.0))
        owners.append(np.array(sorted(rows)))
    return blocks, owners


def _critical(laws: Sequence[FloatArray], alpha: float) -> float:
    """Return the largest attained maximum that more than a share alpha of all flips reach.

    Args:
        laws: The maxima of each block, sorted; the maximum over blocks is their product law.
        alpha: The share.
    """
    values = np.unique(np.concatenate(laws))

    def reached(value: float) -> float:
        return 1 - math.prod(np.searchsorted(law, value * (1 - _TIE), side="left") / len(law) for law in laws)

    low, high = 0, len(values) - 1  # every flip reaches the smallest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if reached(float(values[middle])) > alpha else (low, middle - 1)
    return float(values[low])
