"""Multinomial weights with equal probabilities, many at once: how often each item is drawn in a resample.

Independent Poisson counts of one rate are, given their sum T, multinomial with T draws. So counts that fall short of
the wanted n are completed with n - T single draws, and a row that overshoots n is drawn again one by one. Either way
the row is multinomial with n draws, whatever the rate: the rate, a little below one draw per item, only decides how
many single draws are left to do. A Poisson count costs one random byte where the byte settles it, which is the case for
about 99 in 100; the rest take a further random number, so that the law is exact to double precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from talan_eval.stats.arrays import FloatArray

_CHUNK: Final = 1 << 18  # counts at a time: one byte each, so that they stay in the cache
_ONE_THREAD: Final = 1 << 18  # multiplications; for a larger product OpenBLAS wakes threads, which wait for busy cores
_WIDTH: Final = 8  # its kernels are half as fast for products of other widths
_WIDEST: Final = 16  # columns at a time: wider products of so few rows are slower
_FEWEST: Final = 64  # with fewer items single draws are as fast
_SPARE: Final = 2.3  # standard deviations that the Poisson sum stays below the number of draws: 1 row in 90 overshoots
_LARGEST: Final = 24  # a Poisson count of rate 1 exceeds it with probability 1e-26


def weighted_sums(columns: NDArray[np.floating], draws: NDArray[np.int64], rng: np.random.Generator) -> FloatArray:
    """Return ``sum_j W[b, j] columns[j]`` for multinomial weights W.

    Args:
        columns: Shape (J, R), one row per item, single or double precision.
        draws: Shape (B,), draws of each resample among the J items, each at least 0.
        rng: Source of randomness; what is drawn from it does not depend on the values in ``columns``.

    Returns:
        Shape (B, R), computed in the precision of ``columns``.
    """
    (size, width), resamples = columns.shape, len(draws)
    padded = np.pad(columns, ((0, 0), (0, -width % _WIDTH)))
    blocks = [np.ascontiguousarray(padded[:, at : at + _WIDEST]) for at in range(0, padded.shape[1], _WIDEST)]
    rows = max(1, _CHUNK // size)
    weights = np.empty((min(rows, resamples), size), dtype=columns.dtype)
    rate = _rate(draws, size)
    law = None if size < _FEWEST or rate == 0 else _poisson_bytes(rate)
    result = np.empty((resamples, padded.shape[1]), dtype=columns.dtype)
    for start in range(0, resamples, rows):
        wanted = draws[start : start + rows]
        filled = weights[: len(wanted)]
        if law is None:
            _draw_singly(filled, wanted, rng)
        else:
            _draw(filled, wanted, law, rng)
        _multiply(filled, blocks, result[start : start + len(wanted)])
    return result[:, :width].astype(np.float64)


def _multiply(
    weights: NDArray[np.floating], blocks: Sequence[NDArray[np.floating]], result: NDArray[np.floating]
) -> None:
    """Write the products of the weights with all blocks of columns side by side."""
    for number, block in enumerate(blocks):
        step = max(1, _ONE_THREAD // block.size)
        columns = slice(number * _WIDEST, number * _WIDEST + block.shape[1])
        for start in range(0, len(weights), step):
            np.matmul(weights[start : start + step], block, out=result[start : start + step, columns])


@dataclass(frozen=True, eq=False)
class _PoissonBytes:
    """A Poisson law, as a random byte decides it.

    Attributes:
        thresholds: The count is at least k where the byte is at least ``thresholds[k - 1]``.
        limit: Bytes from here on leave the count open.
        open_cdf: Shape (K,), cumulative probabilities of the counts 0..K-1 then.
    """

    thresholds: tuple[int, ...]
    limit: int
    open_cdf: FloatArray


def _rate(draws: NDArray[np.int64], size: int) -> float:
    """Return a rate, from 0 to 1, at which few rows overshoot and few single draws are left to do."""
    mean = float(draws.mean())
    spare = _SPARE * math.sqrt(mean + float(draws.var()))
    return min(max(mean - spare, 0.0) / size, 1.0)


def _poisson_bytes(rate: float) -> _PoissonBytes:
    factorials = np.array([math.factorial(count) for count in range(_LARGEST + 1)], dtype=np.float64)
    scaled = 256 * math.exp(-rate) * rate ** np.arange(_LARGEST + 1) / factorials
    whole = np.floor(scaled)
    edges = np.cumsum(whole).astype(np.int64)
    rest = np.cumsum(scaled - whole)
    thresholds = tuple(int(edge) for edge, further in zip(edges[:-1], whole[1:], strict=True) if further > 0)
    return _PoissonBytes(thresholds, int(edges[-1]), rest / rest[-1])


def _draw(
    weights: NDArray[np.floating], draws: NDArray[np.int64], law: _PoissonBytes, rng: np.random.Generator
) -> None:
    """Fill the rows of ``weights``, shape (B, J), with multinomial counts of ``draws[b]`` draws."""
    size = weights.shape[1]
    words = rng.integers(0, np.iinfo(np.uint64).max, size=-(-weights.size // 8), dtype=np.uint64, endpoint=True)
    byte = words.view(np.uint8)[: weights.size]
    counts = np.zeros(weights.size, dtype=np.uint8)
    reached = np.empty(weights.size, dtype=np.bool_)
    for threshold in law.thresholds:
        np.greater_equal(byte, threshold, out=reached)
        np.add(counts, reached.view(np.uint8), out=counts)
    if law.limit < 256:  # noqa: PLR2004 - the values of a byte
        unsettled = np.flatnonzero(np.greater_equal(byte, law.limit, out=reached))
        counts[unsettled] = np.searchsorted(law.open_cdf, rng.random(len(unsettled)), side="right")
    weights[...] = counts.reshape(weights.shape)
    missing = draws - weights.sum(axis=1).astype(np.int64)
    short = np.maximum(missing, 0)
    slots = np.repeat(np.arange(len(draws)) * size, short) + rng.integers(0, size, size=int(short.sum()))
    np.add.at(weights.reshape(-1), slots, weights.dtype.type(1))
    over = np.flatnonzero(missing < 0)
    if len(over):
        again = np.empty((len(over), size), dtype=weights.dtype)
        _draw_singly(again, draws[over], rng)
        weights[over] = again


def _draw_singly(weights: NDArray[np.floating], draws: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Do the same as ``_draw``, one random number per draw."""
    size = weights.shape[1]
    slots = np.repeat(np.arange(len(draws)) * size, draws) + rng.integers(0, size, size=int(draws.sum()))
    weights[...] = np.bincount(slots, minlength=weights.size).reshape(weights.shape)
