"""What a gate reads from a result: differences with what is known of them, as the statistics want them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from talan_eval.result.labels import cell_names, slice_names
from talan_eval.stats.guard import ErrorTerm
from talan_eval.stats.guarded_t import paired_t
from talan_eval.stats.noninferiority import GuardedDifference, SeedDifference
from talan_eval.stats.outliers import outlying_seed
from talan_eval.stats.pair_table import PairTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.result.schema import E0, E1, E2, Aggregate, Cell, Contrast, GuardTerm, Result
    from talan_eval.stats.noninferiority import Evidence
    from talan_eval.stats.outliers import OutlyingSeed

Question = Literal["E0", "E1", "E2"]
MEAN: Final = "mean"
_PERCENT: Final = 100.0
_ROUNDING: Final = 1e-6  # points


@dataclass(frozen=True)
class Estimate:
    """A difference and how well it is known.

    Attributes:
        name: The benchmark, the slice, or "mean".
        delta: A proportion.
        terms: Terms of the guard, proportions; none of a table.
        n_seeds: Seeds of each backbone and arm; the smallest number where they differ.
        of: What it is about: E0, E1 or E2.
        seeds: Training seeds of ``per_seed``.
        per_seed: Differences of the seeds, proportions; empty for E0 and E2, several backbones and independent seeds.
        table: Items lost and gained by one pair of checkpoints (E0); None where terms say what is known.
        change: Whether it is how a difference changed between two results.
    """

    name: str
    delta: float
    terms: tuple[ErrorTerm, ...]
    n_seeds: int
    of: Question = "E1"
    seeds: tuple[int, ...] = ()
    per_seed: tuple[float, ...] = ()
    table: PairTable | None = None
    change: bool = False

    @property
    def evidence(self) -> Evidence:
        """Return bounds and one-sided p-values."""
        if self.table is not None:
            return self.table
        guarded = GuardedDifference(self.delta, self.terms)
        return SeedDifference(guarded, self.per_seed) if self.of == "E1" else guarded

    @property
    def outlying(self) -> OutlyingSeed | None:
        """Return a seed that stands apart; None where none does, or none can be told."""
        if self.of != "E1" or not self.per_seed:
            return None
        noise = next(term.se for term in self.terms if term.name == "flip") * math.sqrt(len(self.per_seed))
        found = outlying_seed(np.array(self.per_seed), noise)
        return found if found is not None and found.stands_apart else None

    def without(self, place: int) -> Estimate:
        """Return the estimate without one of its seeds; what items contribute grows as the seeds get fewer."""
        rest = np.delete(np.array(self.per_seed), place)
        plain, grown = paired_t(rest, 0.05), math.sqrt(len(self.per_seed) / len(rest))
        terms = (
            ErrorTerm("t", plain.se, plain.df),
            *(ErrorTerm(term.name, grown * term.se, term.df) for term in self.terms if term.name != "t"),
        )
        seeds = (*self.seeds[:place], *self.seeds[place + 1 :])
        kept = tuple(rest.tolist())
        return replace(self, delta=plain.delta, terms=terms, n_seeds=self.n_seeds - 1, seeds=seeds, per_seed=kept)


def mean_estimate(contrast: Contrast, of: Question = "E1") -> Estimate | None:
    """Return the mean over the cells of a contrast, or None where it cannot be estimated."""
    mean = contrast.aggregate
    if mean.delta is None:
        return None
    n_seeds = mean_seeds(contrast)
    if of == "E0" and mean.e0_mean is None and len(contrast.cells) == 1:
        return _older_pair(contrast.cells[0], MEAN)
    return _estimate(mean, MEAN, n_seeds, of)


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


def cell_estimates(result: Result, contrast: Contrast, of: Question = "E1") -> tuple[Estimate | None, ...]:
    """Return the cells of a contrast in the order of the result; None for one that cannot be estimated."""
    return _of_cells(contrast.cells, cell_names(result, contrast), of)


def slice_estimates(result: Result, contrast: Contrast, of: Question = "E1") -> tuple[Estimate | None, ...]:
    """Return the slices of a contrast in the order of the result; None for one that cannot be estimated."""
    return _of_cells(contrast.slices, slice_names(result, contrast), of)


def error_terms(e1: E1) -> tuple[ErrorTerm, ...]:
    """Return the guard's terms as proportions."""
    return _terms(e1.terms)


def _of_cells(cells: Sequence[Cell], names: Sequence[str], of: Question) -> tuple[Estimate | None, ...]:
    return tuple(
        _older_pair(cell, name) if of == "E0" and cell.e0_mean is None else _estimate(cell, name, cell.n_seeds, of)
        for cell, name in zip(cells, names, strict=True)
    )


def _estimate(found: Cell | Aggregate, name: str, n_seeds: int, of: Question) -> Estimate | None:
    if of == "E0":
        return None if found.e0_mean is None else _of_checkpoints(found.e0_mean, name, n_seeds)
    test: E1 | E2 | None = found.e1 if of == "E1" else found.e2
    if test is None or not test.terms or found.delta is None:
        return None
    per_seed = tuple(delta / _PERCENT for delta in found.deltas) if of == "E1" else ()
    return Estimate(name, found.delta / _PERCENT, _terms(test.terms), n_seeds, of, found.seeds, per_seed)


def _of_checkpoints(e0: E0, name: str, n_seeds: int) -> Estimate:
    table = None if e0.lost is None or e0.gained is None else PairTable(e0.n_items, e0.lost, e0.gained)
    return Estimate(name, e0.delta / _PERCENT, _terms(e0.terms), n_seeds, "E0", table=table)


def _older_pair(cell: Cell, name: str) -> Estimate | None:
    """Read the pair of checkpoints of a result that has no E0 of its own; only right-or-wrong answers are known so."""
    if len(cell.e0) != 1 or cell.clusters is not None:
        return None
    (pair,) = cell.e0
    if pair.lost is None or pair.gained is None:
        return None
    table = PairTable(cell.n_items, pair.lost, pair.gained)
    if not math.isclose(_PERCENT * table.delta, pair.delta, abs_tol=_ROUNDING):
        return None
    return Estimate(name, table.delta, (), 1, "E0", table=table)


def _terms(terms: Sequence[GuardTerm]) -> tuple[ErrorTerm, ...]:
    return tuple(ErrorTerm(term.name, term.se / _PERCENT, math.inf if term.df is None else term.df) for term in terms)
