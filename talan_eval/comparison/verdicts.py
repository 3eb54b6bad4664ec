"""When a result is called better or worse.

The aggregate is the primary test at level alpha. With three seeds or more it is better (worse) when the guarded t
rejects with a positive (negative) mean; where S seeds can bring the sign-flip p below alpha at all (S >= 6 at alpha =
.05, up to 20), the sign-flip test must reject too, and the verdict is then called confirmed, otherwise normality-based.

A single cell needs five seeds, and the same tests adjusted for the family: Holm on the guarded p, and joint max-T.

Everything else that was tested is inconclusive, which is no evidence of equality. With one or two seeds: not estimable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.comparison.inference import CELL_SEEDS, SPARSE_SEEDS
from talan_eval.stats.signflip import MAX_SEEDS, sign_flip_floor

if TYPE_CHECKING:
    from talan_eval.schema import E1, Basis, VerdictWord

RULE = (
    "guarded t p < alpha and sign-flip p < alpha (confirmed); guarded t alone (normality-based) with at least 3 seeds "
    "but fewer than the sign-flip test needs, or with more than 20"
)


@dataclass(frozen=True)
class Verdict:
    """A verdict and, for better or worse, what it rests on."""

    word: VerdictWord
    basis: Basis | None = None


def sign_flip_decides(n_seeds: int, alpha: float) -> bool:
    """Return whether the sign-flip test of S seeds is enumerated and can reject at alpha."""
    return sign_flip_floor(n_seeds) < alpha and n_seeds <= MAX_SEEDS


def aggregate_verdict(delta: float | None, n_seeds: int, e1: E1 | None, alpha: float) -> Verdict:
    """Judge the primary test (one test, nothing to adjust)."""
    if delta is None or e1 is None or n_seeds < SPARSE_SEEDS:
        return Verdict("not estimable")
    if sign_flip_decides(n_seeds, alpha) and e1.signflip is not None:
        return _judge(delta, max(e1.p, e1.signflip.p), alpha, "confirmed")
    return _judge(delta, e1.p, alpha, "normality-based")


def deciding_p(n_seeds: int, holm_p: float | None, maxt_p: float | None, alpha: float) -> float | None:
    """Return the adjusted p that decides about one cell, or None with too few seeds for a claim."""
    if holm_p is None or n_seeds < CELL_SEEDS:
        return None
    return max(holm_p, maxt_p) if sign_flip_decides(n_seeds, alpha) and maxt_p is not None else holm_p


def cell_verdict(delta: float, n_seeds: int, adjusted_p: float | None, maxt_p: float | None, alpha: float) -> Verdict:
    """Judge one cell by its adjusted p."""
    if n_seeds < SPARSE_SEEDS:
        return Verdict("not estimable")
    if adjusted_p is None:
        return Verdict("inconclusive")
    confirmed = sign_flip_decides(n_seeds, alpha) and maxt_p is not None
    return _judge(delta, adjusted_p, alpha, "confirmed" if confirmed else "normality-based")


def _judge(delta: float, p: float, alpha: float, basis: Basis) -> Verdict:
    if p >= alpha or delta == 0:
        return Verdict("inconclusive")
    return Verdict("better" if delta > 0 else "worse", basis)
