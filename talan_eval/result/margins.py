"""No worse, or no better, than by a margin: one rule for comparisons, reports and gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_eval.result.estimates import cell_estimates, diverged, mean_estimate
from talan_eval.result.evidence import CELL_SEEDS, SPARSE_SEEDS, MarginTest
from talan_eval.result.restated import upright
from talan_eval.stats.multiplicity import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.result.estimates import Estimate
    from talan_eval.result.evidence import MarginWord
    from talan_eval.result.schema import Contrast, Result

_PERCENT: Final = 100.0
_Both = tuple[float | None, float | None]


@dataclass(frozen=True)
class ContrastMargins:
    """What a margin lets a contrast say.

    Attributes:
        mean: Of its mean.
        cells: Of its cells, in their order.
    """

    mean: MarginTest
    cells: tuple[MarginTest, ...]


def margin_tests(result: Result, margin: float) -> tuple[ContrastMargins, ...]:
    """Test of each contrast whether its treatment is no worse, and no better, than its base by more than a margin.

    The tests are those of the gate: the guard and, from five seeds on, the bootstrap-t bound of the mean over seeds,
    the same for both directions; with one seed the test over items of its checkpoints. Nothing is said where a seed
    stands apart, where a training diverged, or where so few seeds allow no claim. Cells are adjusted by Holm among all
    cells of all contrasts; the mean of the first contrast has its own alpha, the others are adjusted among all means;
    every p is multiplied by the variants tried.

    Args:
        result: The result, of which more is better, in the order of whose contrasts the answer is.
        margin: In its unit, 0 or more, declared before results are read.
    """
    of, tried = result.primary.estimand, result.settings.variants_tried
    single = all(len(one.cells) == 1 for one in result.contrasts)
    means = [_p(mean_estimate(one, of), margin, SPARSE_SEEDS, held=diverged(result, one)) for one in result.contrasts]
    adjusted = _adjusted(means)
    cells = [
        _p(found, margin, SPARSE_SEEDS if single else CELL_SEEDS, held=bool(cell.diverged_seeds))
        for one in result.contrasts
        for found, cell in zip(cell_estimates(result, one, of), one.cells, strict=True)
    ]
    of_cells = iter(_adjusted(cells))
    return tuple(
        ContrastMargins(
            _test(own if place == 0 else among, margin, result.settings.alpha, tried),
            tuple(_test(next(of_cells), margin, result.settings.alpha, tried) for _ in one.cells),
        )
        for place, (one, own, among) in enumerate(zip(result.contrasts, means, adjusted, strict=True))
    )


def within_margin(result: Result, margin: float) -> Result:
    """Return a result whose contrasts say what a margin lets them say.

    Args:
        result: In its unit and direction.
        margin: In its unit, 0 or more, declared before results are read.
    """
    contrasts = with_margins(result.contrasts, margin_tests(upright(result), margin))
    settings = result.settings.model_copy(update={"margin": margin})
    return result.model_copy(update={"contrasts": contrasts, "settings": settings})


def with_margins(contrasts: Sequence[Contrast], tests: Sequence[ContrastMargins]) -> tuple[Contrast, ...]:
    """Return the contrasts with what the margin lets them say."""
    return tuple(
        one.model_copy(
            update={
                "aggregate": one.aggregate.model_copy(update={"margin_test": found.mean}),
                "cells": tuple(
                    cell.model_copy(update={"margin_test": test})
                    for cell, test in zip(one.cells, found.cells, strict=True)
                ),
            }
        )
        for one, found in zip(contrasts, tests, strict=True)
    )


def _p(found: Estimate | None, margin: float, least: int, *, held: bool) -> _Both:
    if found is None or held or (found.of != "E0" and found.n_seeds < least) or found.outlying is not None:
        return None, None
    evidence, limit = found.evidence, -margin / _PERCENT
    return evidence.p_above(limit), evidence.swapped().p_above(limit)


def _adjusted(tests: Sequence[_Both]) -> list[_Both]:
    """Adjust each direction by Holm; what is not judged stays in the family with p = 1."""
    columns = [holm(np.array([1.0 if p is None else p for p in one])) for one in zip(*tests, strict=True)]
    return [
        (None if worse is None else float(columns[0][place]), None if better is None else float(columns[1][place]))
        for place, (worse, better) in enumerate(tests)
    ]


def _test(p: _Both, margin: float, alpha: float, tried: int) -> MarginTest:
    worse, better = (None if one is None else min(1.0, tried * one) for one in p)
    shown = worse is not None and worse < alpha, better is not None and better < alpha
    words: dict[tuple[bool, bool], MarginWord] = {
        (True, False): "no worse",
        (False, True): "no better",
        (True, True): "equivalent",
    }
    return MarginTest(margin=margin, p_not_worse=worse, p_not_better=better, word=words.get(shown))
