"""From paired cells to the published result."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from talan_core.errors import UserError
from talan_eval import schema
from talan_eval.comparison.flags import AGGREGATE, cell_flags, grouped
from talan_eval.comparison.inference import Inference, checkpoint_pairs, infer, points, published_squares
from talan_eval.comparison.settings import StatisticsSettings
from talan_eval.comparison.signature import family_hash, signature
from talan_eval.comparison.verdicts import RULE, aggregate_verdict, cell_verdict, deciding_p
from talan_eval.stats.aggregate import interquartile_mean, probability_of_improvement
from talan_eval.stats.mean_squares import mean_squares
from talan_eval.stats.multiplicity import holm, max_t
from talan_eval.stats.signflip import MAX_SEEDS, SeedSums, seed_sums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

    from talan_eval.comparison.pairing import CellScores
    from talan_eval.stats.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class _Analysed:
    scores: CellScores
    deltas: FloatArray
    inference: Inference


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
    """Compare two arms on one backbone.

    The family is the cells given, no more and no fewer: declare it before reading results. The order of seeds and
    items does not matter, and swapping the arms mirrors every number. The same input gives the same result.

    Args:
        cells: Paired scores, at least one, in the order in which they are to be shown.
        base: Name of the base arm.
        treat: Name of the treat arm; differences are treat minus base.
        provenance: Versions, revisions, device, times; copied into the result.
        sandbox: How model-written programs were run; empty when none were.
        settings: Settings of the statistics; the defaults when None.
        task_versions: Version of each task, for the signature.
        live_probes: Evidence that the adapters were active.

    Returns:
        The result, in points.

    Raises:
        UserError: Without cells, with cells of several backbones, or with a cell given twice.
    """
    settings = StatisticsSettings() if settings is None else settings
    ordered = [cell.ordered() for cell in cells]
    _check_family(ordered)
    analysed = [_analyse(cell, settings) for cell in ordered]
    adjusted = _adjust(analysed)
    aggregate, reasons = _aggregate(analysed, settings)
    family = family_hash(base, treat, [(cell.backbone, cell.task, cell.metric) for cell in ordered])
    notes = [(item.scores.task, text) for item in analysed for text in cell_flags(item.scores)]
    notes += [(item.scores.task, text) for item in analysed for text in item.inference.reasons]
    return schema.Result(
        schema_version=1,
        signature=signature(ordered, settings, family, task_versions or {}, sandbox.get("tier")),
        base=base,
        treat=treat,
        seeds=tuple(sorted({seed for cell in ordered for seed in cell.seeds})),
        primary=schema.Primary(statistic="equal_weight_mean", estimand="E1", rule=RULE, family_hash=family),
        settings=schema.Settings(alpha=settings.alpha, resamples=settings.resamples, rng_seed=settings.rng_seed),
        cells=tuple(_cell(item, *pair, settings.alpha) for item, pair in zip(analysed, adjusted, strict=True)),
        aggregate=aggregate,
        live_probes=tuple(live_probes),
        provenance=dict(provenance),
        sandbox=dict(sandbox),
        warnings=grouped([*notes, *((AGGREGATE, text) for text in reasons)], len(analysed)),
    )


def _check_family(cells: Sequence[CellScores]) -> None:
    if not cells:
        raise UserError("There is no cell to compare.", "Name at least one benchmark with --tasks.")
    backbones = sorted({cell.backbone for cell in cells})
    if len(backbones) > 1:
        raise UserError(
            f"The cells come from several backbones ({', '.join(backbones)}); a comparison covers one.",
            f"Run `talan-eval compare` once per backbone, such as --backbone {backbones[0]}.",
        )
    names = [(cell.task, cell.metric) for cell in cells]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"Benchmark {name[0]!r} is given twice.", "Name each benchmark once with --tasks.")


def _generator(settings: StatisticsSettings, name: str) -> np.random.Generator:
    # keyed by name: adding a benchmark does not change the draws of the others
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng([settings.rng_seed, key])


def _analyse(cell: CellScores, settings: StatisticsSettings) -> _Analysed:
    deltas = cell.treat - cell.base
    return _Analysed(cell, deltas, infer([deltas], [cell.k], settings, _generator(settings, cell.name)))


def _adjust(analysed: Sequence[_Analysed]) -> list[tuple[float | None, float | None]]:
    """Return (Holm p, max-T p) of each cell; a cell that could not be tested stays in the family with p = 1."""
    tested = [item.inference.e1 is not None for item in analysed]
    raw = np.array([1.0 if item.inference.e1 is None else item.inference.e1.p for item in analysed])
    seeds = sorted({seed for item in analysed for seed in item.scores.seeds})
    joint: list[float | None] = [None] * len(analysed)
    if len(seeds) <= MAX_SEEDS:
        joint = [float(p) for p in max_t([_spread_out(item, seeds) for item in analysed])]
    pairs = zip(tested, holm(raw), joint, strict=True)
    return [(float(first), second) if known else (None, None) for known, first, second in pairs]


def _spread_out(item: _Analysed, seeds: Sequence[int]) -> SeedSums:
    sums = seed_sums(item.deltas, item.scores.k)
    counts = np.zeros(len(seeds), dtype=np.int64)
    counts[[seeds.index(seed) for seed in item.scores.seeds]] = sums.counts
    return SeedSums(counts, sums.denominator, sums.slack)


def _cell(item: _Analysed, holm_p: float | None, maxt_p: float | None, alpha: float) -> schema.Cell:
    scores, inference = item.scores, item.inference
    delta = points(float(item.deltas.mean(axis=1).mean()))
    n_seeds = len(scores.seeds)
    adjusted = deciding_p(n_seeds, holm_p, maxt_p, alpha)
    verdict = cell_verdict(delta, n_seeds, adjusted, maxt_p, alpha)
    return schema.Cell(
        backbone=scores.backbone,
        task=scores.task,
        metric=scores.metric,
        n_items=len(scores.item_ids),
        n_seeds=n_seeds,
        seeds=scores.seeds,
        k=scores.k,
        base_mean=points(float(scores.base.mean())),
        treat_mean=points(float(scores.treat.mean())),
        base_unparsed=scores.base_unparsed,
        treat_unparsed=scores.treat_unparsed,
        delta=delta,
        deltas=tuple(points(float(value)) for value in item.deltas.mean(axis=1)),
        e0=checkpoint_pairs(scores.seeds, item.deltas, alpha),
        e1=inference.e1,
        e2=inference.e2,
        mean_squares=published_squares(mean_squares(item.deltas)) if n_seeds > 1 else None,
        holm_p=holm_p,
        maxt_p=maxt_p,
        adjusted_p=adjusted,
        mde80=inference.mde80,
        verdict=verdict.word,
        verdict_basis=verdict.basis,
    )


def _aggregate(analysed: Sequence[_Analysed], settings: StatisticsSettings) -> tuple[schema.Aggregate, tuple[str, ...]]:
    common = sorted(set.intersection(*(set(item.scores.seeds) for item in analysed)))
    every = {seed for item in analysed for seed in item.scores.seeds}
    n_cells = len(analysed)
    if not common:
        empty = schema.Aggregate(
            n_cells=n_cells, seeds=(), delta=None, deltas=(), e1=None, e2=None, iqm=None, poi=None, mde80=None,
            verdict="not estimable", verdict_basis=None,
        )  # fmt: skip
        return empty, ("no seed is complete in every benchmark, so the mean is not estimable",)
    matrices = [item.deltas[[item.scores.seeds.index(seed) for seed in common]] for item in analysed]
    inference = infer(matrices, [item.scores.k for item in analysed], settings, _generator(settings, AGGREGATE))
    table = np.stack([matrix.mean(axis=1) for matrix in matrices])
    delta = points(float(table.mean()))
    verdict = aggregate_verdict(delta, len(common), inference.e1, settings.alpha)
    reasons = list(inference.reasons)
    if len(common) < len(every):
        reasons.append(f"{len(every) - len(common)} seed(s) left out because not every benchmark has them")
    published = schema.Aggregate(
        n_cells=n_cells,
        seeds=tuple(common),
        delta=delta,
        deltas=tuple(points(float(value)) for value in table.mean(axis=0)),
        e1=inference.e1,
        e2=inference.e2,
        iqm=points(interquartile_mean(table)),
        poi=probability_of_improvement(table),
        mde80=inference.mde80,
        verdict=verdict.word,
        verdict_basis=verdict.basis,
    )
    return published, tuple(reasons)
