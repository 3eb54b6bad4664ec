"""Item level of a cell: systematic flips, concentration, saturation, and what clusters of items cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.result import schema
from talan_eval.stats.clusters import cluster_diagnostics
from talan_eval.stats.items import concentration, item_flips, saturation

if TYPE_CHECKING:
    from talan_eval.comparison.matrix import CellScores

MOST_FLIPS = 10


def item_level(cell: CellScores, alpha: float) -> schema.ItemLevel | None:
    """Describe where a cell's difference comes from.

    Args:
        cell: Its scores.
        alpha: Error rate of the false discovery rate.

    Returns:
        Counts, shares and the most systematic items; None with independent seeds or an unbounded metric, which have no
        flips. Exploratory: it rests no claim.
    """
    if cell.contrast.pairing == "independent" or not cell.items.measure.bounded:
        return None
    deltas, items = cell.deltas, cell.items
    flips = item_flips(deltas, alpha)
    share = concentration(deltas, items.clusters)
    counts = saturation(cell.base, cell.treatment)
    discordant = int(((flips.lost + flips.gained) > 0).sum())
    order = sorted(
        range(len(items.item_ids)),
        key=lambda item: (flips.p[item], -abs(flips.gained[item] - flips.lost[item]), items.item_ids[item]),
    )
    return schema.ItemLevel(
        always_right=counts.always_right,
        always_wrong=counts.always_wrong,
        informative=counts.informative,
        same_prompt=None if items.same_prompt is None else len(items.same_prompt),
        discordant=discordant,
        top_share=share.item if discordant else None,
        top_cluster_share=share.cluster if discordant else None,
        systematic=len(flips.systematic(alpha)),
        flips=tuple(
            schema.ItemFlip(
                item_id=items.item_ids[item],
                lost=int(flips.lost[item]),
                gained=int(flips.gained[item]),
                p=float(flips.p[item]),
                adjusted_p=float(flips.bh_p[item]),
            )
            for item in order[:MOST_FLIPS]
            if flips.lost[item] != flips.gained[item]
        ),
    )


def clustering(cell: CellScores) -> schema.Clustering | None:
    """Describe the clusters of a cell's items; None when items are taken as independent."""
    if cell.items.clusters is None:
        return None
    found = cluster_diagnostics(cell.deltas, cell.items.clusters)
    return schema.Clustering(
        n_clusters=found.clusters, largest=found.largest, icc=found.icc, design_effect=found.design_effect
    )
