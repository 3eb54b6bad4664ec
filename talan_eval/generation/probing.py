"""What is asked of an engine before all else, to see that it holds what it should."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

PROBE: Final = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips did "
    "Natalia sell altogether in April and May? Think step by step, and write the number at the end."
)
"""A text after which log-probabilities are compared."""
TOLERANCE: Final = {"float32": 1e-3, "bfloat16": 0.5}
"""Largest difference of a log-probability to transformers in float32 that is rounding, by the engine's type."""
_PARTS: Final = 4


def probes_of(ids: Sequence[int]) -> list[tuple[int, ...]]:
    """Return what is asked where one place says too little: the probe's first quarter, half, three quarters, and it."""
    return [tuple(ids[: max(1, len(ids) * part // _PARTS)]) for part in range(1, _PARTS + 1)]


@dataclass(frozen=True, slots=True)
class Seen:
    """Log-probabilities of the same tokens, nats: what was said, and what files say.

    Attributes:
        said: By a server.
        own: By the files of what it should have.
    """

    said: tuple[float, ...]
    own: tuple[float, ...]

    @property
    def largest(self) -> float:
        """Return the largest difference."""
        return max(abs(one - other) for one, other in zip(self.said, self.own, strict=True))

    @property
    def apart(self) -> float:
        """Return the root mean square of the differences."""
        return _apart(self.said, self.own)

    def nearer(self, other: Sequence[float]) -> Literal["own", "other", "unclear"]:
        """Return whose numbers were said, if that can be told.

        They are surely the own files' where they are less than half as far from them as the other files are: they
        cannot be nearer to those then. They are the other files' where they are nearer to those, and by less than the
        two differ: what is farther off than that is rounded too much to tell. Where files differ by no more than
        float32 rounds, nothing is held against what was said.

        Args:
            other: What other files say of the same tokens.
        """
        between, there = _apart(self.own, other), _apart(self.said, other)
        if between > TOLERANCE["float32"] and there <= self.apart and there < between:
            return "other"
        return "own" if between == 0 or self.apart < between / 2 else "unclear"

    def is_of(self, other: Seen) -> bool:
        """Return whether what was said under another name is clearly the own files', and this is not."""
        return self.apart > TOLERANCE["float32"] and other.apart < self.apart / 2


def _apart(these: Sequence[float], those: Sequence[float]) -> float:
    return math.sqrt(sum((one - other) ** 2 for one, other in zip(these, those, strict=True)) / len(these))
