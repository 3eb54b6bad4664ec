"""One-sided guarded bounds, equivalence, and the numbers that a gate decides on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from talan_eval.stats.guard import ErrorTerm, tail_p

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PLANNED_SEEDS = 1000


class GateOutcome(StrEnum):
    """What a non-inferiority gate can say."""

    PASS = "pass"  # noqa: S105 - an outcome, no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class OneSided:
    """One-sided guarded bounds.

    Attributes:
        lower: Exceeded by the true difference with confidence 1 - alpha.
        upper: Exceeds the true difference with confidence 1 - alpha.
        alpha: One-sided error rate of each bound.
    """

    lower: float
    upper: float
    alpha: float


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests.

    Attributes:
        p_not_worse: One-sided p of "delta > -margin".
        p_not_better: One-sided p of "delta < margin".
        p: The larger: small when the arms are equivalent within the margin.
    """

    p_not_worse: float
    p_not_better: float
    p: float


@dataclass(frozen=True)
class GateNumbers:
    """Everything that a gate needs to decide and to explain itself.

    Attributes:
        outcome: PASS when the lower bound exceeds -margin; FAIL when the upper bound is below ``fail_below``; else
            INCONCLUSIVE. If both hold (a certain loss that is certainly smaller than the margin), FAIL.
        bounds: The one-sided bounds.
        p_pass: One-sided p of "delta > -margin"; below alpha exactly for a lower bound above -margin.
        p_fail: One-sided p of "delta < fail_below".
        seeds_to_decide: Seeds in all at which these numbers would decide, if the difference and the spreads stayed what
            they are; None when decided, or when no number up to 1,000 would.
    """

    outcome: GateOutcome
    bounds: OneSided
    p_pass: float
    p_fail: float
    seeds_to_decide: int | None


def one_sided_bounds(delta: float, terms: Sequence[ErrorTerm], alpha: float = 0.05) -> OneSided:
    """One-sided bounds with the same guard as the two-sided interval: the widest term counts.

    Args:
        delta: Mean difference, a proportion.
        terms: The error terms of a guarded result (``guarded_t(...).terms``).
        alpha: One-sided error rate of each bound; .05 gives the 95 % bounds, the ends of the two-sided 90 % interval.

    Returns:
        Lower and upper bound.
    """
    half = max(term.half_width(2 * alpha) for term in terms)
    return OneSided(delta - half, delta + half, alpha)


def one_sided_p(shift: float, terms: Sequence[ErrorTerm]) -> float:
    """Return the guarded one-sided p-value of "the true shift is positive", the largest over the terms.

    Args:
        shift: Estimated difference minus the null value.
        terms: Error terms.

    Returns:
        Below alpha exactly when the one-sided lower bound of the shift is above zero.
    """
    return max(_one_sided(shift, term) for term in terms)


def equivalence(delta: float, terms: Sequence[ErrorTerm], margin: float) -> Equivalence:
    """Two one-sided tests (Schuirmann 1987): are the arms equal within a margin?

    Args:
        delta: Mean difference, a proportion.
        terms: Error terms.
        margin: Positive proportion, chosen before the data are seen.

    Returns:
        Both one-sided p-values and their maximum; p < alpha exactly when the two-sided 1 - 2 alpha interval lies within
        the margin.

    Raises:
        ValueError: If the margin is not positive.
    """
    if not margin > 0:
        raise ValueError(f"an equivalence margin must be positive, got {margin}")
    worse, better = one_sided_p(delta + margin, terms), one_sided_p(margin - delta, terms)
    return Equivalence(worse, better, max(worse, better))


def gate_numbers(
    delta: float,
    terms: Sequence[ErrorTerm],
    n_seeds: int,
    margin: float,
    *,
    fail_below: float = 0.0,
    alpha: float = 0.05,
) -> GateNumbers:
    """Compute the three-valued outcome of a non-inferiority gate and the seeds that would decide it.

    Args:
        delta: Mean difference, a proportion.
        terms: Error terms.
        n_seeds: S, seeds of each backbone.
        margin: Tolerated loss, a proportion, 0 or more.
        fail_below: FAIL needs an upper bound below this: 0, or -margin where so declared.
        alpha: One-sided error rate.

    Returns:
        The numbers. ``seeds_to_decide`` scales every term by ``sqrt(S / S')`` and its degrees of freedom by
        ``(S' - 1) / (S - 1)``; it is a plan, not a promise, and adding seeds until a gate decides needs the
        anytime-valid test.

    Raises:
        ValueError: If the margin is negative or ``fail_below`` is positive.
    """
    if margin < 0 or fail_below > 0:
        raise ValueError("a gate tolerates a loss of 0 or more and fails below 0 or less")
    bounds = one_sided_bounds(delta, terms, alpha)
    outcome = _outcome(bounds, margin, fail_below)
    needed = None
    if outcome is GateOutcome.INCONCLUSIVE:
        for planned in range(n_seeds + 1, MAX_PLANNED_SEEDS + 1):
            future = one_sided_bounds(delta, [_with_seeds(term, n_seeds, planned) for term in terms], alpha)
            if _outcome(future, margin, fail_below) is not GateOutcome.INCONCLUSIVE:
                needed = planned
                break
    return GateNumbers(
        outcome, bounds, one_sided_p(delta + margin, terms), one_sided_p(fail_below - delta, terms), needed
    )


def _outcome(bounds: OneSided, margin: float, fail_below: float) -> GateOutcome:
    if bounds.upper < fail_below:
        return GateOutcome.FAIL
    return GateOutcome.PASS if bounds.lower > -margin else GateOutcome.INCONCLUSIVE


def _with_seeds(term: ErrorTerm, n_seeds: int, planned: int) -> ErrorTerm:
    df = term.df if math.isinf(term.df) else term.df * (planned - 1) / max(n_seeds - 1, 1)
    return ErrorTerm(term.name, term.se * math.sqrt(n_seeds / planned), df)


def _one_sided(shift: float, term: ErrorTerm) -> float:
    if shift == 0:
        return 0.5
    two_sided = tail_p(abs(shift) / term.se, term.df) if term.se > 0 else 0.0
    return two_sided / 2 if shift > 0 else 1 - two_sided / 2
