"""One-sided bounds, equivalence, and the numbers that a gate decides on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np

from talan_eval.stats.guard import ErrorTerm, tail_p
from talan_eval.stats.seed_bootstrap import bootstrap_t_lower, bootstrap_t_p_above

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PLANNED_SEEDS = 1000
_LEAST = -2.0  # the least that a change of a difference can be


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


class Evidence(Protocol):
    """What is known of one true difference, whatever the test: its estimate, bounds and one-sided p-values.

    Bounds and p-values are of one test: ``bounds(alpha).lower > value`` exactly when ``p_above(value) < alpha``.
    """

    @property
    def delta(self) -> float:
        """Return the estimated difference, a proportion."""

    def bounds(self, alpha: float) -> OneSided:
        """Return the one-sided bounds of error rate alpha each."""

    def p_above(self, value: float) -> float:
        """Return the one-sided p of "the true difference exceeds value"."""

    def p_below(self, value: float) -> float:
        """Return the one-sided p of "the true difference lies below value"."""

    def swapped(self) -> Evidence:
        """Return what is known of the difference with the arms swapped."""


@dataclass(frozen=True)
class GuardedDifference:
    """A difference with the error terms of its guard; the widest term counts.

    Attributes:
        delta: Estimated difference, a proportion.
        terms: Error terms.
    """

    delta: float
    terms: tuple[ErrorTerm, ...]

    def bounds(self, alpha: float) -> OneSided:
        """Return the one-sided bounds, those of ``one_sided_bounds``."""
        return one_sided_bounds(self.delta, self.terms, alpha)

    def p_above(self, value: float) -> float:
        """Return the one-sided p of "the true difference exceeds value"."""
        return one_sided_p(self.delta - value, self.terms)

    def p_below(self, value: float) -> float:
        """Return the one-sided p of "the true difference lies below value"."""
        return one_sided_p(value - self.delta, self.terms)

    def swapped(self) -> GuardedDifference:
        """Return the negative difference."""
        return GuardedDifference(-self.delta, self.terms)


@dataclass(frozen=True)
class SeedDifference:
    """A difference over training seeds: its guard and, from five seeds on, the one-sided bootstrap-t bound below.

    The t takes the seeds' differences as symmetric. Where trainings lose much now and then and gain a little otherwise,
    its lower bound is too high; the bootstrap-t sees the skewness. So what is to exceed a value must exceed it by both.
    The upper bound is the guarded one.

    Attributes:
        guarded: Estimate and error terms.
        per_seed: Differences of the seeds, proportions; empty where the guard stands alone, as for several backbones
            and for independent seeds.
    """

    guarded: GuardedDifference
    per_seed: tuple[float, ...] = ()

    @property
    def delta(self) -> float:
        """Return the estimated difference."""
        return self.guarded.delta

    def bounds(self, alpha: float) -> OneSided:
        """Return the lower one of both lower bounds, which has an end even where it is unbounded, and the upper one."""
        found = self.guarded.bounds(alpha)
        lower = bootstrap_t_lower(np.array(self.per_seed), alpha, self._of_items)
        return OneSided(found.lower if lower is None else min(found.lower, max(lower, _LEAST)), found.upper, alpha)

    def p_above(self, value: float) -> float:
        """Return the larger p of both tests of "the true difference exceeds value"."""
        p = bootstrap_t_p_above(np.array(self.per_seed), value, self._of_items)
        found = self.guarded.p_above(value)
        return found if p is None else max(found, p)

    def p_below(self, value: float) -> float:
        """Return the guarded p of "the true difference lies below value"."""
        return self.guarded.p_below(value)

    def swapped(self) -> SeedDifference:
        """Return the negative difference."""
        return SeedDifference(self.guarded.swapped(), tuple(-value for value in self.per_seed))

    @property
    def _of_items(self) -> float:
        """Return the standard error that is left where nothing was seen to differ: the guard's floor."""
        return max((term.se for term in self.guarded.terms if term.name == "floor"), default=0.0)


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


def equivalence(evidence: Evidence, margin: float) -> Equivalence:
    """Two one-sided tests (Schuirmann 1987): are the arms equal within a margin?

    Args:
        evidence: The difference.
        margin: Positive proportion, chosen before the data are seen.

    Returns:
        Both one-sided p-values and their maximum. Swapping the arms swaps the p-values: "no better" is held to what "no
        worse" is held to. p < alpha exactly when both the lower bound and that of the swapped arms exceed -margin.

    Raises:
        ValueError: If the margin is not positive.
    """
    if not margin > 0:
        raise ValueError(f"an equivalence margin must be positive, got {margin}")
    worse, better = evidence.p_above(-margin), evidence.swapped().p_above(-margin)
    return Equivalence(worse, better, max(worse, better))


def gate_numbers(
    evidence: Evidence,
    n_seeds: int,
    margin: float,
    *,
    fail_below: float = 0.0,
    alpha: float = 0.05,
) -> GateNumbers:
    """Compute the three-valued outcome of a non-inferiority gate and the seeds that would decide it.

    Args:
        evidence: The difference.
        n_seeds: S, seeds of each backbone.
        margin: Tolerated loss, a proportion, 0 or more.
        fail_below: FAIL needs an upper bound below this: 0, or -margin where so declared.
        alpha: One-sided error rate.

    Returns:
        The numbers. ``seeds_to_decide`` scales every term of the guard by ``sqrt(S / S')`` and its degrees of freedom
        by ``(S' - 1) / (S - 1)``; it is a plan, not a promise, and adding seeds until a gate decides needs the
        anytime-valid test. It is None for one pair of checkpoints, which further seeds do not describe better.

    Raises:
        ValueError: If the margin is negative or ``fail_below`` is positive.
    """
    if margin < 0 or fail_below > 0:
        raise ValueError("a gate tolerates a loss of 0 or more and fails below 0 or less")
    bounds = evidence.bounds(alpha)
    outcome = _outcome(bounds, margin, fail_below)
    guarded = evidence.guarded if isinstance(evidence, SeedDifference) else None
    needed = None
    if outcome is GateOutcome.INCONCLUSIVE and guarded is not None:
        for planned in range(n_seeds + 1, MAX_PLANNED_SEEDS + 1):
            future = one_sided_bounds(
                guarded.delta, [_with_seeds(term, n_seeds, planned) for term in guarded.terms], alpha
            )
            if _outcome(future, margin, fail_below) is not GateOutcome.INCONCLUSIVE:
                needed = planned
                break
    return GateNumbers(outcome, bounds, evidence.p_above(-margin), evidence.p_below(fail_below), needed)


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
