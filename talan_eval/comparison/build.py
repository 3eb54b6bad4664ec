"""From score matrices to the published result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from talan_core.errors import UserError
from talan_eval.comparison.arm_records import ArmFacts, published_arms
from talan_eval.comparison.checkpoint_means import checkpoint_pairs
from talan_eval.comparison.family import FamilyTest, adjust, adjust_checkpoints, cell_test, check_family
from talan_eval.comparison.flags import (
    AGGREGATE,
    Remark,
    cell_flags,
    copies_on_few_items,
    grouped,
    outlying_seeds,
    same_backbones,
    share_flags,
)
from talan_eval.comparison.independent import pairedness
from talan_eval.comparison.inference import analyse
from talan_eval.comparison.item_level import clustering, item_level
from talan_eval.comparison.matrix import cells_of, check_contrasts
from talan_eval.comparison.mean import contrast_mean, judged
from talan_eval.comparison.methods import methods_used
from talan_eval.comparison.named import named_tests
from talan_eval.comparison.published import ci_points, points, published_squares
from talan_eval.comparison.reduce import reduced
from talan_eval.comparison.scale import Scale
from talan_eval.comparison.selection import global_p, select
from talan_eval.comparison.signature import family_hash, signature
from talan_eval.comparison.slices import check_labels, slice_cell
from talan_eval.comparison.statistics_settings import StatisticsSettings
from talan_eval.comparison.task_weights import scaled, settings_of_means, task_weights, weighted
from talan_eval.comparison.verdicts import (
    RULE,
    RULE_OF_CHECKPOINTS,
    Decision,
    cell_verdict,
    deciding_p,
    judge_checkpoints,
)
from talan_eval.result import schema
from talan_eval.result.grid_axes import grid_axes
from talan_eval.result.margins import margin_tests, with_margins
from talan_eval.stats.mean_squares import mean_squares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

    from talan_eval.comparison.family import Adjusted
    from talan_eval.comparison.inference import Analysed, AnalysedContrast
    from talan_eval.comparison.matrix import CellScores, ScoreMatrix
    from talan_eval.comparison.mean import Mean
    from talan_eval.result.contrast import ContrastSpec


@dataclass(frozen=True)
class Origin:
    """Where scores come from, as far as the result says it.

    Attributes:
        provenance: Versions, revisions, device, times; copied into the result.
        sandbox: How model-written programs were run; empty when none were.
        task_versions: Version of each task, for the signature.
        probes: Evidence that the adapters were active.
        arms: What is known of each arm beside its scores, by (arm, backbone).
    """

    provenance: Mapping[str, JsonValue]
    sandbox: Mapping[str, JsonValue] = field(default_factory=dict)
    task_versions: Mapping[str, str] = field(default_factory=dict)
    probes: Sequence[schema.LiveProbe] = ()
    arms: Mapping[tuple[str, str], ArmFacts] = field(default_factory=dict)


def compare(
    matrices: Sequence[ScoreMatrix],
    contrasts: Sequence[ContrastSpec],
    origin: Origin,
    settings: StatisticsSettings | None = None,
) -> schema.Result:
    """Compare arms on one or several backbones, in the unit of their scores: points unless their items say another.

    Cells are adjusted among the cells of all contrasts, slices among the slices, means among the means: declare them
    before reading results. The order of seeds and items does not matter, swapping the arms of a contrast mirrors its
    numbers, and the same input gives the same result.

    Args:
        matrices: Scores of every arm, in the order of the tables. Seeds are joint across the benchmarks and arms of a
            backbone and independent between backbones.
        contrasts: What is compared; the mean of the first is the primary test.
        origin: Where the scores come from.
        settings: Settings of the statistics; the defaults when None.

    Raises:
        UserError: No scores, benchmarks in several units, an unknown arm, an arm against itself, a benchmark twice,
            other items or benchmarks under another backbone, or a slice that no item has.
    """
    settings = StatisticsSettings() if settings is None else settings
    _check_matrices(matrices)
    matrices = reduced(matrices, settings.reduce)
    scale = Scale.of(matrices)
    ordered = [scale.shares(matrix.ordered()) for matrix in matrices]
    own = scale.settings(settings)
    found = _compare_shares(ordered, contrasts, origin, own)
    weights = task_weights(settings.weights, list(dict.fromkeys(matrix.task for matrix in ordered)))
    if weights:
        means = _compare_shares(scaled(ordered, weights), contrasts, origin, settings_of_means(own, weights))
        found = _Found(
            weighted(found.result, means.result, weights),
            (*(one for one in found.remarks if one.cell != AGGREGATE),
             *(one for one in means.remarks if one.cell == AGGREGATE)),
        )  # fmt: skip
    by_option = grid_axes(found.result)
    result = scale.expressed(found.result.model_copy(update={"axes": by_option}))
    size = max(len(one.cells) + len(one.slices) for one in result.contrasts)
    # differences are put into words last, in the unit of the scores
    said = grouped([*outlying_seeds(result), *found.remarks], size, len(result.contrasts))
    return result.model_copy(update={"warnings": (*said, *result.warnings)})


@dataclass(frozen=True)
class _Found:
    """A comparison in points, and what a reader must know before believing it."""

    result: schema.Result
    remarks: tuple[Remark, ...]


def _compare_shares(
    ordered: Sequence[ScoreMatrix],
    contrasts: Sequence[ContrastSpec],
    origin: Origin,
    settings: StatisticsSettings,
) -> _Found:
    """Compare arms whose scores are shares of which more is better, in points."""
    check_contrasts(contrasts, list(dict.fromkeys(matrix.arm for matrix in ordered)))
    diverged = {key: facts.diverged for key, facts in origin.arms.items()}
    cells = [cells_of(contrast, ordered, diverged) for contrast in contrasts]
    for one in cells:
        check_family(one)
        check_labels(one, settings.slices)
    slices = [[part for cell in one for part in slice_cell(cell, settings.slices)] for one in cells]
    analysed = analyse(list(zip(cells, slices, strict=True)), settings)
    means = [contrast_mean(one, settings) for one in analysed]
    one_seed = all(cell.n_seeds == 1 for one in cells for cell in one)
    published = _contrasts(analysed, means, settings, of_checkpoints=one_seed)
    digest = family_hash(contrasts, _names(analysed[0]), settings.variants_tried)
    primary = schema.ContrastName(base=contrasts[0].base, treatment=contrasts[0].treatment)
    result = schema.Result(
        schema_version=2,
        signature=signature(cells, settings, digest, origin.task_versions, origin.sandbox.get("tier")),
        primary=schema.Primary(
            contrast=primary,
            statistic="equal_weight_mean",
            estimand="E0" if one_seed else "E1",
            rule=RULE_OF_CHECKPOINTS if one_seed else RULE,
            family_hash=digest,
        ),
        arms=published_arms(ordered, contrasts, origin.arms, settings.alpha),
        contrasts=published,
        families=_families(analysed, ordered, digest, settings),
        selection=select(published, means, settings),
        settings=_settings(settings),
        methods=methods_used(analysed, [one.aggregate for one in published], settings),
        probes=tuple(origin.probes),
        provenance=dict(origin.provenance),
        sandbox=dict(origin.sandbox),
        warnings=(),
    )
    remarks = _remarks(analysed, means)
    if settings.margin is None:
        return _Found(result, remarks)
    within = with_margins(result.contrasts, margin_tests(result, settings.margin))
    return _Found(result.model_copy(update={"contrasts": within}), remarks)


def _check_matrices(matrices: Sequence[ScoreMatrix]) -> None:
    if not matrices:
        raise UserError("There is no cell to compare.", "Name at least one benchmark with --tasks.")
    places = [(matrix.backbone, matrix.arm, matrix.task) for matrix in matrices]
    for place in places:
        if places.count(place) > 1:
            raise UserError(f"Benchmark {place[2]!r} is given twice.", "Name each benchmark once with --tasks.")


def _names(contrast: AnalysedContrast) -> list[tuple[str, str, str, str]]:
    every = [item.scores for item in (*contrast.whole, *contrast.parts)]
    return [(cell.backbone, cell.task, cell.items.metric, cell.part or "") for cell in every]


def _contrasts(
    analysed: Sequence[AnalysedContrast],
    means: Sequence[Mean],
    settings: StatisticsSettings,
    *,
    of_checkpoints: bool,
) -> tuple[schema.Contrast, ...]:
    """Adjust all cells among each other, all slices, and all means, and publish the contrasts.

    With one seed all verdicts are about its checkpoints.
    """
    whole = [item for one in analysed for item in one.whole]
    parts = [item for one in analysed for item in one.parts]
    if of_checkpoints:
        of_cells, of_slices = (
            iter(adjust_checkpoints([item.checkpoints for item in family], settings)) for family in (whole, parts)
        )
        of_means = adjust_checkpoints([mean.checkpoints for mean in means], settings)
    else:
        of_cells, of_slices = (
            iter(adjust([cell_test(item) for item in family], settings)) for family in (whole, parts)
        )
        of_means = adjust([mean.test for mean in means], settings)
    several = len(analysed) > 1
    found = []
    for number, (one, mean, own) in enumerate(zip(analysed, means, of_means, strict=True)):
        withheld = any(item.scores.diverged_seeds for item in one.whole)
        spec = one.whole[0].scores.contrast
        cells = tuple(_cell(item, next(of_cells), settings, of_checkpoints=of_checkpoints) for item in one.whole)
        primary = number == 0 and not settings.secondary
        aggregate = judged(
            mean, own, settings, primary=primary, several=several, withheld=withheld, of_checkpoints=of_checkpoints
        )
        found.append(
            schema.Contrast(
                base=spec.base,
                treatment=spec.treatment,
                pairing=spec.pairing,
                cells=(_as_mean(cells[0], aggregate, primary=primary),) if len(cells) == 1 else cells,
                slices=tuple(
                    _cell(item, next(of_slices), settings, of_checkpoints=of_checkpoints) for item in one.parts
                ),
                aggregate=aggregate,
            )
        )
    return tuple(found)


def _as_mean(cell: schema.Cell, mean: schema.Aggregate, *, primary: bool) -> schema.Cell:
    """Judge the only cell of a contrast as its mean is: they are one number, and get one word."""
    return cell.model_copy(
        update={
            "verdict": mean.verdict,
            "verdict_basis": mean.verdict_basis,
            "adjusted_p": mean.adjusted_p if primary else mean.family_p,
            "simultaneous_ci": mean.simultaneous_ci,
        }
    )


def _families(
    analysed: Sequence[AnalysedContrast],
    matrices: Sequence[ScoreMatrix],
    digest: str,
    settings: StatisticsSettings,
) -> tuple[schema.Family, ...]:
    specs = [one.whole[0].scores.contrast for one in analysed]
    shared = len({arm for spec in specs for arm in (spec.base, spec.treatment)}) < 2 * len(specs)
    size, parts = sum(len(one.whole) for one in analysed), sum(len(one.parts) for one in analysed)

    def family(name: Literal["scores", "slices", "means"], cells: int, p: float | None) -> schema.Family:
        return schema.Family(
            name=name, contrasts=len(analysed), cells=cells, global_p=p, approximate=shared and len(specs) > 1,
            hash=digest,
        )  # fmt: skip

    found = global_p(specs, matrices, settings)
    sliced = (family("slices", parts, None),) if parts else ()
    return family("scores", size, found.cells), *sliced, family("means", len(analysed), found.mean)


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


def _remarks(analysed: Sequence[AnalysedContrast], means: Sequence[Mean]) -> tuple[Remark, ...]:
    remarks: list[Remark] = [*share_flags([[item.scores for item in one.whole] for one in analysed])]
    of_tests: list[Remark] = []
    for one, mean in zip(analysed, means, strict=True):
        name = one.whole[0].scores.contrast.name
        remarks += [Remark(name, item.name, text) for item in one.whole for text in cell_flags(item.scores)]
        every = (*one.whole, *one.parts)
        of_tests += [Remark(name, item.name, text) for item in every for text in item.inference.reasons]
        of_tests += [Remark(name, AGGREGATE, text) for text in mean.reasons]
    remarks += same_backbones([[item.scores for item in one.whole] for one in analysed])
    remarks += copies_on_few_items([[item.scores for item in one.whole] for one in analysed])
    return (*remarks, *of_tests)


def _verdict(
    item: Analysed, delta: float, adjusted: Adjusted, alpha: float, *, of_checkpoints: bool
) -> tuple[Decision, float | None]:
    """Return a cell's verdict and the p that decided it."""
    scores = item.scores
    if of_checkpoints:
        return judge_checkpoints(delta, adjusted.holm_p, alpha), adjusted.holm_p
    if item.inference.e1 is None:
        return Decision("not estimable"), None
    p = deciding_p(scores.n_seeds, adjusted, alpha)
    verdict = cell_verdict(delta, scores.n_seeds, p, adjusted, alpha)
    withheld = scores.diverged_seeds and verdict.word != "not estimable"
    return Decision("withheld") if withheld else verdict, p


