"""The arms that were typed: grids of options are written out, names made canonical, and every mistake found at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final

from talan_core.arms import parse_arm
from talan_core.bounded import shown
from talan_core.errors import UserError, refuse
from talan_eval.result.contrast import declare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.result.contrast import ContrastSpec

MOST_ARMS: Final = 200
"""Arms above which a grid must be confirmed with ``--yes``."""
_MOST_WRITTEN: Final = 10_000
_LONGEST: Final = 10_000  # letters
_BRACKET: Final = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Arms:
    """The arms of an experiment and what is compared.

    Attributes:
        names: Canonical, the base first.
        fixed: Those without seeds.
        contrasts: The primary one first.
    """

    names: tuple[str, ...]
    fixed: tuple[str, ...]
    contrasts: tuple[ContrastSpec, ...]


@dataclass(frozen=True, slots=True)
class AskedArms:
    """The arms as typed.

    Attributes:
        base: With what is compared.
        treatments: What is compared with it; each may be a grid such as ``talan[slots=1|2]+lora``.
        fixed: Arms of which one checkpoint is taken as it is.
        every_pair: Whether all pairs are compared.
        independent: Whether the seeds of different arms are independent.
        confirmed: Whether so many arms are wanted.
    """

    base: str
    treatments: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    every_pair: bool = False
    independent: bool = False
    confirmed: bool = False


def read_arms(asked: AskedArms) -> Arms:
    """Check the arms and declare the contrasts.

    Raises:
        UserError: An arm that does not exist, that is named twice, or is compared with itself; a fixed one that is not
            there; too many of them. One error names all that is wrong.
    """
    count = sum(len(written_out(text)) for text in (asked.base, *asked.treatments))
    if count > MOST_ARMS and not asked.confirmed:
        raise UserError(f"{count} arms are more than {MOST_ARMS}.", "Type --yes as well if so many are to be trained.")
    problems: list[UserError] = []
    typed: dict[str, list[str]] = {}
    for text in (asked.base, *asked.treatments):
        for one in written_out(text):
            try:
                typed.setdefault(parse_arm(one).name, []).append(one)
            except UserError as error:
                problems.append(error)
    if len(written_out(asked.base)) > 1:
        problems.append(
            UserError(f"The base {asked.base!r} is a grid of arms.", "Name one arm as --base; --treat may be a grid.")
        )
    problems += [_named_twice(name, texts, asked) for name, texts in typed.items() if len(texts) > 1]
    names = tuple(typed)
    fixed = _fixed(asked, names, problems)
    contrasts = declare(names, fixed, every_pair=asked.every_pair, independent=asked.independent)
    if not asked.treatments:
        problems.append(UserError("No arm is compared with the base.", "Name one: --treat talan+lora"))
    elif not contrasts and not problems:
        problems.append(UserError("No arm has training seeds.", "Name an arm that is trained: --treat talan+lora"))
    refuse(problems)
    return Arms(names, fixed, contrasts)


def written_out(text: str) -> tuple[str, ...]:
    """Write out a grid of arms: ``talan[slots=1|2,layer=1|3]+lora`` is four arms, the last option varying fastest.

    Values are separated by ``|`` inside brackets. A text without any is itself.
    """
    if len(text) > _LONGEST or _count(text) > _MOST_WRITTEN:
        raise UserError(
            f"The grid of arms {shown(text)} is too large to be written out.",
            "Name fewer values: talan[slots=1|2]+lora",
        )
    parts = _BRACKET.split(text)  # outside, inside, outside, ...
    choices = [_choices(part) if place % 2 else [part] for place, part in enumerate(parts)]
    return tuple(
        "".join(f"[{part}]" if place % 2 else part for place, part in enumerate(chosen)) for chosen in product(*choices)
    )


def _count(text: str) -> int:
    """Return how many arms a grid stands for, without writing them out."""
    return prod(
        option.count("|") + 1 for inside in _BRACKET.findall(text) for option in inside.split(",") if "=" in option
    )


def _choices(options: str) -> list[str]:
    """Return every choice of one value for each option in a bracket."""
    values = []
    for option in options.split(","):
        name, equals, several = option.partition("=")
        values.append([f"{name}{equals}{value.strip()}" for value in several.split("|")] if equals else [option])
    return [",".join(chosen) for chosen in product(*values)]


def _fixed(asked: AskedArms, names: Sequence[str], problems: list[UserError]) -> tuple[str, ...]:
    wanted = [name for name in names if not parse_arm(name).has_seeds]
    for text in asked.fixed:
        try:
            name = parse_arm(text).name
        except UserError as error:
            problems.append(error)
            continue
        if name not in names:
            problems.append(
                UserError(
                    f"--fixed {text} is none of the arms ({', '.join(names)}).",
                    f"Name one of them: --fixed {names[0] if names else 'base'}",
                )
            )
        wanted.append(name)
    return tuple(name for name in names if name in wanted)


def _named_twice(name: str, texts: Sequence[str], asked: AskedArms) -> UserError:
    if len(asked.treatments) == 1 and len(texts) == 2 and set(texts) == {asked.base, *asked.treatments}:  # noqa: PLR2004 - base and treatment
        return UserError(
            f"The arms are the same: --base and --treat are both {name!r}.",
            "Type two different arms, as in --base lora --treat talan+lora.",
        )
    said = " and ".join(repr(text) for text in dict.fromkeys(texts))
    how = f"under two names, {said}" if len(set(texts)) > 1 else "twice"
    return UserError(f"The arm {name!r} is named {how}.", "Name each arm once.")
