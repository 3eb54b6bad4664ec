"""Draws that mean nothing: random directions in place of a write, and random vectors and matrices to compare with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAWS: Final = 5
"""Random directions that stand in for each write."""

FRESH: Final = 20
"""Fresh draws of a block's initial weights, and of an ensemble's query matrices."""


@dataclass(frozen=True)
class RandomCosine:
    """The cosine of two independent random vectors.

    Attributes:
        dimension: d.
        mean: Its mean, 0.
        low: Lower end of the range that holds 95 % of such cosines.
        high: Upper end.
    """

    dimension: int
    mean: float
    low: float
    high: float


def random_cosine(dimension: int) -> RandomCosine:
    """Return the distribution of the cosine of two independent random directions, exactly.

    The square of the cosine is Beta(1/2, (d - 1)/2) distributed.

    Args:
        dimension: d, at least 2.
    """
    edge = float(special.betaincinv(0.5, (dimension - 1) / 2, 0.95) ** 0.5)
    return RandomCosine(dimension, 0.0, -edge, edge)


def generator_of(*purpose: object) -> torch.Generator:
    """Return a CPU generator that belongs to a purpose, such as ("direction", draw, example)."""
    text = ":".join(map(str, ("talan-analysis", *purpose)))
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(seed)


def random_directions(keys: Sequence[int], lengths: Sequence[int], dimension: int, draw: int) -> torch.Tensor:
    """Draw a random unit vector for each position of each example.

    An example's vectors depend on its key and the draw alone, not on what shares its batch.

    Args:
        keys: One per example.
        lengths: Tokens of each example.
        dimension: d.
        draw: Number of the draw.

    Returns:
        (examples, longest, d) in float32 on the CPU; zeros behind an example's end.
    """
    found = torch.zeros(len(keys), max(lengths), dimension)
    for row, (key, length) in enumerate(zip(keys, lengths, strict=True)):
        vectors = torch.randn(length, dimension, generator=generator_of("direction", draw, key))
        found[row, :length] = vectors / vectors.norm(dim=-1, keepdim=True)
    return found
