"""How a gain changed between two results of one family: the difference of two differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_core.errors import UserError
from talan_eval.result.estimates import MEAN, Estimate, error_terms
from talan_eval.result.names import cell_names
from talan_eval.stats.guard import ErrorTerm
from talan_eval.stats.guarded_t import paired_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.result.schema import E1, Cell, Result

_PERCENT = 100.0


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


def check_family(new: Result, old: Result) -> None:
    """Refuse two results that do not answer the same question.

    Raises:
        UserError: The family hashes differ; the message says in what.
    """
    if new.primary.family_hash == old.primary.family_hash:
        return
    differs = [
        f"{what} ({theirs} there, {ours} here)"
        for what, theirs, ours in (
            ("base arm", old.base, new.base),
            ("treat arm", old.treat, new.treat),
            ("benchmarks", ", ".join(_cells(old)), ", ".join(_cells(new))),
            ("variants tried", str(old.settings.variants_tried), str(new.settings.variants_tried)),
        )
        if theirs != ours
    ]
    raise UserError(
        f"The results are of different families ({old.primary.family_hash} and {new.primary.family_hash}): "
        f"{'; '.join(differs) or 'their slices differ'}.",
        "Compare results of the same arms, backbones, benchmarks and metrics, or write a new baseline: "
        "talan-eval compare ... --json BASELINE.json",
    )


def mean_change(new: Result, old: Result) -> Change:
    """Return how the mean gain changed.

    Each seed's two gains are paired where both results have the same seeds of one backbone, which takes out what the
    seed fixes. Otherwise the results are independent samples: variances add, degrees of freedom by Welch (1947) and
    Satterthwaite (1946). The flip and floor terms of both add in quadrature either way.
    """
    mean, was = new.aggregate, old.aggregate
    same = all(one == two for one, two in zip(_measured(new), _measured(old), strict=True))
    seeds = mean.seeds if mean.seeds == was.seeds else ()
    n_seeds = min(len(entry.seeds) for entry in (*mean.backbones, *was.backbones))
    estimate = _estimate(
        MEAN, (mean.delta, was.delta), (mean.e1, was.e1), (mean.deltas, was.deltas) if seeds else None, n_seeds
    )
    return Change(MEAN, was.delta, mean.delta, estimate, same)


def cell_changes(new: Result, old: Result) -> tuple[Change, ...]:
    """Return how each cell's gain changed, in the order of the new result."""
    before = {(cell.backbone, cell.task, cell.metric): cell for cell in old.cells}
    changes = []
    for cell, name in zip(new.cells, cell_names(new), strict=True):
        was = before[cell.backbone, cell.task, cell.metric]
        paired = (cell.deltas, was.deltas) if cell.seeds == was.seeds else None
        n_seeds = min(cell.n_seeds, was.n_seeds)
        estimate = _estimate(name, (cell.delta, was.delta), (cell.e1, was.e1), paired, n_seeds)
        changes.append(Change(name, was.delta, cell.delta, estimate, _cell_numbers(cell) == _cell_numbers(was)))
    return tuple(changes)


def _estimate(
    name: str,
    deltas: tuple[float | None, float | None],
    tests: tuple[E1 | None, E1 | None],
    paired: tuple[Sequence[float], Sequence[float]] | None,
    n_seeds: int,
) -> Estimate | None:
    (new, old), (first, second) = deltas, tests
    if new is None or old is None or first is None or second is None:
        return None
    one, two = error_terms(first), error_terms(second)
    rest = tuple(_sum(a, b) for a, b in zip(one[1:], two[1:], strict=True))
    if paired is None:
        return Estimate(name, (new - old) / _PERCENT, (_sum(one[0], two[0]), *rest), n_seeds)
    plain = paired_t((np.asarray(paired[0]) - np.asarray(paired[1])) / _PERCENT, 0.05)
    return Estimate(name, (new - old) / _PERCENT, (ErrorTerm("t", plain.se, plain.df), *rest), n_seeds)


def _sum(one: ErrorTerm, two: ErrorTerm) -> ErrorTerm:
    """Add the variances of two independent estimates; degrees of freedom by Satterthwaite, normal terms count none."""
    variance = one.se**2 + two.se**2
    if variance == 0:
        return ErrorTerm(one.name, 0.0, min(one.df, two.df))
    inverse = sum((term.se**2 / variance) ** 2 / term.df for term in (one, two))
    return ErrorTerm(one.name, math.sqrt(variance), 1 / inverse if inverse > 0 else math.inf)


def _measured(result: Result) -> list[object]:
    return [_cell_numbers(cell) for cell in result.cells]


def _cell_numbers(cell: Cell) -> object:
    changed = tuple((pair.seed, pair.lost, pair.gained) for pair in cell.e0)
    return cell.backbone, cell.task, cell.n_items, cell.deltas, cell.base_by_seed, changed


def _cells(result: Result) -> tuple[str, ...]:
    return tuple(f"{cell.backbone}/{cell.task}/{cell.metric}" for cell in result.cells)
