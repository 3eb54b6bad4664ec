"""The recipe of ``micro``: what its weights are a function of, and what its model card says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that determines the weights.

    Attributes:
        steps: Optimiser steps.
        batch: Sequences in a step.
        length: Tokens in a sequence.
        learning_rate: Peak, after ``warmup`` linear steps; then a cosine down to a twentieth of it.
        warmup: Steps of warm-up.
        weight_decay: AdamW's, on matrices only.
        seed: Of initialisation and text. Zero is a seed.
    """

    steps: int = 5500
    batch: int = 16
    length: int = 256
    learning_rate: float = 3e-3
    warmup: int = 200
    weight_decay: float = 0.1
    seed: int = 0
