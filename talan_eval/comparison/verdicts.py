"""When a result is called better or worse.

The mean of the first contrast is the primary test at level alpha; the means of the other contrasts are adjusted among
all of them. With three seeds or more it is better (worse) when the guarded t rejects with a positive (negative) mean;
where S seeds can bring the sign-flip p below alpha at all (S >= 6 at alpha = .05), the sign-flip test must reject too,
and the verdict is then called confirmed, otherwise normality-based.

A single cell needs five seeds, and the same tests adjusted for the family: Holm on the guarded p, and joint max-T; with
fewer it is not judged. Where there is a single cell, its mean is the cell, and both are judged as the mean is. Over
several backbones the smallest number of seeds counts for the t, and all trained pairs together for the sign flips.
Where variants of the arm under test were tried, every deciding p is multiplied by their number. With independent seeds
the smaller number counts and the guarded Welch t decides alone. Where a training of either arm diverged, verdicts are
withheld: that training is an outcome which the scores do not show.

With one seed the verdict is about the pair of checkpoints (E0), Holm over the cells, and says nothing of re-training.

Everything else that was tested is inconclusive, which is no evidence of equality. With two seeds: not estimable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.result.schema import CELL_SEEDS, SPARSE_SEEDS
from talan_eval.stats.signflip import sign_flip_floor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.family import Adjusted
    from talan_eval.comparison.statistics_settings import StatisticsSettings
    from talan_eval.result.schema import E1, Basis, VerdictWord

RULE = (
    "guarded t p < alpha and sign-flip p < alpha (confirmed); guarded t alone (normality-based) with at least 3 seeds "
    "but fewer than the sign-flip test needs"
)
RULE_OF_CHECKPOINTS = (
    "p < alpha of the mean difference over items of this pair of checkpoints; nothing about re-training"
)


@dataclass(frozen=True)
class Decision:
    """A verdict and, for better or worse, what it rests on."""

    word: VerdictWord
    basis: Basis | None = None


def sign_flip_decides(sizes: Sequence[int], alpha: float) -> bool:
    """Return whether the sign-flip test can reject at alpha; ``sizes`` are seeds per backbone."""
    return sign_flip_floor(sum(sizes)) < alpha


def mean_p(sizes: Sequence[int], e1: E1 | None, settings: StatisticsSettings) -> float | None:
    """Return the p that decides about a mean on its own, or None with too few seeds for a verdict.

    Args:
        sizes: Seeds of each backbone.
        e1: The tests of the mean. With independent seeds the guarded Welch t decides alone: the permutation test is
            exact for equal distributions only.
        settings: The error rate, and the variants tried, by which p is multiplied (Bonferroni).
    """
    if e1 is None or min(sizes) < SPARSE_SEEDS:
        return None
    both = sign_flip_decides(sizes, settings.alpha) and e1.signflip is not None
    p = max(e1.p, e1.signflip.p) if both and e1.signflip is not None else e1.p
    return min(1.0, p * settings.variants_tried)


def family_p(sizes: Sequence[int], own: float | None, adjusted: Adjusted, alpha: float) -> float | None:
    """Return the p that decides about a mean among the means of all contrasts; None with too few seeds for a verdict.

    By the rule of a cell: the larger of Holm's and max-T's, and Holm's alone where so few (or so many) seeds leave sign
    flips out.

    Args:
        sizes: Seeds of each backbone.
        own: Of ``mean_p``, below which it cannot be.
        adjusted: Its p-values among the means.
        alpha: The error rate.
    """
    if own is None or adjusted.holm_p is None:
        return None
    both = sign_flip_decides(sizes, alpha) and adjusted.maxt_p is not None
    return max(own, adjusted.holm_p, adjusted.maxt_p if both and adjusted.maxt_p is not None else 0.0)


def judge_mean(delta: float, sizes: Sequence[int], p: float | None, e1: E1 | None, alpha: float) -> Decision:
    """Judge a mean by its deciding p."""
    if p is None:
        return Decision("not estimable")
    both = sign_flip_decides(sizes, alpha) and e1 is not None and e1.signflip is not None
    return _judge(delta, p, alpha, "confirmed" if both else "normality-based")


def deciding_p(n_seeds: int, adjusted: Adjusted, alpha: float) -> float | None:
    """Return the adjusted p that decides about one cell, or None with too few seeds for a claim."""
    if adjusted.holm_p is None or n_seeds < CELL_SEEDS:
        return None
    if sign_flip_decides([n_seeds], alpha) and adjusted.maxt_p is not None:
        return max(adjusted.holm_p, adjusted.maxt_p)
    return adjusted.holm_p


def cell_verdict(delta: float, n_seeds: int, p: float | None, adjusted: Adjusted, alpha: float) -> Decision:
    """Judge one cell by its deciding p."""
    if n_seeds < SPARSE_SEEDS:
        return Decision("not estimable")
    if p is None:
        return Decision("not judged")
    confirmed = sign_flip_decides([n_seeds], alpha) and adjusted.maxt_p is not None
    return _judge(delta, p, alpha, "confirmed" if confirmed else "normality-based")


def judge_checkpoints(delta: float, p: float | None, alpha: float) -> Decision:
    """Judge a pair of checkpoints, or the mean over benchmarks, by its deciding p."""
    return Decision("not estimable") if p is None else _judge(delta, p, alpha, "items")


def _judge(delta: float, p: float, alpha: float, basis: Basis) -> Decision:
    if p >= alpha or delta == 0:
        return Decision("inconclusive")
    return Decision("better" if delta > 0 else "worse", basis)
