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
from talan_eval.intake.stored_arms import SEED, read_stored
from talan_eval.result.contrast import declare, named_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.intake.stored_arms import StoredPlace
    from talan_eval.requests.grid import AskedArms
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
        names: Canonical, the base first; of stored ones as typed.
        fixed: Those without seeds.
        contrasts: The primary one first.
        stored: Those that were trained elsewhere.
    """

    names: tuple[str, ...]
    fixed: tuple[str, ...]
    contrasts: tuple[ContrastSpec, ...]
    stored: tuple[StoredPlace, ...] = ()

    @property
    def unstored(self) -> tuple[str, ...]:
        """Those that are made here: trained, or the backbone as it is."""
        elsewhere = {one.name for one in self.stored}
        return tuple(name for name in self.names if name not in elsewhere)

    @property
    def trained(self) -> tuple[str, ...]:
        """Those that are trained here."""
        return tuple(name for name in self.unstored if parse_arm(name).has_seeds)

    @property
    def have_seeds(self) -> bool:
        """Whether any arm has seeds."""
        return len(self.fixed) < len(self.names)


def read_arms(asked: AskedArms) -> Arms:
    """Check the arms and declare the contrasts.

    Raises:
        UserError: An arm that does not exist, that is named twice, or is compared with itself; a fixed one that is not
            there; too many of them. One error names all that is wrong.
    """
    if not asked.base and asked.treatments is None:
        raise UserError("Not one arm is named.", "Name one: talan-eval evaluate mine=runs/mine, or base, or lora")
    problems: list[UserError] = []
    written: list[tuple[str, StoredPlace | None]] = []
    for text in (asked.base, *(asked.treatments or ())):
        try:
            place = read_stored(text)
        except UserError as error:
            problems.append(error)
            continue
        each = written_out(text) if place is None else (text,)
        written += [(one, place) for one in each]
        if text == asked.base and len(each) > 1:
            problems.append(_grid_as_base(asked))
    if len(written) > MOST_ARMS and not asked.confirmed:
        fix = "Type --yes as well if so many are to be trained."
        raise UserError(f"{len(written)} arms are more than {MOST_ARMS}.", fix)
    typed, unknown = _named(written)
    problems += unknown
    problems += [_named_twice(name, texts, asked) for name, texts in typed.items() if len(texts) > 1]
    names, stored = tuple(typed), tuple(dict.fromkeys(place for _, place in written if place is not None))
    fixed = _fixed(asked, names, stored, problems)
    more: tuple[tuple[str, str], ...] = ()
    try:
        more = named_pairs(asked.more, names, lambda text: parse_arm(text).name)
    except UserError as error:
        problems.append(error)
    contrasts = declare(
        names, fixed, every_pair=asked.every_pair, independent=asked.independent, pairs_of_checkpoints=True, more=more
    )
    if asked.treatments == ():
        problems.append(UserError("No arm is compared with the base.", "Name one: --treat talan+lora"))
    refuse(problems)
    return Arms(names, fixed, contrasts, stored)


def _named(written: Sequence[tuple[str, StoredPlace | None]]) -> tuple[dict[str, list[str]], list[UserError]]:
    """Return the arms by canonical name, each with the texts that stand for it, and what is no arm."""
    typed: dict[str, list[str]] = {}
    problems = []
    for one, place in written:
        try:
            name = parse_arm(one).name if place is None else place.name
        except UserError as error:
            problems.append(_as_path(one) if "/" in one else error)
            continue
        typed.setdefault(name, []).append(one)
    return typed, problems


def _grid_as_base(asked: AskedArms) -> UserError:
    if asked.treatments is None:
        fix = "Name one arm; several are compared: talan-eval compare --base ARM --treat ARM"
        return UserError(f"{asked.base!r} is a grid of arms.", fix)
    return UserError(f"The base {asked.base!r} is a grid of arms.", "Name one arm as --base; --treat may be a grid.")


def _as_path(text: str) -> UserError:
    return UserError(
        f"The arm {shown(text)} looks like a place, and a stored arm has a name.",
        f"Type NAME=WHERE, as in mine={text}",
    )


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


def _fixed(
    asked: AskedArms, names: Sequence[str], stored: Sequence[StoredPlace], problems: list[UserError]
) -> tuple[str, ...]:
    """Return the arms without seeds: the backbone as it is, single checkpoints, and what was declared so."""
    places = {place.name: place for place in stored}
    wanted = [
        name for name in names if (not places[name].has_seeds if name in places else not parse_arm(name).has_seeds)
    ]
    for text in asked.fixed:
        try:
            name = text if text in places else parse_arm(text).name
        except UserError as error:
            problems.append(error)
            continue
        if name in places and places[name].has_seeds:
            problems.append(
                UserError(
                    f"--fixed {name}: a fixed arm is one checkpoint, and {places[name].where} is one for each seed.",
                    f"Name one of them, {name}={places[name].where.replace(SEED, '0')}, or leave --fixed out.",
                )
            )
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
    if any(read_stored(text) is not None for text in texts):
        said = " and ".join(repr(text) for text in texts)
        return UserError(
            f"The arm {name!r} is named twice, {said}.", f"Give the stored one a name of its own: my-{name}=DIR"
        )
    treatments = asked.treatments or ()
    if len(treatments) == 1 and len(texts) == 2 and set(texts) == {asked.base, *treatments}:  # noqa: PLR2004 - base and treatment
        return UserError(
            f"The arms are the same: --base and --treat are both {name!r}.",
            "Type two different arms, as in --base lora --treat talan+lora.",
        )
    said = " and ".join(repr(text) for text in dict.fromkeys(texts))
    how = f"under two names, {said}" if len(set(texts)) > 1 else "twice"
    return UserError(f"The arm {name!r} is named {how}.", "Name each arm once.")
