"""How a gain changed between two results of one family: the difference of two differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_core.errors import UserError
from talan_eval.result.choosing import OPTION, typed
from talan_eval.result.estimates import MEAN, Estimate, error_terms, mean_seeds
from talan_eval.result.labels import cell_names
from talan_eval.stats.guard import ErrorTerm
from talan_eval.stats.guarded_t import paired_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.result.schema import E1, Cell, Contrast, Result

_PERCENT = 100.0
_PAIR = "pair:"


@dataclass(frozen=True)
class Change:
    """New gain minus old gain.

    Attributes:
        name: The benchmark or "mean".
        old: Old gain, points; None where it cannot be estimated.
        new: New gain, points; None likewise.
        estimate: The change with the terms of its guard; None where it cannot be estimated.
        identical: Whether both results hold the same numbers, seed by seed: the same measurement, no new one.
    """

    name: str
    old: float | None
    new: float | None
    estimate: Estimate | None
    identical: bool


def matched(
    new: Result, old: Result, contrasts: Sequence[Contrast], *, every: bool
) -> tuple[tuple[Contrast, Contrast], ...]:
    """Pair contrasts of a result with those of the same arms in an older one.

    Args:
        new: The newer result.
        old: The older one.
        contrasts: Those of the newer result that are looked at.
        every: Whether these are all it has, so that one which only the older result has would go unnoticed.

    Returns:
        (contrast, the same in the older result) of each.

    Raises:
        UserError: The contrasts are of different families, or measured in different ways; the message says in what.
    """
    check_measure(new, old)
    single = len(new.contrasts) == len(old.contrasts) == 1
    if new.primary.family_hash != old.primary.family_hash and (single or _declared(new) == _declared(old)):
        raise _other_family(new, old, new.contrasts[0], old.contrasts[0])
    before = {(one.base, one.treatment): one for one in old.contrasts}
    if every:
        _check_same(contrasts, old.contrasts)
    pairs = []
    for one in contrasts:
        was = before.get((one.base, one.treatment))
        if was is None:
            raise _not_there([one], old.contrasts, "older", contrasts)
        if _identity(one, new) != _identity(was, old):
            raise _other_family(new, old, one, was)
        pairs.append((one, was))
    _check_items(new, old, pairs)
    return tuple(pairs)


def check_measure(new: Result, old: Result) -> None:
    """Raise a ``UserError`` for results of another unit, direction or bounds."""
    if old.measure != new.measure:
        ours, theirs = (
            f"{one.measure.unit}, of which {'more' if one.measure.higher_is_better else 'less'} is better, within "
            f"{one.measure.lower} and {one.measure.upper}"
            for one in (new, old)
        )
        raise UserError(
            f"The older result is measured in {theirs}, the newer one in {ours}.",
            "Compare results of the same metric, or write a new baseline: talan-eval compare ... --json BASELINE.json",
        )


def _check_items(new: Result, old: Result, pairs: Sequence[tuple[Contrast, Contrast]]) -> None:
    """Refuse results of other items or prompts, by the pairing hash of each benchmark.

    Results from before there was one have a hash over all benchmarks in their signature.
    """
    differing = []
    for one, was in pairs:
        before = {_key(cell): cell.pairing_hash for cell in was.cells}
        known = [(cell, before[_key(cell)]) for cell in one.cells]
        if all(cell.pairing_hash is not None and theirs is not None for cell, theirs in known):
            differing += [cell.task for cell, theirs in known if cell.pairing_hash != theirs]
        elif _PAIR in new.signature and _PAIR in old.signature and _pair_of(new) != _pair_of(old):
            differing += [cell.task for cell, _ in known]
    if differing:
        tasks = ", ".join(dict.fromkeys(differing))
        raise UserError(
            f"The results are of other items or prompts on {tasks} (pairing hash): what differs between them may be "
            "the questions.",
            "Compare results of the same items under the same prompts, or write a new baseline: "
            "talan-eval compare ... --json BASELINE.json",
        )


def _pair_of(result: Result) -> str:
    return next(part for part in result.signature.split("|") if part.startswith(_PAIR))


def _check_same(new: Sequence[Contrast], old: Sequence[Contrast]) -> None:
    ours, theirs = ({(one.base, one.treatment) for one in these} for these in (new, old))
    if ours - theirs:
        raise _not_there([one for one in new if (one.base, one.treatment) not in theirs], old, "older", new)
    if theirs - ours:
        raise _not_there([one for one in old if (one.base, one.treatment) not in ours], new, "newer", old)


def mean_change(new: Contrast, old: Contrast) -> Change:
    """Return how the mean gain of a contrast changed.

    Each seed's two gains are paired where both results have the same seeds of one backbone, which takes out what the
    seed fixes. Otherwise, and for arms with independent seeds, the results are independent samples: variances add,
    degrees of freedom by Welch (1947) and Satterthwaite (1946). The flip and floor terms of both add in quadrature
    either way.
    """
    mean, was = new.aggregate, old.aggregate
    same = {_key(cell): _numbers(cell) for cell in new.cells} == {_key(cell): _numbers(cell) for cell in old.cells}
    pairs = (mean.seeds, mean.deltas, was.deltas) if paired(new, old) else None
    estimate = _estimate(MEAN, (mean.delta, was.delta), (mean.e1, was.e1), pairs, min(mean_seeds(new), mean_seeds(old)))
    return Change(MEAN, was.delta, mean.delta, estimate, same)


def paired(new: Contrast, old: Contrast) -> bool:
    """Say whether the mean gains of two results are paired by training seed."""
    mean, was = new.aggregate, old.aggregate
    return mean.seeds == was.seeds and bool(mean.deltas) and bool(was.deltas)


def cell_changes(result: Result, new: Contrast, old: Contrast) -> tuple[Change, ...]:
    """Return how each cell's gain changed, in the order of the new contrast, which is one of ``result``."""
    before = {_key(cell): cell for cell in old.cells}
    changes = []
    for cell, name in zip(new.cells, cell_names(result, new), strict=True):
        was = before[_key(cell)]
        same = cell.seeds == was.seeds and cell.deltas and was.deltas
        pairs = (cell.seeds, cell.deltas, was.deltas) if same else None
        n_seeds = min(cell.n_seeds, was.n_seeds)
        estimate = _estimate(name, (cell.delta, was.delta), (cell.e1, was.e1), pairs, n_seeds)
        changes.append(Change(name, was.delta, cell.delta, estimate, _numbers(cell) == _numbers(was)))
    return tuple(changes)


