"""Which two arms are compared, and how their seeds relate: what a user declares before results are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.result.evidence import Pairing  # noqa: TC001 - experiments validate it at run time

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ContrastSpec:
    """A contrast as it is declared.

    Attributes:
        base: Base arm.
        treatment: Arm under test; differences are treatment minus base.
        pairing: "paired" where both arms have the same seeds, or one checkpoint each; "fixed" where the base arm alone
            has none (an untrained backbone, one published checkpoint); "independent" for other seeds or another number
            of them.
    """

    base: str
    treatment: str
    pairing: Pairing = "paired"

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.treatment} against {self.base}"


def declare(
    arms: Sequence[str],
    fixed: Sequence[str],
    *,
    every_pair: bool,
    independent: bool,
    pairs_of_checkpoints: bool = False,
) -> tuple[ContrastSpec, ...]:
    """Declare the contrasts of a comparison.

    Args:
        arms: The first is the base.
        fixed: Arms without seeds; they are the base of each contrast that they are in.
        every_pair: Whether all pairs are compared, or each arm with the first one.
        independent: Whether the seeds of arms that have some are independent.
        pairs_of_checkpoints: Whether two fixed arms make a contrast of one pair of checkpoints (E0). Where all pairs
            are compared they do only if no arm has seeds: the family is then one of such pairs.

    Returns:
        The primary contrast, the second arm against the first, comes first. Without ``pairs_of_checkpoints`` two fixed
        arms make no contrast: neither has seeds.
    """
    single = pairs_of_checkpoints and (not every_pair or len(fixed) == len(arms))
    pairs = [(one, other) for place, one in enumerate(arms) for other in arms[place + 1 :]]
    found = []
    for one, other in pairs if every_pair else pairs[: len(arms) - 1]:
        if one in fixed and other in fixed:
            found += [ContrastSpec(one, other)] if single else []
            continue
        base, treatment = (other, one) if other in fixed else (one, other)
        pairing: Pairing = "fixed" if base in fixed else "independent" if independent else "paired"
        found.append(ContrastSpec(base, treatment, pairing))
    return tuple(found)
