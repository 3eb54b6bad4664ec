"""When two numbers of a result count as one: what rounding of sums leaves, and no more."""

from __future__ import annotations

import math
from typing import Any, Final

ROUNDING: Final = 1e-6
"""Points, squared points and shares alike: a thousand times what sums of thousands of scores leave."""


def same(one: float, other: float) -> bool:
    """Say whether two numbers differ by rounding alone; what is not a number is never the same."""
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=ROUNDING)


def alike(one: Any, other: Any) -> bool:  # noqa: ANN401 - whatever a dumped record holds
    """Say whether two dumped records have the same fields, names and counts, and numbers that are the same."""
    if isinstance(one, float) and isinstance(other, float):
        return same(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)
