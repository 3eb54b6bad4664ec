"""Which run of one arm pairs with which of the other, and whether a repeat is a training seed or a sample."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.importers.model import LoggedArm, LoggedRun

TrialAxis = Literal["seed", "sample"]
AXES: Final = ("seed", "sample")
_NUMBER: Final = re.compile(r"(?i)seed[-_=. ]?(\d+)")


@dataclass(frozen=True, slots=True)
class Trial:
    """One run with its place on the axis that repeats stand for.

    Attributes:
        seed: Training seed.
        sample: Which repeat of one trained checkpoint; 0 where repeats are seeds.
        run: What was logged.
    """

    seed: int
    sample: int
    run: LoggedRun


@dataclass(frozen=True, slots=True)
class Trials:
    """Both arms, ready to pair by seed.

    Attributes:
        base: Runs of the base arm.
        treat: Runs of the treat arm.
        notes: How they were paired, where the user did not say it.
    """

    base: tuple[Trial, ...]
    treat: tuple[Trial, ...]
    notes: tuple[str, ...]


def arrange(base: LoggedArm, treat: LoggedArm, axis: TrialAxis, *, drop: bool) -> Trials:
    """Number the runs of both arms.

    Training seeds are taken from the logs where these state them, else from names such as ``seed3`` where every path of
    both arms has one, else runs pair in the order given.

    Args:
        base: Runs of the base arm.
        treat: Runs of the treat arm.
        axis: Whether repeats are training seeds or samples of one checkpoint.
        drop: Whether a seed that only one arm has may be left out.

    Returns:
        The runs with their seeds.

    Raises:
        UserError: It is not clear which run pairs with which.
    """
    if axis == "sample":
        return _samples(base, treat)
    stated = tuple(_stated(arm) for arm in (base, treat))
    if stated[0] is not None and stated[1] is not None:
        _refuse_lone(stated[0], stated[1], base, treat, drop=drop)
        return Trials(_trials(base, stated[0]), _trials(treat, stated[1]), ())
    named = (_named(base), _named(treat))
    by_order = base.explicit and treat.explicit
    if named[0] is not None and named[1] is not None and not (by_order and named[0] != named[1]):
        _refuse_lone(named[0], named[1], base, treat, drop=drop)
        return Trials(_trials(base, named[0]), _trials(treat, named[1]), ())
    if len(base.runs) != len(treat.runs):
        raise UserError(
            f"{base.option} has {_count(base)} and {treat.option} has {_count(treat)}: {_list(base)} against "
            f"{_list(treat)}.",
            "Name as many runs in both arms, in the same order of seeds: "
            f"{base.option} {base.runs[0].path} ... {treat.option} {treat.runs[0].path} ...",
        )
    order = tuple(range(len(base.runs)))
    return Trials(_trials(base, order), _trials(treat, order), _order_notes(base, treat, *named))


def _samples(base: LoggedArm, treat: LoggedArm) -> Trials:
    arms = [tuple(Trial(0, index, run) for index, run in enumerate(arm.runs)) for arm in (base, treat)]
    if len(arms[0]) != len(arms[1]):
        raise UserError(
            f"{base.option} has {_count(base)} and {treat.option} has {_count(treat)}, and samples of one checkpoint "
            "must be as many in both arms.",
            f"Name as many in both arms: {base.option} ... {treat.option} ...",
        )
    note = (
        f"{len(arms[0])} runs of each arm are averaged as samples of one checkpoint (--trial-axis sample), so nothing "
        "is said about re-training"
    )
    return Trials(arms[0], arms[1], (note,) if len(arms[0]) > 1 else ())


def _trials(arm: LoggedArm, seeds: Sequence[int]) -> tuple[Trial, ...]:
    return tuple(Trial(seed, 0, run) for seed, run in zip(seeds, arm.runs, strict=True))


def _stated(arm: LoggedArm) -> tuple[int, ...] | None:
    """Return the seeds that the logs state, or None where one does not."""
    seeds = tuple(run.seed for run in arm.runs if run.seed is not None)
    if len(seeds) < len(arm.runs):
        return None
    twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if twice is not None:
        first, second = (run.path for run in arm.runs if run.seed == twice)
        raise UserError(
            f"{arm.option}: seed {twice} is in {first} and in {second}.", f"Name one of them: {arm.option} {first}"
        )
    return seeds


def _named(arm: LoggedArm) -> tuple[int, ...] | None:
    """Return the seed numbers in the paths, or None unless every path has its own."""
    found = [_NUMBER.findall(str(run.path)) for run in arm.runs]
    if not all(found):
        return None
    seeds = tuple(int(numbers[-1]) for numbers in found)
    return seeds if len(set(seeds)) == len(seeds) else None


def _refuse_lone(first: Sequence[int], second: Sequence[int], base: LoggedArm, treat: LoggedArm, *, drop: bool) -> None:
    lone = sorted(set(first) ^ set(second))
    common = sorted(set(first) & set(second))
    if not common:
        raise UserError(
            f"The arms have no seed in common: {base.option} has {_numbers(first)}, {treat.option} has "
            f"{_numbers(second)}.",
            "To pair them in the order given, name each run on its own: "
            f"{base.option} {base.runs[0].path} ... {treat.option} {treat.runs[0].path} ...",
        )
    if lone and not drop:
        raise UserError(
            f"Seeds {_numbers(lone)} are in one arm only: {base.option} has {_numbers(sorted(first))}, {treat.option} "
            f"has {_numbers(sorted(second))}.",
            f"To compare seeds {_numbers(common)}, type --allow-unpaired drop",
        )


def _order_notes(
    base: LoggedArm, treat: LoggedArm, first: Sequence[int] | None, second: Sequence[int] | None
) -> tuple[str, ...]:
    notes = []
    if first is not None and second is not None:
        notes.append(
            f"runs are paired in the order given, although their names carry different seeds ({_numbers(first)} "
            f"against {_numbers(second)})"
        )
    if len(base.runs) > 1 and not (base.explicit and treat.explicit):
        pairs = ", ".join(f"{one.path} with {other.path}" for one, other in zip(base.runs, treat.runs, strict=True))
        notes.append(f"runs are paired in natural order: {pairs}")
    return tuple(notes)


def _numbers(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _count(arm: LoggedArm) -> str:
    return f"{len(arm.runs)} run{'' if len(arm.runs) == 1 else 's'}"


def _list(arm: LoggedArm) -> str:
    return ", ".join(str(run.path) for run in arm.runs)
