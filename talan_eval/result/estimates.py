"""What a gate reads from a result: differences with the terms of their guard, as the statistics want them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.result.names import cell_names, slice_names
from talan_eval.stats.guard import ErrorTerm

if TYPE_CHECKING:
    from talan_eval.result.schema import E1, Cell, Result

MEAN = "mean"
_PERCENT = 100.0


@dataclass(frozen=True)
class Estimate:
    """A difference and how well it is known.

    Attributes:
        name: The benchmark, the slice, or "mean".
        delta: A proportion.
        terms: Terms of the guard, proportions.
        n_seeds: Seeds of each backbone; the smallest number where they differ.
    """

    name: str
    delta: float
    terms: tuple[ErrorTerm, ...]
    n_seeds: int


def mean_estimate(result: Result) -> Estimate | None:
    """Return the mean over the cells, or None where it cannot be estimated."""
    mean = result.aggregate
    if mean.delta is None or mean.e1 is None:
        return None
    n_seeds = min(len(entry.seeds) for entry in mean.backbones)
    return Estimate(MEAN, mean.delta / _PERCENT, error_terms(mean.e1), n_seeds)


def cell_estimates(result: Result) -> tuple[Estimate | None, ...]:
    """Return the cells in the order of the result; None for one that cannot be estimated."""
    names = cell_names(result)
    return tuple(_cell(cell, name) for cell, name in zip(result.cells, names, strict=True))


def slice_estimates(result: Result) -> tuple[Estimate | None, ...]:
    """Return the slices in the order of the result; None for one that cannot be estimated."""
    names = slice_names(result)
    return tuple(_cell(cell, name) for cell, name in zip(result.slices, names, strict=True))


def error_terms(e1: E1) -> tuple[ErrorTerm, ...]:
    """Return the guard's terms as proportions."""
    return tuple(
        ErrorTerm(term.name, term.se / _PERCENT, math.inf if term.df is None else term.df) for term in e1.terms
    )


def _cell(cell: Cell, name: str) -> Estimate | None:
    if cell.e1 is None:
        return None
    return Estimate(name, cell.delta / _PERCENT, error_terms(cell.e1), cell.n_seeds)
