"""What is asked of an engine before all else, to see that it holds what it should."""

from __future__ import annotations

from typing import Final

PROBE: Final = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips did "
    "Natalia sell altogether in April and May? Think step by step, and write the number at the end."
)
"""A text after which log-probabilities are compared."""
TOLERANCE: Final = {"float32": 1e-3, "bfloat16": 0.5}
"""Largest difference of a log-probability to transformers in float32 that is rounding, by the engine's type."""
