"""Exact sign flips over several backbones: one sign per seed per backbone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.signed_sums import share_that_reaches
from talan_eval.stats.signflip import SeedSums, SignFlip, mean_sums, sign_flip_floor, signed_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.arrays import FloatArray, IntArray

_GRID = 10**12
_INT_LIMIT = 2**62


def sign_flip_backbones(cells: Sequence[SeedSums], backbones: Sequence[str]) -> SignFlip:
    """Exact two-sided sign-flip test of the equal-weight mean over cells.

    Each trained pair of each backbone has a sign of its own, which flips all its benchmarks together. All sign vectors
    count, whatever their number: 28 units (four backbones with seven seeds) take a millisecond.

    Args:
        cells: Counts of shape (S_b,); the cells of one backbone over the same seeds.
        backbones: Backbone of each cell.

    Returns:
        The p-value and its floor, 2 / 2^(sum of S_b). Where the denominators have no common multiple within 64 bits the
        differences are rounded to 1e-12 and near-ties count as ties, which can only raise p.
    """
    counts, slack = _units(cells, backbones)
    needed = abs(int(counts.sum())) - slack
    return SignFlip(share_that_reaches(counts, needed), sign_flip_floor(len(counts)))


def max_t_backbones(cells: Sequence[SeedSums], backbones: Sequence[str]) -> FloatArray:
    """Joint sign-flip max-T, step-down, with one sign per seed per backbone (Westfall and Young 1993).

    Backbones flip independently, so the chance that no cell reaches a value is the product over backbones, each of them
    enumerated in full; with one backbone this is ``max_t``.

    Args:
        cells: Counts of shape (S_b,), up to 20 seeds per backbone.
        backbones: Backbone of each cell.

    Returns:
        Adjusted two-sided p-values in the order given, shape (C,). The smallest that a cell can reach depends on its
        own backbone's seeds, 2/2^S, and on its rivals.
    """
    groups = _groups(cells, backbones)
    observed, slack, flipped = np.empty(len(cells)), np.empty(len(cells)), {}
    for members in groups:
        counts = np.stack([cells[cell].counts for cell in members])
        norms = np.sqrt(np.square(counts.astype(np.float64)).sum(axis=1))
        norms[norms == 0] = 1.0
        totals = np.abs(signed_sums(counts)) / norms[:, None]
        for row, cell in enumerate(members):
            observed[cell] = abs(int(counts[row].sum())) / norms[row]
            slack[cell] = cells[cell].slack / norms[row]
            flipped[cell] = totals[row]
    order = np.argsort(-observed, kind="stable")
    adjusted, running = np.empty(len(cells)), 0.0
    for position, cell in enumerate(order):
        # equal integer sums over the same norm may differ in the last bit: count them as the ties that they are
        threshold = observed[cell] * (1 - 1e-12) - slack[cell]
        left = set(order[position:].tolist())
        below = 1.0
        for members in groups:
            rivals = [flipped[rival] for rival in members if rival in left]
            if rivals:
                below *= float(np.mean(np.max(rivals, axis=0) < threshold))
        running = max(running, 1 - below)
        adjusted[cell] = running
    return adjusted


def _groups(cells: Sequence[SeedSums], backbones: Sequence[str]) -> list[list[int]]:
    if not cells or len(cells) != len(backbones):
        raise ValueError("every cell needs its backbone, and there must be at least one cell")
    found: dict[str, list[int]] = {}
    for position, name in enumerate(backbones):
        found.setdefault(name, []).append(position)
    return list(found.values())


def _units(cells: Sequence[SeedSums], backbones: Sequence[str]) -> tuple[IntArray, int]:
    """Return every trained pair's share of the mean as an integer, and the slack of their signed sums."""
    groups = _groups(cells, backbones)
    means = [mean_sums([cells[cell] for cell in members]) for members in groups]
    scales = [mean.denominator * len(mean.counts) for mean in means]
    common = math.lcm(*scales)
    exact = all(mean.slack == 0 for mean in means) and common * len(cells) < _INT_LIMIT
    if exact:
        units = [
            mean.counts * (len(members) * (common // scale))
            for mean, members, scale in zip(means, groups, scales, strict=True)
        ]
        return np.concatenate(units), 0
    shares = [
        mean.counts * (len(members) / len(cells) / scale)
        for mean, members, scale in zip(means, groups, scales, strict=True)
    ]
    rounded = np.rint(np.concatenate(shares) * _GRID).astype(np.int64)
    # half a unit of rounding each, and what the counts themselves were rounded by
    own = sum(
        mean.slack * len(members) / len(cells) / scale
        for mean, members, scale in zip(means, groups, scales, strict=True)
    )
    return rounded, len(rounded) + math.ceil(own * _GRID)
