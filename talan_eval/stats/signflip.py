"""E1's exact companion: the sign-flip test by full enumeration, in integers, and the interval that inverts it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import FloatArray, IntArray, Interval, as_deltas
from talan_eval.stats.signed_sums import share_that_reaches

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SEEDS = 20  # whose 2^20 signed sums are listed; the test itself counts all patterns of any number of seeds
_GRID = 10**9  # fallback resolution for scores that are no multiple of 1/k
_INT_LIMIT = 2**62


@dataclass(frozen=True)
class SeedSums:
    """Seed differences as integers over one denominator, so that ties between signed sums are exact.

    Attributes:
        counts: Shape (S,); the difference of seed s is ``counts[s] / denominator``.
        denominator: Positive.
        slack: 0 when the counts are exact. Otherwise the counts are rounded to 1e-9 and two signed sums closer than
            this many units are treated as tied, which can only raise the p-value.
    """

    counts: IntArray
    denominator: int
    slack: int


@dataclass(frozen=True)
class SignFlip:
    """Result of the exact sign-flip test.

    Attributes:
        p: Two-sided p-value, a multiple of 2/2^S; the observed signs are one of the 2^S.
        floor: The smallest p that S seeds can give, 2/2^S.
    """

    p: float
    floor: float


def seed_sums(deltas: FloatArray, k: int) -> SeedSums:
    """Count a difference matrix in units of one sample.

    Args:
        deltas: Shape (S, N), values in [-1, 1], normally multiples of 1/k.
        k: Samples per item.

    Returns:
        Exact counts over N * k where the scores allow it, else seed means on a grid of 1e-9.
    """
    matrix = as_deltas(deltas)
    scaled = matrix * k
    whole = np.rint(scaled)
    if float(np.abs(scaled - whole).max()) < 1e-6:  # noqa: PLR2004 - far above rounding, far below one sample
        return SeedSums(whole.astype(np.int64).sum(axis=1), matrix.shape[1] * k, 0)
    return _rounded(matrix.mean(axis=1))


def mean_sums(cells: Sequence[SeedSums]) -> SeedSums:
    """Return the equal-weight mean of several cells over the same seeds, exact where the common denominator allows it.

    Args:
        cells: Each with counts of shape (S,).

    Returns:
        Counts over ``C * lcm(denominators)``, or on the 1e-9 grid if that leaves 64-bit integers.
    """
    common = math.lcm(*(cell.denominator for cell in cells))
    n_seeds = len(cells[0].counts)
    if all(cell.slack == 0 for cell in cells) and common * len(cells) * n_seeds < _INT_LIMIT:
        stacked = np.stack([cell.counts * (common // cell.denominator) for cell in cells])
        return SeedSums(stacked.sum(axis=0), common * len(cells), 0)
    return _rounded(np.mean([cell.counts / cell.denominator for cell in cells], axis=0))


def sign_flip(sums: SeedSums) -> SignFlip:
    """Exact two-sided sign-flip test of the mean over seeds.

    Under the null the difference of each seed is symmetric about zero, which swapping the two arms' labels of a seed
    makes true by design. All 2^S sign vectors count, for any number of seeds.

    Args:
        sums: Seed differences.

    Returns:
        The p-value and its floor.
    """
    observed = abs(int(sums.counts.sum()))
    return SignFlip(share_that_reaches(sums.counts, observed - sums.slack), sign_flip_floor(len(sums.counts)))


def sign_flip_floor(n_seeds: int) -> float:
    """Return the smallest two-sided sign-flip p-value of S seeds, 2/2^S."""
    return 2.0 ** (1 - n_seeds)


def hartigan_interval(per_seed: FloatArray, alpha: float) -> Interval | None:
    """Interval that inverts the sign-flip test: order statistics of the 2^S - 1 subset means (Hartigan 1969).

    With ``m = floor(alpha 2^S / 2)`` the interval runs from the m-th smallest to the m-th largest subset mean and has
    exact level ``1 - 2m / 2^S``. For five seeds or fewer m is 0 at alpha = .05: even the widest such interval, from the
    smallest to the largest seed, has level 1 - 2^(1-S), at most 93.75 %, so none exists.

    Args:
        per_seed: Shape (S,), 1 <= S <= 20.
        alpha: Two-sided error rate.

    Returns:
        The interval, or None where none of this level exists or where equal seeds leave it without width.

    Raises:
        ValueError: With more than 20 seeds.
    """
    n_seeds = len(per_seed)
    _check_size(n_seeds)
    rank = math.floor(alpha * 2**n_seeds / 2 + 1e-9)
    if rank < 1:
        return None
    sums, sizes = np.zeros(1), np.zeros(1)
    for value in per_seed:
        sums = np.concatenate([sums, sums + value])
        sizes = np.concatenate([sizes, sizes + 1])
    means = sums[1:] / sizes[1:]
    last = len(means) - rank
    ordered = np.partition(means, (rank - 1, last))
    lo, hi = float(ordered[rank - 1]), float(ordered[last])
    return Interval(lo, hi) if hi - lo > 1e-12 * max(abs(lo), abs(hi)) else None


def signed_sums(counts: IntArray) -> IntArray:
    """Enumerate the signed sums of several rows under common signs, the first seed's sign held at plus.

    Args:
        counts: Shape (C, S); the sign of a seed is the same in all C rows.

    Returns:
        Shape (C, 2^(S-1)), integers.

    Raises:
        ValueError: With more than 20 seeds.
    """
    _check_size(counts.shape[1])
    totals = counts[:, :1].astype(np.int64)
    for column in counts.T[1:]:
        totals = np.concatenate([totals + column[:, None], totals - column[:, None]], axis=1)
    return totals


def _check_size(n_seeds: int) -> None:
    if n_seeds > MAX_SEEDS:
        raise ValueError(f"sign flips are enumerated up to {MAX_SEEDS} seeds, got {n_seeds}")


def _rounded(per_seed: FloatArray) -> SeedSums:
    # each count is off by at most half a unit, so two signed sums of S counts are off by at most S units
    return SeedSums(np.rint(per_seed * _GRID).astype(np.int64), _GRID, len(per_seed))
