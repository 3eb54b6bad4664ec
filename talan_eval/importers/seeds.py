"""Which run of one arm pairs with which of the others, and whether a repeat is a training seed or a sample."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal

from talan_core.errors import UserError
from talan_eval.importers.words import typed_again

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.importers.logged import LoggedArm, LoggedRun

TrialAxis = Literal["seed", "sample"]
AXES: Final = ("seed", "sample")
PAIRINGS: Final = ("paired", "independent")
SEED_NUMBER: Final = re.compile(r"(?i)seed[-_=. ]?(\d+)")
_FIXED_SEED: Final = 0  # an arm without seeds has one run, which needs a number


@dataclass(frozen=True, slots=True)
class SeedRules:
    """What the user declared about seeds.

    Attributes:
        axis: Whether repeats are training seeds or samples of one checkpoint.
        independent: Whether seeds of different arms have nothing to do with each other.
        fixed: Arms without seeds.
        drop: Whether a seed that only some arms have may be left out.
        every_pair: Whether every two arms are compared, or each with the first one.
        more: Further contrasts, base and treatment of each.
    """

    axis: TrialAxis = "seed"
    independent: bool = False
    fixed: tuple[str, ...] = ()
    drop: bool = False
    every_pair: bool = False
    more: tuple[tuple[str, str], ...] = ()


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
    """All arms of a backbone, ready to be compared.

    Attributes:
        arms: Runs of each arm, by name.
        notes: How they were paired, where the user did not say it.
    """

    arms: Mapping[str, tuple[Trial, ...]]
    notes: tuple[str, ...] = ()


_Seeds = dict[str, tuple[int, ...]]  # arm -> the seed of each of its runs


def arrange(arms: Sequence[LoggedArm], rules: SeedRules) -> Trials:
    """Number the runs of the arms on one backbone.

    Training seeds are taken from the logs where these state them, else from names such as ``seed3`` where every path of
    all arms has one, else runs pair in the order given. Arms that are not paired are numbered each on its own.

    Args:
        arms: All arms with their runs.
        rules: What the user declared.

    Returns:
        The runs with their seeds.

    Raises:
        UserError: It is not clear which run pairs with which.
    """
    if rules.axis == "sample":
        return _samples(arms)
    seeded = [arm for arm in arms if arm.name not in rules.fixed]
    notes: tuple[str, ...] = ()
    if rules.independent or len(seeded) == 1:
        seeds = {arm.name: _alone(arm) for arm in seeded}
    else:
        seeds, notes = _paired(seeded, rules)
    # several runs of an arm without seeds are one where their scores are equal, which is seen when they are read
    fixed = {arm.name: tuple(range(_FIXED_SEED, len(arm.runs))) for arm in arms if arm.name in rules.fixed}
    numbers = {**fixed, **seeds}
    return Trials({arm.name: _trials(arm, numbers[arm.name]) for arm in arms}, notes)


def _samples(arms: Sequence[LoggedArm]) -> Trials:
    counts = {len(arm.runs) for arm in arms}
    if len(counts) > 1:
        raise UserError(
            f"Samples of one checkpoint must be as many in every arm: {_counts(arms)}.",
            f"Name as many in every arm: {typed_again(*(f'{arm.name}=DIR' for arm in arms))}",
        )
    trials = {arm.name: tuple(Trial(0, index, run) for index, run in enumerate(arm.runs)) for arm in arms}
    note = (
        f"{max(counts)} runs of each arm are averaged as samples of one checkpoint (--trial-axis sample), so nothing "
        "is said about re-training"
    )
    return Trials(trials, (note,) if max(counts) > 1 else ())


def _paired(arms: Sequence[LoggedArm], rules: SeedRules) -> tuple[_Seeds, tuple[str, ...]]:
    stated = {arm.name: found for arm in arms if (found := _stated(arm)) is not None}
    if len(stated) == len(arms):
        _refuse_lone(arms, stated, rules)
        return stated, ()
    named = {arm.name: found for arm in arms if (found := _named(arm)) is not None}
    differ = len(set(named.values())) > 1
    if len(named) == len(arms) and not (differ and all(arm.in_order for arm in arms)):
        _refuse_lone(arms, named, rules)
        return named, ()
    if len({len(arm.runs) for arm in arms}) > 1:
        raise UserError(
            f"The arms have other numbers of runs: {_counts(arms)}; paired seeds need as many in each.",
            f"{_otherwise(arms)} To pair them, name as many runs of every arm, in the same order of seeds.",
        )
    order = tuple(range(len(arms[0].runs)))
    return dict.fromkeys((arm.name for arm in arms), order), _order_notes(arms, named)


def _trials(arm: LoggedArm, seeds: Sequence[int]) -> tuple[Trial, ...]:
    return tuple(Trial(seed, 0, run) for seed, run in zip(seeds, arm.runs, strict=True))


def _alone(arm: LoggedArm) -> tuple[int, ...]:
    """Return the seeds of an arm that pairs with none."""
    return _stated(arm) or _named(arm) or tuple(range(len(arm.runs)))


def _stated(arm: LoggedArm) -> tuple[int, ...] | None:
    """Return the seeds that the logs state, or None where one does not."""
    seeds = tuple(run.seed for run in arm.runs if run.seed is not None)
    if len(seeds) < len(arm.runs):
        return None
    twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if twice is not None:
        first, second, *_ = (run.path for run in arm.runs if run.seed == twice)
        raise UserError(
            f"{arm.name}: seed {twice} is in {first} and in {second}.",
            f"Name one of them: {typed_again(f'{arm.name}={first}')} ...",
        )
    return seeds


def _named(arm: LoggedArm) -> tuple[int, ...] | None:
    """Return the seed numbers in the paths, or None unless every path has its own."""
    found = [SEED_NUMBER.findall(str(run.path)) for run in arm.runs]
    if not all(found):
        return None
    seeds = tuple(int(numbers[-1]) for numbers in found)
    return seeds if len(set(seeds)) == len(seeds) else None


def _refuse_lone(arms: Sequence[LoggedArm], seeds: _Seeds, rules: SeedRules) -> None:
    common = set.intersection(*(set(own) for own in seeds.values()))
    lone = set().union(*seeds.values()) - common
    listed = "; ".join(f"{name} has {_numbers(own)}" for name, own in seeds.items())
    by_name = {arm.name: arm for arm in arms}
    pairs = list(combinations(arms, 2))
    more = [(by_name[base], by_name[other]) for base, other in rules.more if {base, other} <= by_name.keys()]
    for pair in (*(pairs if rules.every_pair else pairs[: len(arms) - 1]), *more):
        if not set.intersection(*(set(seeds[arm.name]) for arm in pair)):
            raise UserError(
                f"{' and '.join(arm.name for arm in pair)} have no seed in common: {listed}.",
                f"{_otherwise(arms)} To pair runs in the order given, name each on its own: "
                f"{typed_again(*(f'{arm.name}={arm.runs[0].path}' for arm in pair))} ...",
            )
    if lone and not rules.drop:
        raise UserError(
            f"Seeds {_numbers(sorted(lone))} are in some arms only: {listed}.",
            f"To compare the seeds that both arms have, type --allow-unpaired drop. {_otherwise(arms)}",
        )


def _otherwise(arms: Sequence[LoggedArm]) -> str:
    """Say what to type where the arms are no pairs of trainings."""
    single = [arm.name for arm in arms if len(arm.runs) == 1]
    fixed = single[0] if single else "NAME"
    return (
        f"If seeds of different arms have nothing to do with each other, type --pairing independent; if {fixed} has no "
        f"seeds (an untrained model, one published checkpoint), type --fixed {fixed} and name one run of it."
    )


def _order_notes(arms: Sequence[LoggedArm], named: _Seeds) -> tuple[str, ...]:
    notes = []
    if len(named) == len(arms):
        listed = " against ".join(_numbers(own) for own in dict.fromkeys(named.values()))
        notes.append(f"runs are paired in the order given, although their names carry different seeds ({listed})")
    elif len(arms[0].runs) > 1:
        order = "in the order given" if all(arm.in_order for arm in arms) else "in natural order"
        rows = zip(*(arm.runs for arm in arms), strict=True)
        pairs = ", ".join(" with ".join(str(run.path) for run in row) for row in rows)
        notes.append(f"nothing in the logs states their seeds: runs are paired {order}: {pairs}")
    return tuple(notes)


def _numbers(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))


def _counts(arms: Sequence[LoggedArm]) -> str:
    return "; ".join(f"{arm.name} has {len(arm.runs)} ({_list(arm)})" for arm in arms)


def _list(arm: LoggedArm) -> str:
    return ", ".join(str(run.path) for run in arm.runs)
