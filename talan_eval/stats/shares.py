"""Whether a share of answers (unparsed ones, say) differs between two arms by more than chance.

An answer counts as 1 where it belongs to the share, else as 0, and the paired differences of these are differences like
those of scores: the same items, the same seeds, and clusters where items go together. So the same tests serve: E0 of a
checkpoint pair for one seed (McNemar, or cluster-robust), the guarded t over seeds for several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.guarded_t import guarded_t
from talan_eval.stats.mcnemar import checkpoint_pair
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.multiplicity import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.arrays import FloatArray, Interval
    from talan_eval.stats.clusters import Labels

ALPHA = 0.05
"""Familywise error rate of all flags of one report together."""


@dataclass(frozen=True)
class ShareDifference:
    """A share in both arms.

    Attributes:
        base: Share of the base arm's answers, from 0 to 1.
        treat: Share of the treat arm's answers.
        p: Two-sided p-value of no difference; 1 where no answer differs.
        ci: Interval of ``treat - base``; None where there is none.
    """

    base: float
    treat: float
    p: float
    ci: Interval | None


def share_difference(
    base: FloatArray,
    treat: FloatArray,
    alpha: float = ALPHA,
    clusters: Labels | Sequence[str] | Sequence[int] | None = None,
) -> ShareDifference:
    """Compare a share between the arms.

    Args:
        base: Which answers of the base arm belong to the share, shape (S, N): 1 or 0, or a mean over samples.
        treat: The same of the treat arm, seed by seed and item by item.
        alpha: Two-sided error rate of the interval.
        clusters: One cluster id per item, where items are not independent.

    Raises:
        ValueError: The shapes differ.
    """
    if base.shape != treat.shape:
        raise ValueError(f"the arms have shapes {base.shape} and {treat.shape}")
    deltas = treat - base
    shares = float(base.mean()), float(treat.mean())
    if not np.any(deltas):
        return ShareDifference(*shares, 1.0, None)
    if len(deltas) == 1:
        pair = checkpoint_pair(deltas[0], alpha, clusters)
        return ShareDifference(*shares, pair.p, pair.ci)
    guard = guarded_t(deltas.mean(axis=1), [mean_squares(deltas, clusters)], alpha).guard
    return ShareDifference(*shares, guard.p, guard.ci)


def more_than_chance(differences: Sequence[ShareDifference], alpha: float = ALPHA) -> tuple[bool, ...]:
    """Tell which shares differ, by Holm's step-down over all that one report looks at.

    Args:
        differences: Of every benchmark and every share.
        alpha: Probability of any flag where no share differs.
    """
    if not differences:
        return ()
    adjusted = holm(np.array([difference.p for difference in differences]))
    return tuple(bool(p < alpha) for p in adjusted)
