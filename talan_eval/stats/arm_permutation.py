"""Does any arm differ? Permutations of the arms within seeds: one global test before all contrasts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.stats.arrays import FloatArray, IntArray

MAX_LISTED = 10**6
DRAWS = 10_000
_CHUNK = 1000
_TIE = 1e-9  # relative; near-ties count as ties, which can only raise p
_AXES = 3


@dataclass(frozen=True)
class GlobalTest:
    """Result of the global permutation test.

    Attributes:
        mean_p: p of the largest difference between two arms' equal-weight means over all cells.
        cell_p: p of the largest difference between two arms in any cell, each cell in units of its own spread within
            seeds, so that a noisy benchmark does not drown the others.
        floor: The smallest p that is possible, (A!)^(1 - S), or one in the number of draws plus one.
        exact: Whether all permutations were listed; otherwise 10,000 drawn ones and the observed one.
    """

    mean_p: float
    cell_p: float
    floor: float
    exact: bool


def permute_arms(scores: Sequence[FloatArray], draws: int = DRAWS, seed: int = 0) -> GlobalTest:
    """Permute the arms within each trained seed, once for all benchmarks of its backbone.

    The null hypothesis is that the arms of a seed are exchangeable: all of them have the same law. Equal means with
    unequal spreads are another hypothesis, for which the test is approximate. It needs no normality and, unlike sign
    flips of pairs, can reject with few seeds, because A arms have A! orders.

    Args:
        scores: One array per backbone, shape (A, S_b, C_b): mean score of each arm, seed and benchmark. Seeds that not
            every arm completed in every benchmark must be left out.
        draws: Number of drawn permutations where more than 10^6, (A!)^S over all backbones, would have to be listed.
        seed: Of the draws.

    Returns:
        Both p-values. They say that some arm differs, not which one.

    Raises:
        ValueError: With fewer than two arms, different numbers of arms, or no seed.
    """
    if not scores or any(block.ndim != _AXES or 0 in block.shape for block in scores):
        raise ValueError("the global test needs arms x seeds x benchmarks of every backbone")
    n_arms = len(scores[0])
    if n_arms < 2 or any(len(block) != n_arms for block in scores):  # noqa: PLR2004 - nothing to permute
        raise ValueError("the global test needs the same two or more arms on every backbone")
    # an arm's level in a seed is common to the arms' differences: leave deviations from the seed's mean over arms
    blocks = [np.transpose(block - block.mean(axis=0), (1, 0, 2)) for block in scores]
    n_cells = sum(block.shape[2] for block in blocks)
    units = sum(len(block) for block in blocks)
    exact = math.factorial(n_arms) ** units <= MAX_LISTED
    orders = _listed(n_arms, units) if exact else _drawn(n_arms, units, draws, np.random.default_rng(seed))
    observed = _statistics(blocks, np.arange(n_arms)[None, None, :].repeat(units, axis=1), n_cells)[:, 0]
    reached, count = np.zeros(2), 0
    for order in orders:
        reached += (_statistics(blocks, order, n_cells) >= observed[:, None] * (1 - _TIE)).sum(axis=1)
        count += len(order)
    total = count if exact else count + 1
    mean_p, cell_p = (reached + (0 if exact else 1)) / total
    return GlobalTest(float(mean_p), float(cell_p), 1 / total, exact)


def _statistics(blocks: Sequence[FloatArray], order: IntArray, n_cells: int) -> FloatArray:
    """Return the range of the arms' means, and the largest scaled range of a cell, shape (2, F).

    Args:
        blocks: Shape (S_b, A, C_b).
        order: Shape (F, units, A), which arm's scores each arm gets.
        n_cells: Cells over all backbones.
    """
    mean, largest, start = np.zeros((len(order), order.shape[2])), np.zeros(len(order)), 0
    for block in blocks:
        n_seeds = len(block)
        sums = block[np.arange(n_seeds)[None, :, None], order[:, start : start + n_seeds]].sum(axis=1)
        mean += sums.sum(axis=2) / (n_seeds * n_cells)
        scale = np.sqrt(np.square(block).sum(axis=(0, 1)))  # the same under every permutation
        scaled = np.ptp(sums, axis=1) / np.where(scale > 0, scale, 1.0)
        largest = np.maximum(largest, scaled.max(axis=1))
        start += n_seeds
    return np.stack([np.ptp(mean, axis=1), largest])


def _listed(n_arms: int, units: int) -> Iterator[IntArray]:
    """List all orders, the first seed's held: renaming the arms changes no difference."""
    every = np.array(list(permutations(range(n_arms))))
    total = len(every) ** (units - 1)
    powers = len(every) ** np.arange(units - 1)
    for start in range(0, total, _CHUNK):
        numbers = np.arange(start, min(start + _CHUNK, total))
        digits = numbers[:, None] // powers % len(every)
        yield every[np.hstack([np.zeros((len(numbers), 1), dtype=np.int64), digits])]


def _drawn(n_arms: int, units: int, draws: int, rng: np.random.Generator) -> Iterator[IntArray]:
    for start in range(0, draws, _CHUNK):
        count = min(_CHUNK, draws - start)
        yield rng.permuted(np.broadcast_to(np.arange(n_arms), (count, units, n_arms)), axis=2)
