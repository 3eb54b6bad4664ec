"""Which two arms are compared, and how their seeds relate: what a user declares before results are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_core.bounded import shown
from talan_core.errors import UserError
from talan_eval.result.evidence import Pairing  # noqa: TC001 - experiments validate it at run time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SEPARATOR: Final = ":"


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
    more: Sequence[tuple[str, str]] = (),
) -> tuple[ContrastSpec, ...]:
    """Declare the contrasts of a comparison.

    Args:
        arms: The first is the base.
        fixed: Arms without seeds; they are the base of each contrast that they are in.
        every_pair: Whether all pairs are compared, or each arm with the first one.
        independent: Whether the seeds of arms that have some are independent.
        pairs_of_checkpoints: Whether two fixed arms make a contrast of one pair of checkpoints (E0). Where all pairs
            are compared they do only if no arm has seeds: the family is then one of such pairs.
        more: Further contrasts, each the base and the arm under test; see `named_pairs`. A pair that is compared
            already adds nothing; among all pairs it says which of the two is the base.

    Returns:
        The primary contrast, the second arm against the first, comes first. Without ``pairs_of_checkpoints`` two fixed
        arms make no contrast: neither has seeds.

    Raises:
        UserError: A further contrast of two arms without seeds beside others, or one that is compared the other way
            round.
    """
    single = pairs_of_checkpoints and (not every_pair or len(fixed) == len(arms))
    pairs = [(one, other) for place, one in enumerate(arms) for other in arms[place + 1 :]]
    pairs = pairs if every_pair else pairs[: len(arms) - 1]
    asked = {frozenset(pair): pair for pair in pairs}
    settled = {frozenset(pair) for pair in pairs[: 1 if every_pair else None]}
    for pair in more:
        key = frozenset(pair)
        if key in settled and asked[key] != pair:
            raise _turned(pair)
        asked[key] = pair
        settled.add(key)
    found = []
    for one, other in asked.values():
        if one in fixed and other in fixed:
            if not single and {one, other} in map(set, more):
                raise UserError(
                    f"--contrast {other}{_SEPARATOR}{one}: neither arm has training seeds.",
                    "Compare the two alone, or name an arm with seeds.",
                )
            found += [ContrastSpec(one, other)] if single else []
            continue
        base, treatment = (other, one) if other in fixed else (one, other)
        pairing: Pairing = "fixed" if base in fixed else "independent" if independent else "paired"
        found.append(ContrastSpec(base, treatment, pairing))
    return tuple(found)


def named_pairs(
    texts: Sequence[str], arms: Sequence[str], canonical: Callable[[str], str] = str
) -> tuple[tuple[str, str], ...]:
    """Read contrasts that are named one by one, such as ``talan+dora:dora``.

    Args:
        texts: What was typed.
        arms: The names of all arms.
        canonical: Gives an arm that is typed its name.

    Returns:
        Of each the base and the arm under test.

    Raises:
        UserError: A text that names no two arms of the comparison.
    """
    return tuple(_pair(text, arms, canonical) for text in texts)


def _turned(pair: tuple[str, str]) -> UserError:
    base, treatment = pair
    return UserError(
        f"--contrast {treatment}{_SEPARATOR}{base} turns {base} against {treatment} round, which is compared already.",
        f"Leave it out, or make {base} the base arm and {treatment} an arm under test.",
    )


def _named(text: str, side: str, arms: Sequence[str], canonical: Callable[[str], str]) -> str:
    """Return the name of an arm that is typed as one side of a contrast."""
    try:
        name = side if side in arms else canonical(side)
    except UserError as error:
        raise _no_arm(text, side, arms) from error
    if name not in arms:
        raise _no_arm(text, name, arms)
    return name


def _no_arm(text: str, side: str, arms: Sequence[str]) -> UserError:
    return UserError(
        f"--contrast {shown(text)}: {shown(side)} is none of the arms ({', '.join(arms)}).",
        "Name one of them, or name it as an arm as well.",
    )


def _pair(text: str, arms: Sequence[str], canonical: Callable[[str], str]) -> tuple[str, str]:
    """Return base and arm under test; arms of logs may have a colon in their own name, so each colon is tried."""
    colons = [place for place, letter in enumerate(text) if letter == _SEPARATOR]
    splits = [(text[:place].strip(), text[place + 1 :].strip()) for place in colons]
    if not splits or not all(splits[0]):
        raise UserError(
            f"--contrast {shown(text)} names no two arms.", "Type TREATMENT:BASE, as in --contrast talan+dora:dora."
        )
    known = [split for split in splits if set(split) <= set(arms)]
    if len(known) > 1:
        raise UserError(
            f"--contrast {shown(text)} can be read as two contrasts of arms that have a colon in their names.",
            "Give the arms names without a colon.",
        )
    treatment, base = (_named(text, side, arms, canonical) for side in (known or splits)[0])
    if treatment == base:
        raise UserError(f"--contrast {shown(text)} compares an arm with itself.", "Name two different arms.")
    return base, treatment
