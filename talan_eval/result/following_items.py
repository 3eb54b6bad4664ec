"""Do E0 and E2 follow from what stands below them? Intervals from tables and error terms, these from pairs and squares.

Not covered: the spread of partial credit over the items of a single pair of checkpoints, what items are shared by
benchmarks, clusters of items and the two-way bootstrap, which only the scores of single items can show.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from talan_eval.result.following import BySeed
from talan_eval.result.near import same
from talan_eval.stats.crossed import ItemPart, combine
from talan_eval.stats.guard import ErrorTerm, guarded
from talan_eval.stats.mcnemar import MAX_EXACT, mcnemar_exact, mcnemar_midp
from talan_eval.stats.noninferiority import one_sided_bounds
from talan_eval.stats.pair_table import PairTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.result.evidence import E0, E2, GuardTerm, Pairing
    from talan_eval.result.schema import Aggregate, Cell

_FULL: Final = 100.0  # points
_LEAST_RELATIVE: Final = 1e-6
_LEAST: Final = 1e-3  # points: what is left of a variance that is a difference of two


def error_terms(terms: Sequence[GuardTerm]) -> tuple[ErrorTerm, ...]:
    """Return terms as the statistics take them, in the unit of the result."""
    return tuple(ErrorTerm(term.name, term.se, math.inf if term.df is None else term.df) for term in terms)


def of_e0(e0: E0, alpha: float, *, shares: bool) -> Iterator[str]:
    """Name what an E0 says that does not follow from its table or its terms.

    Args:
        e0: What is said.
        alpha: Two-sided error rate.
        shares: Whether scores are shares in points; what a changed item is worth in other units is not known.
    """
    if (e0.lost is None) != (e0.gained is None) or (e0.lost is None) == (e0.method == "table"):
        yield "e0_mean: lost and gained stand there exactly for a table, and here it is otherwise"
    elif e0.lost is not None and e0.gained is not None:
        yield from () if not shares else _of_table(e0, PairTable(e0.n_items, e0.lost, e0.gained), alpha)
    elif not e0.terms:
        yield "e0_mean.terms are missing"
    else:
        terms = error_terms(e0.terms)
        due, bounds = guarded(e0.delta, terms, alpha), one_sided_bounds(e0.delta, terms, alpha)
        if not _same_numbers((*e0.ci, e0.p), (due.ci.lo, due.ci.hi, due.p)):
            yield "e0_mean: ci and p do not follow from its terms"
        said = e0.one_sided
        if not _same_numbers((said.alpha, said.lower, said.upper), (alpha, bounds.lower, bounds.upper)):
            yield "e0_mean.one_sided does not follow from its terms"


def _of_table(e0: E0, table: PairTable, alpha: float) -> Iterator[str]:
    if table.lost + table.gained > table.n_items or not same(e0.delta, _FULL * table.delta):
        yield "e0_mean.delta does not follow from the items lost and gained"
        return
    interval, bounds = table.interval(alpha), table.bounds(alpha)
    if not _same_numbers((*e0.ci, e0.p), (_FULL * interval.lo, _FULL * interval.hi, table.p)):
        yield "e0_mean: ci and p do not follow from the items lost and gained"
    said = e0.one_sided
    if not _same_numbers((said.alpha, said.lower, said.upper), (alpha, _FULL * bounds.lower, _FULL * bounds.upper)):
        yield "e0_mean.one_sided does not follow from the items lost and gained"


def pairs_of_cell(cell: Cell, alpha: float, *, shares: bool) -> Iterator[str]:
    """Name what the pairs of checkpoints of a cell say that does not follow; ``shares`` as in ``of_e0``."""
    for pair in cell.e0 if shares else ():
        lost, gained = pair.lost or 0, pair.gained or 0
        sign_p = mcnemar_exact(lost, gained) if lost + gained <= MAX_EXACT else mcnemar_midp(lost, gained)
        if pair.mcnemar_p is not None and not same(pair.mcnemar_p, sign_p):
            yield f"e0: mcnemar_p of seed {pair.seed} does not follow from the items lost and gained"
    e0 = cell.e0_mean
    if e0 is None:
        return
    yield from of_e0(e0, alpha, shares=shares)
    if (e0.n_items, e0.n_pairs) != (cell.n_items, len(cell.seeds)):
        yield "e0_mean is not of all items and seeds"
    if (e0.method == "clusters") != (cell.clusters is not None) or e0.method == "mean":
        yield "e0_mean.method is not that of how the items come"
    if e0.method == "table":
        yield from _one_pair(cell, e0)
        return
    by_name = {term.name: term.se for term in e0.terms}
    if shares and not same(by_name.get("floor", math.nan), _FULL * math.sqrt(2) / (cell.n_items + 2)):
        yield "e0_mean.terms: the floor does not follow from the items"
    squares = cell.mean_squares
    if squares is not None and squares.item is not None and cell.clusters is None:
        due = math.sqrt(max(0.0, squares.item) / (len(cell.seeds) * cell.n_items))
        if not math.isclose(by_name.get("t", math.nan), due, rel_tol=_LEAST_RELATIVE, abs_tol=_LEAST_RELATIVE):
            yield "e0_mean.terms: that of the items does not follow from mean_squares"


def _one_pair(cell: Cell, e0: E0) -> Iterator[str]:
    """Name a table that is not that of the cell's only pair of checkpoints."""
    if len(cell.e0) != 1:
        return
    (pair,) = cell.e0
    if (pair.lost, pair.gained) != (e0.lost, e0.gained):
        yield "e0_mean is not the table of its pair of checkpoints"
    elif pair.p is not None and pair.ci is not None and not _same_numbers((*pair.ci, pair.p), (*e0.ci, e0.p)):
        yield "e0: ci and p of the pair are not those of e0_mean"


