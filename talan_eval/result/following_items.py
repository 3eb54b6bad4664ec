"""Do E0 and E2 follow from what stands below them? Intervals from tables and error terms, these from pairs and squares.

Not covered: the spread of partial credit over the items of a single pair of checkpoints, what items are shared by
benchmarks, by how much clusters change a variance and the two-way bootstrap, which only the scores of single items can
show. E0 never counts clusters for less than single items, so it cannot be narrowed by claiming them.
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
    yield from _spread_of_items(cell, e0)


def _spread_of_items(cell: Cell, e0: E0) -> Iterator[str]:
    """Name error terms that are not those of the items' mean square, or of so many items or clusters."""
    terms, of_clusters = {term.name: term for term in e0.terms}, cell.clusters
    groups = cell.n_items if of_clusters is None else of_clusters.n_clusters
    if cell.n_items > 1 and ("t" not in terms or terms["t"].df != groups - 1):
        yield "e0_mean.terms: the degrees of freedom are not those of the items"
    squares = cell.mean_squares
    if squares is None or squares.item is None:
        return
    single = math.sqrt(max(0.0, squares.item) / (len(cell.seeds) * cell.n_items))
    due = {"t": single}
    if of_clusters is not None:
        due = {"t": single * math.sqrt(of_clusters.design_effect), "flip": single}
    for name, se in due.items():
        found = terms[name].se if name in terms else math.nan
        if not math.isclose(found, se, rel_tol=_LEAST_RELATIVE, abs_tol=_LEAST_RELATIVE):
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
    if any(cell.e0_mean is None for cell in cells):
        yield "e0_mean rests on that of each cell, and one is null"
        return
    if any(cell.seeds != seeds[cell.backbone] for cell in cells):
        return
    if len(cells) == 1:
        if e0 != cells[0].e0_mean:
            yield "e0_mean is not that of its only cell"
        return
    if shares:
        yield from _terms_of_mean(e0, [(cell.n_items, cell.e0_mean) for cell in cells if cell.e0_mean is not None])


def _terms_of_mean(e0: E0, cells: Sequence[tuple[int, E0]]) -> Iterator[str]:
    """Name the guards of a mean that are not those of its cells, each of so many items."""
    by_name = {term.name: term.se for term in e0.terms}
    floor = _FULL * math.sqrt(sum(2 / (n_items + 2) ** 2 for n_items, _ in cells)) / len(cells)
    if not same(by_name.get("floor", math.nan), floor):
        yield "e0_mean.terms: the floor does not follow from the items"
    alone = math.sqrt(sum(_error_of_items(one) ** 2 for _, one in cells)) / len(cells)
    if not same(by_name.get("flip", math.nan), alone):
        yield "e0_mean.terms: that of single items does not follow from the cells"


def _error_of_items(e0: E0) -> float:
    """Return the standard error of a cell's mean over independent items, which clusters have beside their own."""
    if e0.lost is not None and e0.gained is not None:
        return _FULL * PairTable(e0.n_items, e0.lost, e0.gained).wald[1]
    own = "flip" if e0.method == "clusters" else "t"
    return next((term.se for term in e0.terms if term.name == own), math.nan)


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
    if not e2.terms:
        return
    if any(cell.clusters is not None for cell in cells):
        yield from _least_of_clusters(e2, cells, shares=shares)
        return
    parts, count, n_seeds = [], len(cells), len(deltas)
    for cell in cells:
        squares = cell.mean_squares
        if squares is None or squares.item is None or squares.error is None:
            yield "e2 rests on mean_squares of two items or more, and they are null"
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


def _least_of_clusters(e2: E2, cells: Sequence[Cell], *, shares: bool) -> Iterator[str]:
    """Name error terms of clustered items that are smaller than those that E0 has for the same items and seeds."""
    own, count = {term.name: term.se for term in error_terms(e2.terms)}, len(cells)
    pairs = [cell.e0_mean for cell in cells if cell.e0_mean is not None]
    of_items = [term.se for pair in pairs for term in pair.terms if term.name == "t"]
    if len(of_items) < count or own.get("flip", 0.0) < math.sqrt(sum(se**2 for se in of_items)) / count - _LEAST:
        yield "e2.terms: that of clustered items is smaller than e0_mean's"
    floor = _FULL * math.sqrt(sum(2 / (cell.n_items + 2) ** 2 for cell in cells)) / count
    if shares and not same(own.get("floor", math.nan), floor):
        yield "e2.terms: the floor does not follow from the items"


def _same_numbers(found: Sequence[float], due: Sequence[float]) -> bool:
    return all(same(one, two) for one, two in zip(found, due, strict=True))
