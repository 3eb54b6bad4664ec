"""Do the numbers of a result follow from each other? Intervals from error terms, error terms from scores by seed.

What a reader decides on is computed here again from what stands further below: a bound from the terms of its guard, the
term of the seeds from the differences by seed, the noise of items from their mean square and their number, sign flips
from the differences, verdicts from the p that decides. Not covered: the mean square of items, the two-way analysis (E2)
and corrections over a family, which only the scores of single items can show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_eval.result.near import same
from talan_eval.stats.crossed import satterthwaite
from talan_eval.stats.guard import ErrorTerm, guarded
from talan_eval.stats.noninferiority import one_sided_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.result.evidence import E1, Pairing
    from talan_eval.result.schema import Aggregate, BackboneMean, Cell, Settings

_TERMS: Final = ("t", "flip", "floor")
_ENUMERATED: Final = 16  # seeds: 65,536 sums; above, the smallest p alone is checked
_MIRRORED: Final = 2
_PERCENT: Final = 100.0


@dataclass(frozen=True)
class BySeed:
    """How the scores of one arm, or the differences of pairs, vary over the seeds of one backbone.

    Attributes:
        weight: Share of the cells that are this backbone's.
        values: By seed, points.
    """

    weight: float
    values: Sequence[float]

    @property
    def part(self) -> tuple[float, float]:
        """Return what it adds to the variance of the mean, in squared points, with its degrees of freedom."""
        count = len(self.values)
        mean = sum(self.values) / count
        if all(same(value, mean) for value in self.values):
            return 0.0, count - 1
        return self.weight**2 * sum((value - mean) ** 2 for value in self.values) / (count - 1) / count, count - 1


@dataclass(frozen=True)
class Recomputed:
    """What an E1 is computed from.

    Attributes:
        delta: The difference, points.
        pairing: How the seeds of the arms relate.
        spreads: Per backbone the differences by seed; of independent arms those of each arm.
        items: Per cell its items, seeds of treatment and base, and mean square of the noise; None where unknown.
        drawn: Whether answers of a fixed base may add noise of their own to every term.
        clustered: Whether items come in clusters, whose noise is not recorded.
    """

    delta: float
    pairing: Pairing
    spreads: Sequence[BySeed]
    items: Sequence[ItemNoise]
    drawn: bool = False
    clustered: bool = False


@dataclass(frozen=True)
class ItemNoise:
    """What the items of one cell add to the error terms.

    Attributes:
        n_items: Items.
        seeds: Seeds of the treatment and of the base; the same number twice where they are paired.
        error: Mean square of interaction and noise, squared points; None where it is not recorded.
    """

    n_items: int
    seeds: tuple[int, int]
    error: float | None


def of_cell(cell: Cell, pairing: Pairing) -> Recomputed:
    """Return what the E1 of a cell is computed from."""
    independent = pairing == "independent"
    spreads = (BySeed(1.0, cell.treat_by_seed), BySeed(1.0, cell.base_by_seed)) if independent else None
    return Recomputed(
        cell.delta,
        pairing,
        spreads or (BySeed(1.0, cell.deltas),),
        (_noise(cell, pairing),),
        drawn=pairing == "fixed" and cell.k > 1,
        clustered=cell.clusters is not None,
    )


def of_mean(mean: Aggregate, cells: Sequence[Cell], pairing: Pairing) -> Recomputed | None:
    """Return what the E1 of a mean is computed from; None where it has no differences."""
    if mean.delta is None or any(not entry.seeds for entry in mean.backbones):
        return None
    own = {entry.backbone: [cell for cell in cells if cell.backbone == entry.backbone] for entry in mean.backbones}
    spreads: list[BySeed] = []
    for entry in mean.backbones:
        weight = len(own[entry.backbone]) / len(cells)
        if pairing == "independent":
            of_base = sorted(set.intersection(*(set(cell.base_seeds or ()) for cell in own[entry.backbone])))
            spreads += [
                BySeed(weight, over_cells([(c.seeds, c.treat_by_seed) for c in own[entry.backbone]], entry.seeds)),
                BySeed(
                    weight, over_cells([(c.base_seeds or (), c.base_by_seed) for c in own[entry.backbone]], of_base)
                ),
            ]
        else:
            spreads.append(BySeed(weight, entry.deltas))
    whole = all(cell.seeds == entry.seeds for entry in mean.backbones for cell in own[entry.backbone])
    return Recomputed(
        mean.delta,
        pairing,
        spreads,
        [_noise(cell, pairing) for cell in cells] if whole and pairing != "independent" else (),
        drawn=pairing == "fixed" and any(cell.k > 1 for cell in cells),
        clustered=any(cell.clusters is not None for cell in cells),
    )


def over_cells(rows: Sequence[tuple[Sequence[int], Sequence[float]]], seeds: Sequence[int]) -> tuple[float, ...]:
    """Average scores over cells, seed by seed; each row is the seeds of a cell with their scores."""
    found = [dict(zip(of_row, values, strict=False)) for of_row, values in rows]
    return tuple(sum(row.get(seed, math.nan) for row in found) / len(found) for seed in seeds)


def of_e1(e1: E1, evidence: Recomputed, alpha: float, *, shares: bool) -> Iterator[str]:
    """Name what an E1 says that does not follow from its terms, or its terms from the seeds and items.

    Args:
        e1: What is said.
        evidence: What it is computed from.
        alpha: Two-sided error rate.
        shares: Whether scores are shares in points; the floor of others, which may have no bounds, is not computed.
    """
    names = tuple(term.name for term in e1.terms)
    if names != _TERMS and (shares or names != _TERMS[:-1]):
        yield "e1.terms are not t, flip and floor"
        return
    if e1.binding not in names:
        yield "e1.binding is none of e1.terms"
        return
    terms = [ErrorTerm(term.name, term.se, math.inf if term.df is None else term.df) for term in e1.terms]
    yield from from_terms(e1, evidence.delta, terms, alpha)
    yield from _of_seeds(e1, terms[0], evidence)
    if shares:
        yield from _of_floor(terms[2], evidence)
    yield from _of_items(terms[1], evidence)
    if e1.signflip is not None:
        yield from _of_signs(e1.signflip.p, e1.signflip.floor, evidence)


def from_terms(e1: E1, delta: float, terms: Sequence[ErrorTerm], alpha: float) -> Iterator[str]:
    """Name the intervals and p-values of an E1 that are not those of its terms."""
    due = guarded(delta, terms, alpha)
    widest = {term.name: term.half_width(alpha) for term in terms}
    if not (same(e1.ci[0], due.ci.lo) and same(e1.ci[1], due.ci.hi)):
        yield "e1.ci does not follow from e1.terms"
    if not same(e1.p, due.p):
        yield "e1.p does not follow from e1.terms"
    if not same(widest[e1.binding], max(widest.values())):
        yield "e1.binding is not the widest of e1.terms"
    bounds = one_sided_bounds(delta, terms, alpha)
    said = e1.one_sided
    if not (same(said.alpha, alpha) and same(said.lower, bounds.lower) and same(said.upper, bounds.upper)):
        yield "e1.one_sided does not follow from e1.terms"
    t, half = terms[0], terms[0].half_width(alpha)
    if (e1.t.ci is None) != (t.se == 0) or (e1.t.p is None) != (t.se == 0):
        yield "e1.t has an interval exactly where its term has a width, and here it is otherwise"
    elif e1.t.ci is not None and e1.t.p is not None:
        if not (same(e1.t.ci[0], delta - half) and same(e1.t.ci[1], delta + half)):
            yield "e1.t.ci does not follow from e1.terms"
        if not (same(e1.t.p, t.p_value(delta)) and same(e1.t.df, t.df)):
            yield "e1.t does not follow from e1.terms"


def _of_seeds(e1: E1, t: ErrorTerm, evidence: Recomputed) -> Iterator[str]:
    if any(len(spread.values) < _MIRRORED for spread in evidence.spreads):
        yield "e1 stands there with one seed, which has no spread"
        return
    parts = [spread.part for spread in evidence.spreads]
    variance = sum(part for part, _ in parts)
    due = math.sqrt(variance)
    if t.se < due - 1e-6 if evidence.drawn else not same(t.se, due):
        yield "e1.terms: that of the seeds does not follow from the scores by seed"
    elif variance > 0 and not evidence.drawn and not same(t.df / satterthwaite(variance, parts), 1.0):
        yield "e1.terms: its degrees of freedom do not follow from the seeds"
    if (e1.method == "guarded_welch") != (evidence.pairing == "independent"):
        yield "e1.method is not that of how the seeds are paired"


def _of_floor(floor: ErrorTerm, evidence: Recomputed) -> Iterator[str]:
    if not evidence.items:
        return
    count = len(evidence.items)
    least = _PERCENT * math.sqrt(sum(_floor(cell) for cell in evidence.items)) / count
    if floor.se < least - 1e-6 if evidence.drawn else not same(floor.se, least):
        yield "e1.terms: the floor does not follow from seeds and items"


def _of_items(flip: ErrorTerm, evidence: Recomputed) -> Iterator[str]:
    count = len(evidence.items)
    noise = [cell.error / (cell.n_items * cell.seeds[0]) for cell in evidence.items if cell.error is not None]
    if not noise or len(noise) < count or evidence.clustered:
        return
    due = math.sqrt(max(0.0, sum(noise))) / count
    if flip.se < due - 1e-6 if evidence.drawn else not same(flip.se, due):
        yield "e1.terms: that of the items does not follow from mean_squares"
    if not evidence.drawn and not math.isinf(flip.df):
        yield "e1.terms: that of the items has degrees of freedom, and no items are clustered"


def _floor(cell: ItemNoise) -> float:
    return sum(1 / (seeds * cell.n_items + 2) ** 2 for seeds in cell.seeds)


def _of_signs(p: float, floor: float, evidence: Recomputed) -> Iterator[str]:
    count = sum(len(spread.values) for spread in evidence.spreads)
    if not same(floor, 2.0 ** (1 - count)):
        yield "e1.signflip.floor is not that of the seeds"
    elif p < floor - 1e-9:
        yield "e1.signflip.p is below its floor"
    elif count <= _ENUMERATED:
        parts = [s.weight * value / len(s.values) for s in evidence.spreads for value in s.values]
        sums = np.zeros(1)
        for part in parts:
            sums = np.concatenate([sums + part, sums - part])
        seen = abs(sum(parts))
        least, most = (float(np.mean(np.abs(sums) >= seen + slack)) for slack in (1e-6, -1e-6))
        if not least - 1e-9 <= p <= most + 1e-9:
            yield "e1.signflip.p does not follow from the differences by seed"


def of_verdict(part: Aggregate | Cell, decides: float | None, settings: Settings) -> Iterator[str]:
    """Name a verdict that its deciding p does not bear out, and a deciding p below that of its own test."""
    shown = decides is not None and decides < settings.alpha and part.delta not in {0, None}
    word = part.verdict
    if word in {"better", "worse"} and not (shown and (word == "better") == ((part.delta or 0) > 0)):
        yield f"verdict: {word}, which the deciding p and the sign of delta do not bear out"
    if word == "inconclusive" and shown:
        yield "verdict: inconclusive, though the deciding p is below alpha"
    if part.e1 is not None and decides is not None and decides < min(1.0, part.e1.p * settings.variants_tried) - 1e-9:
        yield "the p that decides is below that of e1"


def backbone_means(
    mean: Aggregate, cells: Sequence[Cell], pairing: Pairing, alpha: float, *, shares: bool
) -> Iterator[str]:
    """Name the means of single backbones that are not those of their cells."""
    for number, entry in enumerate(mean.backbones):
        own = [cell for cell in cells if cell.backbone == entry.backbone]
        place = f"backbones.{number}"
        if not same(entry.weight, len(own) / len(cells)):
            yield f"{place}.weight is not its share of the cells"
        yield from (f"{place}.{said}" for said in _of_entry(entry, own, pairing))
        alone = mean.model_copy(update={"delta": entry.delta, "backbones": (entry,), "e1": entry.e1})
        evidence = of_mean(alone, own, pairing)
        if entry.e1 is not None and evidence is not None:
            yield from (f"{place}.{said}" for said in of_e1(entry.e1, evidence, alpha, shares=shares))


def _of_entry(entry: BackboneMean, own: Sequence[Cell], pairing: Pairing) -> Iterator[str]:
    if len(set(entry.seeds)) < len(entry.seeds):
        yield "seeds: one stands there twice"
    due = 0 if pairing == "independent" else len(entry.seeds)
    if len(entry.deltas) != due:
        yield f"deltas: {len(entry.deltas)} in place of {due}, as its seeds say"
        return
    if entry.deltas and (entry.delta is None or not same(entry.delta, sum(entry.deltas) / len(entry.deltas))):
        yield "delta is not the mean of deltas"
    means = over_cells([(cell.seeds, cell.deltas) for cell in own], entry.seeds) if entry.deltas else ()
    for seed, found, delta in zip(entry.seeds, means, entry.deltas, strict=False):
        if not same(found, delta):
            yield f"deltas: that of seed {seed} is not the mean over the cells"


def _noise(cell: Cell, pairing: Pairing) -> ItemNoise:
    of_base = len(cell.base_by_seed) if pairing == "independent" else len(cell.seeds)
    squares = cell.mean_squares
    error = None if squares is None else squares.error or 0.0
    return ItemNoise(cell.n_items, (len(cell.seeds), of_base), error)
