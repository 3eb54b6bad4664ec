"""What a gate reads from a result: differences with the terms of their guard, as the statistics want them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.result.labels import cell_names, slice_names
from talan_eval.stats.guard import ErrorTerm

if TYPE_CHECKING:
    from talan_eval.result.schema import E1, Cell, Contrast, Result

MEAN = "mean"
_PERCENT = 100.0


@dataclass(frozen=True)
class Estimate:
    """A difference and how well it is known.

    Attributes:
        name: The benchmark, the slice, or "mean".
        delta: A proportion.
        terms: Terms of the guard, proportions.
        n_seeds: Seeds of each backbone and arm; the smallest number where they differ.
    """

    name: str
    delta: float
    terms: tuple[ErrorTerm, ...]
    n_seeds: int


def mean_estimate(contrast: Contrast) -> Estimate | None:
    """Return the mean over the cells of a contrast, or None where it cannot be estimated."""
    mean = contrast.aggregate
    if mean.delta is None or mean.e1 is None:
        return None
    return Estimate(MEAN, mean.delta / _PERCENT, error_terms(mean.e1), mean_seeds(contrast))


def mean_seeds(contrast: Contrast) -> int:
    """Return the seeds by which rules about the mean go: the smallest number of a backbone, and of either arm."""
    found = []
    for entry in contrast.aggregate.backbones:
        found.append(len(entry.seeds))
        if contrast.pairing == "independent":
            own = [set(cell.base_seeds or ()) for cell in contrast.cells if cell.backbone == entry.backbone]
            found.append(len(set.intersection(*own)))
    return min(found)


def diverged(result: Result, contrast: Contrast) -> bool:
    """Say whether a training of either arm of a contrast diverged: an outcome that its scores do not show."""
    arms = {(arm, cell.backbone) for arm in (contrast.base, contrast.treatment) for cell in contrast.cells}
    return any(cell.diverged_seeds for cell in contrast.cells) or any(
        arm.diverged for arm in result.arms if (arm.name, arm.backbone) in arms
    )


def cell_estimates(result: Result, contrast: Contrast) -> tuple[Estimate | None, ...]:
    """Return the cells of a contrast in the order of the result; None for one that cannot be estimated."""
    names = cell_names(result, contrast)
    return tuple(_cell(cell, name) for cell, name in zip(contrast.cells, names, strict=True))


def slice_estimates(result: Result, contrast: Contrast) -> tuple[Estimate | None, ...]:
    """Return the slices of a contrast in the order of the result; None for one that cannot be estimated."""
    names = slice_names(result, contrast)
    return tuple(_cell(cell, name) for cell, name in zip(contrast.slices, names, strict=True))


def error_terms(e1: E1) -> tuple[ErrorTerm, ...]:
    """Return the guard's terms as proportions."""
    return tuple(
        ErrorTerm(term.name, term.se / _PERCENT, math.inf if term.df is None else term.df) for term in e1.terms
    )


def _cell(cell: Cell, name: str) -> Estimate | None:
    if cell.e1 is None:
        return None
    return Estimate(name, cell.delta / _PERCENT, error_terms(cell.e1), cell.n_seeds)
