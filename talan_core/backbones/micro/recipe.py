"""The recipes of ``micro`` and ``mini``: what their weights are a function of, and what their model cards say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Architecture:
    """The architecture of a backbone: Qwen3, tied embeddings, 1,024 tokens of vocabulary.

    Attributes:
        layers: Decoder layers.
        width: Of the residual stream.
        inner: Width of the feed-forward part.
        heads: Heads of queries.
        key_value_heads: Heads of keys and values.
        head: Width of a head.
    """

    layers: int
    width: int
    inner: int
    heads: int
    key_value_heads: int
    head: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that determines the weights.

    Attributes:
        architecture: Layers and widths.
        steps: Optimiser steps.
        batch: Sequences in a step.
        length: Tokens in a sequence.
        learning_rate: Peak, after ``warmup`` linear steps; then a cosine down to a twentieth of it.
        warmup: Steps of warm-up.
        weight_decay: AdamW's, on matrices only.
        seed: Of initialisation and text. Zero is a seed.
    """

    architecture: Architecture
    steps: int
    learning_rate: float
    batch: int = 16
    length: int = 256
    warmup: int = 200
    weight_decay: float = 0.1
    seed: int = 0


RECIPES: Final = {
    "micro": Recipe(Architecture(6, 128, 384, heads=4, key_value_heads=2, head=32), steps=5500, learning_rate=3e-3),
    "mini": Recipe(Architecture(8, 320, 960, heads=5, key_value_heads=5, head=64), steps=2000, learning_rate=1.5e-3),
}
"""The backbones that are trained here, 1.3 and 11 million parameters, by name."""
