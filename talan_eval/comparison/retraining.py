"""What the statistics say of one mean difference, before it is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from talan_eval.comparison.published import Reasons
    from talan_eval.result import schema
    from talan_eval.stats.arrays import Interval
    from talan_eval.stats.backbones import BackbonesT
    from talan_eval.stats.crossed import Crossed


@dataclass(frozen=True)
class Companions:
    """What stands beside the guarded interval of E1; each is null where it does not exist."""

    signflip: schema.SignFlip | None = None
    permutation: schema.Permutation | None = None
    bootstrap: schema.Bootstrap | None = None


@dataclass(frozen=True)
class RetrainingEstimate:
    """E1 and E2 of a mean over cells, in proportions.

    Attributes:
        independent: Whether each arm has training seeds of its own (Welch), or they are paired or the base is fixed.
        seeds: The guarded t over seeds.
        df: Degrees of freedom of its plain t, also where equal seeds leave that without a variance.
        beside: What stands beside it.
        crossed: Seeds and items random; None where that cannot be estimated.
        two_way: Two-way bootstrap interval; None where it has no width, or seeds are independent.
        reasons: Why something is null, and how to take what is there.
    """

    independent: bool
    seeds: BackbonesT
    df: float
    beside: Companions
    crossed: Crossed | None
    two_way: Interval | None
    reasons: Reasons
