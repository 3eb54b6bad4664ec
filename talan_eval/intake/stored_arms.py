"""Stored arms as they are typed, ``NAME=WHERE``, and the directories or Hub repositories that WHERE stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from glob import escape, iglob
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.bounded import shown
from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SEED: Final = "{seed}"
_TYPED: Final = re.compile(r"(?P<name>(?:[^=\[\]]|\[[^\[\]]*\])*?)=(?P<where>.*)", re.DOTALL)
_HUB: Final = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^@\s]+))?")
_LONGEST: Final = 200
_LISTED: Final = 8
_DIGITS: Final = 18  # of a seed; more are a hash or a time
_BRACES: Final = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """A stored arm as it was typed.

    Attributes:
        name: What it is called.
        where: A directory or a Hub id, perhaps with ``{seed}`` in it.
    """

    name: str
    where: str

    @property
    def has_seeds(self) -> bool:
        """Whether there is a checkpoint for each seed, or one alone."""
        return SEED in self.where


@dataclass(frozen=True, slots=True)
class HubPlace:
    """A repository of the Hub, perhaps at a revision."""

    repository: str
    revision: str | None


def read_stored(text: str) -> StoredPlace | None:
    """Read an arm as a stored one; None where it is none: an arm that is trained has its equals signs in brackets.

    Raises:
        UserError: It is a stored arm without a name or a place, or a pattern with another name than ``{seed}``.
    """
    match = _TYPED.fullmatch(text.strip())
    if match is None:
        return None
    name, where = match["name"].strip(), match["where"].strip()
    if not name or not where or len(name) > _LONGEST or not name.isprintable():
        raise UserError(
            f"The stored arm {shown(text)} has no name or no place.",
            "Type NAME=DIR, as in lora=runs/lora/seed{seed}",
        )
    other = [found for found in _BRACES.findall(where) if found != SEED]
    if other and not Path(where).expanduser().exists():
        raise UserError(
            f"The pattern {shown(where)} of {name} has {other[0]} in it; {SEED} is the only one that is filled in.",
            f"Type {SEED} where the seed stands: {name}={where.replace(other[0], SEED)}",
        )
    return StoredPlace(name, where)


def places_of(place: StoredPlace, seeds: Sequence[int] | None) -> Mapping[int, Path | HubPlace]:
    """Find the checkpoints of a stored arm, which may not be what they should.

    Args:
        place: As typed.
        seeds: The seeds that were asked for; None for those that are there.

    Returns:
        By seed, ascending, absolute directories or places on the Hub; one at seed 0 without a pattern. Of seeds that
        were asked for those that are there.

    Raises:
        UserError: There is nothing at the place, two directories are of one seed, or the seeds cannot be told.
    """
    if not place.has_seeds:
        return {0: _one(place, place.where)}
    found = _matching(place)
    if found:
        return {seed: path for seed, path in sorted(found.items()) if seeds is None or seed in seeds}
    if not _may_be_on_hub(place.where):
        raise UserError(
            f"Nothing matches {place.where} of the stored arm {place.name}{_beside(place.where)}.",
            f"Type where the directories are, with {SEED} in the place of the seed: {place.name}=runs/lora/seed{SEED}",
        )
    if seeds is None:
        raise UserError(
            f"No directory matches {place.where} of the stored arm {place.name}, and the Hub does not list seeds.",
            "If it is on the Hub, name the seeds: --seeds 0,1,2; else type where the directories are.",
        )
    return {seed: _one(place, place.where.replace(SEED, str(seed))) for seed in seeds}


def _one(place: StoredPlace, where: str) -> Path | HubPlace:
    path = Path(where).expanduser()
    match = _HUB.fullmatch(where)
    if path.exists() or match is None or where.startswith((".", "~")):
        if not path.exists():
            raise UserError(
                f"The stored arm {place.name} is not there: there is no directory {where}.",
                f"Type where it is: {place.name}=DIR, or {place.name}=OWNER/NAME on the Hub.",
            )
        return path.absolute()
    return HubPlace(match["id"], match["revision"])


def _matching(place: StoredPlace) -> dict[int, Path]:
    """Return what on disk fits a pattern, by seed; zeros in front of a seed do not matter."""
    where = str(Path(place.where).expanduser())
    literals = where.split(SEED)
    pattern = re.compile("(?P<seed>[0-9]+)".join(map(re.escape, literals[:2])) + "".join(
        f"(?P=seed){re.escape(part)}" for part in literals[2:]
    ))  # fmt: skip
    found: dict[int, Path] = {}
    for text in sorted(iglob("*".join(map(escape, literals)))):  # noqa: PTH207 - Path.glob takes no absolute pattern
        match = pattern.fullmatch(text)
        if match is None or not Path(text).is_dir():
            continue
        if len(match["seed"].lstrip("0")) > _DIGITS:
            continue
        seed = int(match["seed"])
        if seed in found:
            raise UserError(
                f"Two directories of the stored arm {place.name} are of seed {seed}: {found[seed]} and {text}.",
                "Move one of them away, or type a narrower pattern.",
            )
        found[seed] = Path(text).absolute()
    return found


def _may_be_on_hub(where: str) -> bool:
    return _HUB.fullmatch(where.replace(SEED, "0")) is not None and not where.startswith((".", "~", "/"))


def _beside(where: str) -> str:
    """Say what is where a pattern was looked for, for who mistyped it."""
    before = Path(where.split(SEED, maxsplit=1)[0] + "x").expanduser().parent
    while not before.is_dir() and before != before.parent:
        before = before.parent
    names = sorted(path.name for path in before.iterdir()) if before.is_dir() else []
    if not names:
        return f" ({before} is empty)"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f" ({before} holds {', '.join(names[:_LISTED])}{more})"
