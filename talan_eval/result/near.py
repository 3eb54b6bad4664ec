"""When two numbers of a result count as one: what rounding of sums leaves, and no more."""

from __future__ import annotations

import math
from typing import Final

ROUNDING: Final = 1e-6
"""Points, squared points and shares alike: a thousand times what sums of thousands of scores leave."""


def same(one: float, other: float) -> bool:
    """Say whether two numbers differ by rounding alone; what is not a number is never the same."""
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=ROUNDING)
