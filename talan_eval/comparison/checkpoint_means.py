"""E0: the checkpoints as they are, on items of this kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from talan_eval.comparison.published import ci_points, one_sided_record, points, term_records
from talan_eval.comparison.same_items import item_units
from talan_eval.comparison.unbounded import checkpoint_pairs_of_items, floorless
from talan_eval.result import schema
from talan_eval.stats.arrays import Interval
from talan_eval.stats.checkpoint_mean import PairCell, mean_of_pairs
from talan_eval.stats.guard import guarded
from talan_eval.stats.item_mean import mean_of_items
from talan_eval.stats.mcnemar import checkpoint_pair
from talan_eval.stats.noninferiority import GuardedDifference
from talan_eval.stats.pair_table import PairTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.matrix import CellScores
    from talan_eval.stats.noninferiority import Evidence


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """What is known of these pairs of checkpoints on new items.

    Attributes:
        record: As it is published.
        evidence: Its bounds and one-sided p-values.
    """

    record: schema.E0
    evidence: Evidence


def checkpoint_pairs(cell: CellScores, alpha: float) -> tuple[schema.CheckpointPair, ...]:
    """Describe each seed's pair of checkpoints; independent seeds make none."""
    if cell.contrast.pairing == "independent":
        return ()
    if not cell.items.measure.bounded:
        return checkpoint_pairs_of_items(cell, alpha)
    pairs = [checkpoint_pair(row, alpha, cell.items.clusters) for row in cell.deltas]
    return tuple(
        schema.CheckpointPair(
            seed=seed,
            delta=points(pair.delta),
            lost=pair.lost,
            gained=pair.gained,
            mcnemar_p=pair.sign_p,
            p=pair.p,
            ci=ci_points(pair.ci),
        )
        for seed, pair in zip(cell.seeds, pairs, strict=True)
    )


def cell_checkpoints(cell: CellScores, alpha: float) -> Checkpoints | None:
    """Describe the mean over a cell's pairs of checkpoints, which are fixed; None where seeds are independent."""
    if cell.contrast.pairing == "independent":
        return None
    if not cell.items.measure.bounded:
        return _of_items(cell, alpha)
    pair = checkpoint_pair(cell.deltas.mean(axis=0), alpha, cell.items.clusters)
    return _published(pair.evidence, cell.n_seeds, len(cell.items.item_ids), pair.method, alpha)


def _of_items(cell: CellScores, alpha: float) -> Checkpoints | None:
    """Describe the mean of a metric without bounds by the t over items; None where all items differ by the same."""
    found = mean_of_items(cell.deltas.mean(axis=0), alpha, cell.items.clusters)
    if found.guard is None:
        return None
    evidence = GuardedDifference(found.delta, found.terms)
    method: Literal["t", "clusters"] = "t" if cell.items.clusters is None else "clusters"
    return _published(evidence, cell.n_seeds, len(cell.items.item_ids), method, alpha)


def mean_checkpoints(cells: Sequence[CellScores], alpha: float) -> Checkpoints | None:
    """Describe the equal-weight mean over cells; items that they share are one item.

    Args:
        cells: Cells of one contrast over the same seeds within a backbone.
        alpha: Two-sided error rate.
    """
    if len(cells) == 1 or cells[0].contrast.pairing == "independent":
        return cell_checkpoints(cells[0], alpha)
    units = item_units(cells)
    mean = mean_of_pairs(
        [PairCell(cell.deltas.mean(axis=0), own) for cell, own in zip(cells, units, strict=True)],
    )
    bounded = all(cell.items.measure.bounded for cell in cells)
    single = min(len(cell.items.item_ids) for cell in cells) == 1  # of which nothing is known without bounds
    found = mean if bounded else None if single else floorless(mean)
    if found is None:
        return None
    items = sum(len(cell.items.item_ids) for cell in cells)
    return _published(found, min(cell.n_seeds for cell in cells), items, "mean", alpha)


def _published(
    evidence: Evidence, n_pairs: int, n_items: int, method: Literal["table", "t", "clusters", "mean"], alpha: float
) -> Checkpoints:
    table = evidence if isinstance(evidence, PairTable) else None
    terms = evidence.terms if isinstance(evidence, GuardedDifference) else ()
    ci, p = two_sided(evidence, alpha)
    record = schema.E0(
        method=method,
        n_pairs=n_pairs,
        delta=points(evidence.delta),
        ci=ci_points(ci),
        p=p,
        one_sided=one_sided_record(evidence, alpha),
        n_items=n_items,
        lost=None if table is None else table.lost,
        gained=None if table is None else table.gained,
        terms=term_records(terms),
    )
    return Checkpoints(record, evidence)


def two_sided(evidence: Evidence, alpha: float) -> tuple[Interval, float]:
    """Return the two-sided interval and p; p is below alpha exactly when the interval excludes zero."""
    if isinstance(evidence, GuardedDifference):
        found = guarded(evidence.delta, evidence.terms, alpha)
        return found.ci, found.p
    bounds = evidence.bounds(alpha / 2)
    p = min(1.0, 2 * min(evidence.p_above(0.0), evidence.p_below(0.0)))
    return Interval(max(-1.0, bounds.lower), min(1.0, bounds.upper)), p