def pairs_of_mean(mean: Aggregate, cells: Sequence[Cell], alpha: float, *, shares: bool) -> Iterator[str]:
    """Name what the E0 of a mean says that does not follow from its cells; ``shares`` as in ``of_e0``."""
    e0 = mean.e0_mean
    if e0 is None:
        return
    yield from of_e0(e0, alpha, shares=shares)
    if mean.delta is not None and not same(e0.delta, mean.delta):
        yield "e0_mean.delta is not delta"
    seeds = {entry.backbone: entry.seeds for entry in mean.backbones}
    due = (sum(cell.n_items for cell in cells), min(map(len, seeds.values())))
    if (e0.n_items, e0.n_pairs) != due:
        yield "e0_mean is not of all items and seeds"
    if any(cell.seeds != seeds[cell.backbone] or cell.e0_mean is None for cell in cells):
        return
    if len(cells) == 1:
        if e0 != cells[0].e0_mean:
            yield "e0_mean is not that of its only cell"
        return
    if not shares:
        return
    by_name = {term.name: term.se for term in e0.terms}
    floor = _FULL * math.sqrt(sum(2 / (cell.n_items + 2) ** 2 for cell in cells)) / len(cells)
    if not same(by_name.get("floor", math.nan), floor):
        yield "e0_mean.terms: the floor does not follow from the items"
    own = [cell.e0_mean for cell in cells if cell.e0_mean is not None and cell.clusters is None]
    alone = math.sqrt(sum(_error_of_items(one) ** 2 for one in own)) / len(cells)
    if len(own) == len(cells) and not same(by_name.get("flip", math.nan), alone):
        yield "e0_mean.terms: that of single items does not follow from the cells"


def _error_of_items(e0: E0) -> float:
    """Return the standard error of a cell's mean over independent items."""
    if e0.lost is not None and e0.gained is not None:
        return _FULL * PairTable(e0.n_items, e0.lost, e0.gained).wald[1]
    return next((term.se for term in e0.terms if term.name == "t"), math.nan)


def of_e2(e2: E2, delta: float, alpha: float) -> Iterator[str]:
    """Name what an E2 says that does not follow from its terms; nothing of an older one, which has none."""
    if not e2.terms:
        return
    terms = error_terms(e2.terms)
    due, bounds = guarded(delta, terms, alpha), one_sided_bounds(delta, terms, alpha)
    if not _same_numbers((*e2.ci, e2.p), (due.ci.lo, due.ci.hi, due.p)):
        yield "e2: ci and p do not follow from e2.terms"
    if (said := e2.one_sided) is None:
        yield "e2.one_sided stands there with terms, and here it does not"
    elif not _same_numbers((said.alpha, said.lower, said.upper), (alpha, bounds.lower, bounds.upper)):
        yield "e2.one_sided does not follow from e2.terms"
    varies = terms[0].se > 0
    if (e2.df is not None) != varies or (e2.df is not None and not same(e2.df, terms[0].df)):
        yield "e2.df is not that of its first term"


def e2_of_cell(cell: Cell, pairing: Pairing, *, shares: bool) -> Iterator[str]:
    """Name terms of a cell's E2 that do not follow from its mean squares; ``shares`` as in ``of_e0``."""
    if cell.e2 is not None and pairing == "paired":
        yield from _from_squares(cell.e2, cell.delta, cell.deltas, (cell,), shares=shares)


def e2_of_mean(mean: Aggregate, cells: Sequence[Cell], pairing: Pairing, *, shares: bool) -> Iterator[str]:
    """Name terms of a mean's E2 that do not follow from its cells: of one backbone, whose cells have all its seeds."""
    whole = len(mean.backbones) == 1 and all(cell.seeds == mean.seeds for cell in cells)
    if mean.e2 is not None and mean.delta is not None and whole and pairing == "paired":
        yield from _from_squares(mean.e2, mean.delta, mean.deltas, cells, shares=shares)


def _from_squares(
    e2: E2, delta: float, deltas: Sequence[float], cells: Sequence[Cell], *, shares: bool
) -> Iterator[str]:
    """Name error terms that are not those of the seeds and of the items' mean squares; independent items only."""
    if not e2.terms or any(cell.mean_squares is None or cell.clusters is not None for cell in cells):
        return
    parts, count, n_seeds = [], len(cells), len(deltas)
    for cell in cells:
        squares = cell.mean_squares
        if squares is None or squares.item is None or squares.error is None:
            yield "e2 stands there with two items or more, which mean_squares does not show"
            return
        size = count * count * n_seeds * cell.n_items
        error = squares.error / size
        errors = ((error, (n_seeds - 1) * (cell.n_items - 1)),)
        floor = 2 * (_FULL / (count * (cell.n_items + 2))) ** 2
        parts.append(ItemPart(squares.item / size, error, cell.n_items - 1, errors, floor, clustered=False))
    of_seeds = BySeed(1.0, deltas).part
    due = combine(delta, [of_seeds], parts, 0.05).terms
    # a metric without bounds has no floor
    own = {term.name: term.se for term in error_terms(e2.terms) if term.name != "floor" or shares}
    of_squares = {term.name: term.se for term in due if term.name != "floor" or shares}
    if own.keys() != of_squares.keys() or not all(
        math.isclose(se, of_squares[name], rel_tol=_LEAST_RELATIVE, abs_tol=_LEAST) for name, se in own.items()
    ):
        yield "e2.terms do not follow from mean_squares"


def _same_numbers(found: Sequence[float], due: Sequence[float]) -> bool:
    return all(same(one, two) for one, two in zip(found, due, strict=True))
