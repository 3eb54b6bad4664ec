"""A training that stands apart from the others of its comparison: a red flag, calibrated so that it is seldom false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from talan_eval.stats.arrays import FloatArray

MIN_SEEDS: Final = 5
_OF_NORMAL: Final = 1.482602218505602  # standard deviation over median absolute deviation of a normal law
_THRESHOLDS: Final = {
    5: 18.58, 6: 10.09, 7: 10.68, 8: 7.95, 9: 8.23, 10: 6.91, 11: 7.04, 12: 6.28, 13: 6.40, 14: 5.89, 15: 5.98,
    16: 5.60, 17: 5.65, 18: 5.39, 19: 5.43, 20: 5.23, 25: 5.02, 30: 4.77, 40: 4.59, 60: 4.41, 100: 4.31,
}  # fmt: skip
"""By number of seeds; ``python benchmarks/outlying_seeds.py`` simulates them."""


@dataclass(frozen=True)
class OutlyingSeed:
    """The seed that lies furthest from the median.

    Attributes:
        place: Its index.
        distance: ``|d_s - median|`` over the robust spread.
        threshold: What normal seeds exceed in at most 1 % of comparisons.
    """

    place: int
    distance: float
    threshold: float

    @property
    def stands_apart(self) -> bool:
        """Return whether it is an outlier."""
        return self.distance > self.threshold


def outlying_seed(per_seed: FloatArray, noise: float) -> OutlyingSeed | None:
    """Measure the seed that is furthest from the median.

    Args:
        per_seed: Differences of the seeds, shape (S,).
        noise: Standard deviation that items which flip at random give one seed, ``sqrt(MS_E / N)``: a spread below it
            is luck.

    Returns:
        The seed and its distance; None below five seeds, or where nothing varies. Not covered: two and more failures
        among few seeds, which hide each other.
    """
    n_seeds = len(per_seed)
    if n_seeds < MIN_SEEDS:
        return None
    away = np.abs(per_seed - np.median(per_seed))
    spread = max(_OF_NORMAL * float(np.median(away)), noise)
    if spread <= 0:
        return None
    place = int(away.argmax())
    return OutlyingSeed(place, float(away[place]) / spread, threshold(n_seeds))


def threshold(n_seeds: int) -> float:
    """Return what the furthest of so many normal seeds exceeds in at most 1 % of comparisons.

    Between and beyond the simulated numbers the threshold of the next smaller one holds, which is larger and so flags
    more seldom.
    """
    return _THRESHOLDS[max(known for known in _THRESHOLDS if known <= n_seeds)]
