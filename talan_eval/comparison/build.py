"""From paired cells to the published result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.comparison.family import Adjusted, Analysed, adjust, analyse, check_family, generator
from talan_eval.comparison.flags import AGGREGATE, cell_flags, grouped
from talan_eval.comparison.inference import checkpoint_pairs, points, published_squares
from talan_eval.comparison.item_level import clustering, item_level
from talan_eval.comparison.mean import aggregate
from talan_eval.comparison.methods import methods_used
from talan_eval.comparison.named import named_tests
from talan_eval.comparison.settings import StatisticsSettings
from talan_eval.comparison.signature import family_hash, signature
from talan_eval.comparison.slices import check_labels, slice_cell
from talan_eval.comparison.verdicts import RULE, cell_verdict, deciding_p
from talan_eval.result import schema
from talan_eval.stats.mean_squares import mean_squares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

    from talan_eval.comparison.pairing import CellScores


def compare(
    cells: Sequence[CellScores],
    *,
    base: str,
    treat: str,
    provenance: Mapping[str, JsonValue],
    sandbox: Mapping[str, JsonValue],
    settings: StatisticsSettings | None = None,
    task_versions: Mapping[str, str] | None = None,
    live_probes: Sequence[schema.LiveProbe] = (),
) -> schema.Result:
    """Compare two arms on one or several backbones, in points.

    The family is the cells given and the slices asked for: declare it before reading results. The order of seeds and
    items does not matter, swapping the arms mirrors every number, and the same input gives the same result.

    Args:
        cells: Paired scores in the order of the table. Seeds are joint across the benchmarks of a backbone and
            independent between backbones.
        base: Name of the base arm.
        treat: Name of the treat arm; differences are treat minus base.
        provenance: Versions, revisions, device, times; copied into the result.
        sandbox: How model-written programs were run; empty when none were.
        settings: Settings of the statistics; the defaults when None.
        task_versions: Version of each task, for the signature.
        live_probes: Evidence that the adapters were active.

    Raises:
        UserError: No cell, a cell twice, other items under another backbone, or a slice that no item has.
    """
    settings = StatisticsSettings() if settings is None else settings
    ordered = [cell.ordered() for cell in cells]
    check_family(ordered)
    check_labels(ordered, settings.slices)
    slices = [part for cell in ordered for part in slice_cell(cell, settings.slices)]
    family, two_way = analyse([*((None, cell) for cell in ordered), *slices], settings)
    whole, parts = family[: len(ordered)], family[len(ordered) :]
    adjusted = zip(family, adjust(family, settings.variants_tried), strict=True)
    published = [_cell(item, p, settings) for item, p in adjusted]
    mean, reasons = aggregate(whole, settings, two_way)
    digest = family_hash(base, treat, [_identity(item) for item in family], settings.variants_tried)
    return schema.Result(
        schema_version=1,
        signature=signature(ordered, settings, digest, task_versions or {}, sandbox.get("tier")),
        base=base,
        treat=treat,
        seeds=tuple(sorted({seed for cell in ordered for seed in cell.seeds})),
        primary=schema.Primary(statistic="equal_weight_mean", estimand="E1", rule=RULE, family_hash=digest),
        settings=_settings(settings),
        cells=tuple(published[: len(whole)]),
        slices=tuple(published[len(whole) :]),
        aggregate=mean,
        methods=methods_used(family, mean, settings),
        live_probes=tuple(live_probes),
        provenance=dict(provenance),
        sandbox=dict(sandbox),
        warnings=_warnings(whole, parts, reasons),
    )


def _identity(item: Analysed) -> tuple[str, str, str, str]:
    return item.scores.backbone, item.scores.task, item.scores.metric, item.slice or ""


def _settings(settings: StatisticsSettings) -> schema.Settings:
    return schema.Settings(
        alpha=settings.alpha,
        resamples=settings.resamples,
        rng_seed=settings.rng_seed,
        bootstrap=settings.bootstrap,
        variants_tried=settings.variants_tried,
        slices=settings.slices,
        also=settings.also,
        margin=settings.margin,
    )


def _warnings(whole: Sequence[Analysed], parts: Sequence[Analysed], of_mean: Sequence[str]) -> tuple[str, ...]:
    notes = [(item.name, text) for item in whole for text in cell_flags(item.scores)]
    notes += [(item.name, text) for item in (*whole, *parts) for text in item.inference.reasons]
    return grouped([*notes, *((AGGREGATE, text) for text in of_mean)], len(whole) + len(parts))


def _cell(item: Analysed, adjusted: Adjusted, settings: StatisticsSettings) -> schema.Cell:
    scores, inference = item.scores, item.inference
    delta = points(float(item.deltas.mean(axis=1).mean()))
    n_seeds = len(scores.seeds)
    p = deciding_p(n_seeds, adjusted, settings.alpha)
    verdict = cell_verdict(delta, n_seeds, p, adjusted, settings.alpha)
    return schema.Cell(
        backbone=scores.backbone,
        task=scores.task,
        slice=item.slice,
        metric=scores.metric,
        n_items=len(scores.item_ids),
        n_dropped=scores.dropped_items,
        n_seeds=n_seeds,
        seeds=scores.seeds,
        dropped_seeds=scores.dropped_seeds,
        k=scores.k,
        base_mean=points(float(scores.base.mean())),
        treat_mean=points(float(scores.treat.mean())),
        base_unparsed=scores.base_unparsed,
        treat_unparsed=scores.treat_unparsed,
        delta=delta,
        deltas=tuple(points(float(value)) for value in item.deltas.mean(axis=1)),
        base_by_seed=tuple(points(float(value)) for value in scores.base.mean(axis=1)),
        e0=checkpoint_pairs(scores, item.deltas, settings.alpha),
        e1=inference.e1,
        e2=inference.e2,
        mean_squares=published_squares(mean_squares(item.deltas)) if n_seeds > 1 else None,
        clusters=clustering(scores, item.deltas),
        items=item_level(scores, item.deltas, settings.alpha) if item.slice is None else None,
        also=named_tests(item, adjusted, settings, generator(settings, f"{scores.name}/also/{item.slice}")),
        holm_p=adjusted.holm_p,
        maxt_p=adjusted.maxt_p,
        adjusted_p=p,
        bh_p=adjusted.bh_p,
        mde80=inference.mde80,
        verdict=verdict.word,
        verdict_basis=verdict.basis,
    )
