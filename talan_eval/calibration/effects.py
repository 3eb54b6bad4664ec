"""Laws of the trainings: standardised seed effects, mean 0 and variance 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray

EffectLaw = Literal["normal", "exponential", "exponential losses", "t3", "failed"]
LARGEST = 10.0  # effects are cut here, far out
_FALL, _FAILED = 10.0, 0.1


def draw_effects(law: EffectLaw, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Draw standardised effects.

    Args:
        law: "normal"; "exponential", with its long tail to gains; "exponential losses", the same towards losses; "t3",
            Student's t with three degrees of freedom (cut at ten, its standard deviation is 0.95); "failed", where one
            training in ten falls ten standard deviations of the others below them.
        shape: Shape of the result.
        rng: Source of randomness.
    """
    if law == "exponential":
        effects = rng.exponential(size=shape) - 1
    elif law == "exponential losses":
        effects = 1 - rng.exponential(size=shape)
    elif law == "t3":
        effects = rng.standard_t(3, size=shape) / np.sqrt(3)
    elif law == "failed":
        falls = (rng.random(shape) < _FAILED) - _FAILED
        effects = (rng.normal(size=shape) - _FALL * falls) / np.sqrt(1 + _FALL**2 * _FAILED * (1 - _FAILED))
    else:
        effects = rng.normal(size=shape)
    return np.clip(effects, -LARGEST, LARGEST)
