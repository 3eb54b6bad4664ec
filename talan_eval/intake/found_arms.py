"""The checkpoints of stored arms: every one is read, and all that is wrong with any of them is one error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.errors import Problems, UserError
from talan_eval.comparison.signature import seed_range
from talan_eval.intake.stored_arms import SEED, places_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_core.found import FoundCheckpoint
    from talan_eval.intake.stored_arms import HubPlace, StoredPlace

_ALL: Final = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]


@dataclass(frozen=True, slots=True)
class FoundOne:
    """A checkpoint, and its commit where it is on the Hub."""

    checkpoint: FoundCheckpoint
    commit: str | None


@dataclass(frozen=True, slots=True)
class FoundArm:
    """A stored arm with its checkpoints by seed, ascending; one at seed 0 where it has no seeds."""

    place: StoredPlace
    checkpoints: Mapping[int, FoundOne]

    @property
    def name(self) -> str:
        """As typed."""
        return self.place.name


def find_arms(
    places: Sequence[StoredPlace], seeds: tuple[int, ...] | None, *, independent: bool, trained: bool
) -> tuple[tuple[FoundArm, ...], tuple[int, ...] | None]:
    """Find and read the checkpoints of all stored arms.

    Args:
        places: As typed.
        seeds: The seeds that were asked for; None for those that are there.
        independent: Whether arms may have different seeds.
        trained: Whether other arms are trained with the same seeds.

    Returns:
        The arms in their order, and the seeds of the experiment; None where no stored arm has seeds.

    Raises:
        UserError: A directory or a seed that is not there, a checkpoint that cannot be read, seeds of one arm that are
            checkpoints of different kinds. One error names all.
    """
    problems = Problems()
    where: dict[str, Mapping[int, Path | HubPlace]] = {}
    for place in places:
        with problems.collecting():
            where[place.name] = places_of(place, seeds)
    of_seeds = {place.name: tuple(where[place.name]) for place in places if place.has_seeds and place.name in where}
    with problems.collecting():
        _check_seeds(of_seeds, seeds, independent=independent and not trained)
    found = tuple(FoundArm(place, _read(place, where[place.name], problems)) for place in places if place.name in where)
    for arm in found:
        with problems.collecting():
            _check_kinds(arm)
    problems.raise_any()
    if not of_seeds:
        return found, None
    return found, seeds or tuple(sorted({seed for own in of_seeds.values() for seed in own}))


def _check_seeds(of_seeds: Mapping[str, tuple[int, ...]], asked: tuple[int, ...] | None, *, independent: bool) -> None:
    """Refuse seeds that an arm lacks: those that were asked for, or, where seeds are paired, those of another arm."""
    if independent and asked is None:
        return
    every = set(asked) if asked is not None else {seed for own in of_seeds.values() for seed in own}
    lacking = {name: sorted(every - set(own)) for name, own in of_seeds.items() if every - set(own)}
    if not lacking:
        return
    common = sorted(set.intersection(*(set(own) for own in of_seeds.values())) & every)
    said = "; ".join(f"{name} has no seed {', '.join(map(str, gone))}" for name, gone in lacking.items())
    there = "; ".join(f"{name}: {seed_range(own) if own else 'none'}" for name, own in of_seeds.items())
    typed = f"{','.join(map(str, common))}{',' if len(common) == 1 else ''}"
    fix = f"Type the seeds that all have: --seeds {typed}" if common else "Name arms with the same seeds"
    other = "." if asked is not None else ", or --pairing independent where a seed of one arm is not that of another."
    raise UserError(f"Seeds of stored arms are missing: {said} (there are {there}).", f"{fix}{other}")


def _read(place: StoredPlace, where: Mapping[int, Path | HubPlace], problems: Problems) -> dict[int, FoundOne]:
    found = {}
    for seed, one in where.items():
        with problems.collecting():
            found[seed] = _read_one(place, one)
    return found


def _read_one(place: StoredPlace, where: Path | HubPlace) -> FoundOne:
    from talan_core.found import find_checkpoint  # noqa: PLC0415 - heavy, and only stored arms need it

    try:
        directory = where if isinstance(where, Path) else _downloaded(where)
        return FoundOne(find_checkpoint(directory), None if isinstance(where, Path) else directory.name)
    except UserError as error:
        raise UserError(f"The stored arm {place.name}: {error.problem}", error.fix) from error


def _downloaded(where: HubPlace) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - heavy, only for the Hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415 - as above

    try:
        return Path(snapshot_download(where.repository, revision=where.revision, allow_patterns=_ALL))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        at = "" if where.revision is None else f" at revision {where.revision}"
        raise UserError(
            f"There is no directory {where.repository}, and the Hub does not give it{at} ({type(error).__name__}).",
            "Type a directory, or check the id, the revision and the network (gated models need `hf auth login`).",
        ) from error


def _check_kinds(arm: FoundArm) -> None:
    """Refuse seeds of an arm that are no trainings of the same thing."""
    if not arm.checkpoints:
        return
    (first, reference), *others = arm.checkpoints.items()
    for seed, one in others:
        difference = reference.checkpoint.difference(one.checkpoint)
        if difference is not None:
            raise UserError(
                f"Seeds {first} and {seed} of the stored arm {arm.name} are no trainings of one arm: {difference}.",
                f"Give each its own arm, with directories of one kind: {arm.name}=DIR/seed{SEED}",
            )