def _cell(item: Analysed, adjusted: Adjusted, settings: StatisticsSettings, *, of_checkpoints: bool) -> schema.Cell:
    scores, inference = item.scores, item.inference
    test: FamilyTest = cell_test(item)
    delta = points(test.delta)
    verdict, p = _verdict(item, delta, adjusted, settings.alpha, of_checkpoints=of_checkpoints)
    items, pairs = scores.items, scores.contrast.pairing != "independent"
    return schema.Cell(
        backbone=scores.backbone,
        task=scores.task,
        slice=scores.part,
        metric=items.metric,
        n_items=len(items.item_ids),
        n_dropped=items.dropped_items if scores.part is None else 0,
        dropped_items=items.left_out if scores.part is None else (),
        pairing_hash=items.pairing_hash,
        n_seeds=scores.n_seeds,
        seeds=scores.seeds,
        base_seeds=None if scores.contrast.pairing == "paired" else () if pairs else scores.base_seeds,
        dropped_seeds=scores.dropped_seeds,
        diverged_seeds=scores.diverged_seeds,
        k=scores.k,
        base_mean=points(float(scores.base.mean())),
        treat_mean=points(float(scores.treatment.mean())),
        base_unparsed=scores.base_unparsed,
        treat_unparsed=scores.treatment_unparsed,
        delta=delta,
        deltas=_by_seed(scores, "deltas") if pairs else (),
        base_by_seed=_by_seed(scores, "base"),
        treat_by_seed=_by_seed(scores, "treatment"),
        pairedness=pairedness([scores], settings.alpha),
        e0=checkpoint_pairs(scores, settings.alpha),
        e0_mean=None if item.checkpoints is None else item.checkpoints.record,
        e1=inference.e1,
        e2=inference.e2,
        outlying=inference.outlying,
        mean_squares=published_squares(mean_squares(scores.deltas)) if pairs and scores.n_seeds > 1 else None,
        clusters=clustering(scores),
        items=item_level(scores, settings.alpha) if scores.part is None else None,
        also=named_tests(
            item, adjusted, settings, settings.generator(f"{scores.backbone}/{scores.task}/also/{scores.part}")
        ),
        holm_p=adjusted.holm_p,
        maxt_p=adjusted.maxt_p,
        adjusted_p=p,
        bh_p=adjusted.bh_p,
        simultaneous_ci=None if p is None or adjusted.interval is None else ci_points(adjusted.interval),
        mde80=inference.mde80,
        verdict=verdict.word,
        verdict_basis=verdict.basis,
        verdict_estimand="E0" if of_checkpoints else "E1",
    )


def _by_seed(scores: CellScores, of: Literal["base", "treatment", "deltas"]) -> tuple[float, ...]:
    matrix = {"base": scores.base, "treatment": scores.treatment, "deltas": scores.deltas}[of]
    return tuple(points(float(value)) for value in matrix.mean(axis=1))