def _estimate(
    name: str,
    deltas: tuple[float | None, float | None],
    tests: tuple[E1 | None, E1 | None],
    paired: tuple[tuple[int, ...], Sequence[float], Sequence[float]] | None,
    n_seeds: int,
) -> Estimate | None:
    (new, old), (first, second) = deltas, tests
    if new is None or old is None or first is None or second is None:
        return None
    one, two = error_terms(first), error_terms(second)
    rest = tuple(_sum(a, b) for a, b in zip(one[1:], two[1:], strict=True))
    if paired is None:
        return Estimate(name, (new - old) / _PERCENT, (_sum(one[0], two[0]), *rest), n_seeds, change=True)
    seeds, now, then = paired
    per_seed = (np.asarray(now) - np.asarray(then)) / _PERCENT
    plain = paired_t(per_seed, 0.05)
    return Estimate(
        name, (new - old) / _PERCENT, (ErrorTerm("t", plain.se, plain.df), *rest), n_seeds, seeds=seeds,
        per_seed=tuple(per_seed.tolist()), change=True,
    )  # fmt: skip


def _sum(one: ErrorTerm, two: ErrorTerm) -> ErrorTerm:
    """Add the variances of two independent estimates; degrees of freedom by Satterthwaite, normal terms count none."""
    variance = one.se**2 + two.se**2
    if variance == 0:
        return ErrorTerm(one.name, 0.0, min(one.df, two.df))
    inverse = sum((term.se**2 / variance) ** 2 / term.df for term in (one, two))
    return ErrorTerm(one.name, math.sqrt(variance), 1 / inverse if inverse > 0 else math.inf)


def _key(cell: Cell) -> tuple[str, str, str]:
    return cell.backbone, cell.task, cell.metric


def _numbers(cell: Cell) -> object:
    changed = tuple((pair.seed, pair.lost, pair.gained) for pair in cell.e0)
    arms = (cell.base_by_seed, cell.treat_by_seed if not cell.deltas else ())
    return cell.n_items, cell.deltas, arms, changed, cell.diverged_seeds


def _declared(result: Result) -> set[tuple[str, str, str]]:
    return {(one.base, one.treatment, one.pairing) for one in result.contrasts}


def _identity(contrast: Contrast, result: Result) -> object:
    """Return what two contrasts must share to be of one family: what the hash of a single contrast is made of."""
    return (
        contrast.pairing,
        sorted(
            (cell.backbone, cell.task, cell.metric, cell.slice or "") for cell in (*contrast.cells, *contrast.slices)
        ),
        result.settings.variants_tried,
        result.primary.weights,
    )


def _other_family(new: Result, old: Result, ours: Contrast, theirs: Contrast) -> UserError:
    several = len(new.contrasts) > 1
    arms = (
        (("primary contrast", old.contrasts[0].name, new.contrasts[0].name),)
        if several
        else (("base arm", theirs.base, ours.base), ("arm under test", theirs.treatment, ours.treatment))
    )
    differs = [
        f"{what} ({there} there, {here} here)"
        for what, there, here in (
            *arms,
            ("pairing of seeds", theirs.pairing, ours.pairing),
            ("benchmarks", ", ".join(_cells(theirs)), ", ".join(_cells(ours))),
            ("weights of the mean", _weights(old), _weights(new)),
            ("variants tried", str(old.settings.variants_tried), str(new.settings.variants_tried)),
        )
        if there != here
    ]
    return UserError(
        f"The results are of different families ({old.primary.family_hash} and {new.primary.family_hash}): "
        f"{'; '.join(differs) or 'their slices differ'}.",
        "Compare results of the same arms, backbones, benchmarks and metrics, or write a new baseline: "
        "talan-eval compare ... --json BASELINE.json",
    )


def _weights(result: Result) -> str:
    weights = result.primary.weights
    return ", ".join(f"{task} {share:.3g}" for task, share in weights.items()) if weights else "equal"


def _not_there(
    lacking: Sequence[Contrast], there: Sequence[Contrast], which: str, wanted: Sequence[Contrast]
) -> UserError:
    known = {typed(one) for one in there}
    common = " ".join(f"{OPTION} '{typed(one)}'" for one in wanted if typed(one) in known)
    choose = f"Choose what both have: {common}" if common else "Compare results of the same arms"
    return UserError(
        f"The {which} result has no contrast {', '.join(one.name for one in lacking)}; it has "
        f"{', '.join(one.name for one in there)}.",
        f"{choose}; or write a new baseline: talan-eval compare ... --json BASELINE.json",
    )


def _cells(contrast: Contrast) -> tuple[str, ...]:
    return tuple(f"{cell.backbone}/{cell.task}/{cell.metric}" for cell in contrast.cells)
