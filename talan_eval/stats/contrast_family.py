"""One family over several contrasts: adjusted p-values, simultaneous intervals, and the level of each Holm step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.stats.arrays import FloatArray, Interval
from talan_eval.stats.joint_flips import JointFlips, Member, flip_interval, joint_sign_flips
from talan_eval.stats.multiplicity import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.stats.guard import ErrorTerm


@dataclass(frozen=True, eq=False)
class FamilyMember:
    """A cell of a contrast, or the mean of a contrast, as its family sees it.

    Attributes:
        delta: Its difference, a proportion.
        terms: Error terms of its guarded E1 result, whatever the pairing.
        seeds: Its differences by seed, one part per backbone: paired seeds, or seeds against a fixed comparator. Empty
            for independent seeds and drawn answers, which have no signs to flip.
    """

    delta: float
    terms: tuple[ErrorTerm, ...]
    seeds: Member = ()

    @property
    def p(self) -> float:
        """Return the guarded two-sided p-value."""
        return max(term.p_value(self.delta) for term in self.terms)

    @property
    def flip_floor(self) -> float | None:
        """Return the smallest sign-flip p of so many seeds, 2 / 2^S; None without signs."""
        return 2.0 ** (1 - sum(len(part.seeds) for part in self.seeds)) if self.seeds else None


@dataclass(frozen=True)
class FamilyResult:
    """A member's place in its family.

    Attributes:
        holm_p: Holm on the guarded p-values of all members.
        joint_p: Joint sign-flip max-T, step-down, over the members with signs; None for others.
        p: The adjusted p-value: the larger of both where so many seeds can bring sign flips below alpha, else Holm's.
        single_step_p: The adjusted p-value that agrees with ``interval``; never below ``p``.
        interval: Simultaneous interval: the wider of the guarded interval at alpha / M and the single-step max-T one,
            where sign flips count. None where that is unbounded. Step-down p-values have no matching interval, so ``p``
            may be below alpha while this interval holds zero; never the other way round.
        holm_level: The level at which Holm tested the member. A one-sided bound at this level
            (``one_sided_bounds(delta, terms, holm_level)``) agrees with a Holm p of one-sided p-values; see
            ``holm_levels``.
        exact_flips: Whether all sign vectors were listed; None without signs.
    """

    holm_p: float
    joint_p: float | None
    p: float
    single_step_p: float
    interval: Interval | None
    holm_level: float
    exact_flips: bool | None


def adjust_family(members: Sequence[FamilyMember], alpha: float, seed: int = 0) -> tuple[FamilyResult, ...]:
    """Adjust all members of a family among each other.

    Holm over the guarded p-values holds under any dependence, and members with independent seeds enter by it alone.
    Sign flips are joint over all members that have signs, one sign per (backbone, seed), and can only raise a p.

    Args:
        members: Cells of all contrasts, or the means of all contrasts, at least one.
        alpha: Family-wise error rate.
        seed: Of the sign flips, where they are drawn.

    Returns:
        One result per member, in the order given. Which members form a family, and whether that was declared before
        the data were seen, is the caller's to say.

    Raises:
        ValueError: Without members.
    """
    if not members:
        raise ValueError("a family needs at least one member")
    raw = np.array([member.p for member in members])
    stepped, levels = holm(raw), holm_levels(raw, alpha)
    flipped = [position for position, member in enumerate(members) if member.seeds]
    joint = joint_sign_flips([members[position].seeds for position in flipped], alpha, seed) if flipped else None
    rank = {position: row for row, position in enumerate(flipped)}
    return tuple(
        _result(
            member,
            (float(stepped[position]), min(1.0, len(members) * float(raw[position])), float(levels[position])),
            (joint, rank.get(position, 0)) if member.seeds and joint is not None else None,
            alpha,
            alpha / len(members),
        )
        for position, member in enumerate(members)
    )


def holm_levels(p_values: FloatArray, alpha: float) -> FloatArray:
    """Return the level at which Holm's procedure tests each hypothesis.

    The hypothesis with the j-th smallest of M p-values is tested at ``alpha / (M - j + 1)``. Holm stops at the first
    that is not rejected; from there on all are held to that step's level. So ``p < level`` exactly where Holm's
    adjusted p is below alpha, which ``alpha / (M - j + 1)`` alone does not give for those behind the first failure.

    Args:
        p_values: Shape (M,). For a one-sided bound beside a Holm p, the one-sided p-values.
        alpha: Family-wise error rate.

    Returns:
        Shape (M,), in the order given. The bounds at these levels are not simultaneous confidence bounds.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    steps = alpha / np.arange(len(raw), 0, -1)
    failed = np.flatnonzero(raw[order] >= steps)
    if len(failed):
        steps[failed[0] :] = steps[failed[0]]
    levels = np.empty(len(raw))
    levels[order] = steps
    return levels


def _result(
    member: FamilyMember,
    adjusted: tuple[float, float, float],
    flips: tuple[JointFlips, int] | None,
    alpha: float,
    bonferroni: float,
) -> FamilyResult:
    holm_p, single, level = adjusted
    half = max(term.half_width(bonferroni) for term in member.terms)
    guarded = Interval(member.delta - half, member.delta + half)
    if flips is None:
        return FamilyResult(holm_p, None, holm_p, single, guarded, level, None)
    joint, row = flips
    joint_p = float(joint.step_down[row])
    floor = member.flip_floor
    if floor is None or floor >= alpha:
        return FamilyResult(holm_p, joint_p, holm_p, single, guarded, level, joint.exact)
    own = flip_interval(member.seeds, joint.critical)
    wider = None if own is None else Interval(min(guarded.lo, own.lo), max(guarded.hi, own.hi))
    single = max(single, float(joint.single_step[row]))
    return FamilyResult(holm_p, joint_p, max(holm_p, joint_p), single, wider, level, joint.exact)
