"""The equal-weight mean over the cells of a contrast; that of the first contrast is the one primary test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.comparison.anytime import anytime
from talan_eval.comparison.checkpoint_means import mean_checkpoints
from talan_eval.comparison.family import FamilyTest
from talan_eval.comparison.flags import AGGREGATE
from talan_eval.comparison.independent import pairedness
from talan_eval.comparison.inference import common_seeds, grid_cell, infer
from talan_eval.comparison.named import equivalence_test
from talan_eval.comparison.positive import positive_cells
from talan_eval.comparison.published import ci_points, points
from talan_eval.comparison.verdicts import Decision, family_p, judge_checkpoints, judge_mean, mean_p
from talan_eval.result import schema
from talan_eval.stats.aggregate import interquartile_mean, probability_of_improvement
from talan_eval.stats.joint_flips import SeedGains

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.comparison.checkpoint_means import Checkpoints
    from talan_eval.comparison.family import Adjusted
    from talan_eval.comparison.inference import AnalysedContrast, Inference
    from talan_eval.comparison.matrix import CellScores
    from talan_eval.comparison.published import Reasons
    from talan_eval.comparison.statistics_settings import StatisticsSettings


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean over the cells of a contrast, before it is judged.

    Attributes:
        record: In points, with a verdict that is still open.
        test: What its family sees.
        sizes: Seeds of each backbone, the smaller number where the arms have different ones.
        reasons: Why something is null.
        checkpoints: What is known of the checkpoints as they are; None where seeds are independent.
    """

    record: schema.Aggregate
    test: FamilyTest
    sizes: tuple[int, ...]
    reasons: Reasons
    checkpoints: Checkpoints | None = None


def contrast_mean(contrast: AnalysedContrast, settings: StatisticsSettings) -> Mean:
    """Average the cells.

    Seeds are joint across the benchmarks of a backbone, so only seeds that are complete in each of its cells count.

    Args:
        contrast: Its cells with their inference.
        settings: Error rate, resamples, earlier looks (which count for a single backbone only).

    Returns:
        The mean; its verdict is open until ``judged``.
    """
    whole = [item.scores for item in contrast.whole]
    common, of_base = common_seeds(whole), _common_base_seeds(whole)
    lost = sum(len(_all_seeds(whole, name)) - len(seeds) for name, seeds in common.items())
    reasons = [f"{lost} seed(s) left out because not every benchmark has them"] if lost else []
    if not all(common.values()) or not all(of_base.values()):
        why = "no seed is complete in every benchmark, so the mean is not estimable"
        return Mean(_empty(whole, common), FamilyTest(0.0, None), (0,), (why,))
    cells = [_at(cell, common[cell.backbone], of_base[cell.backbone]) for cell in whole]
    inference = infer(cells, settings, settings.generator(AGGREGATE), contrast.two_way)
    checkpoints = mean_checkpoints(cells, settings.alpha)
    means = [cell.deltas.mean(axis=1) for cell in cells]
    delta = float(np.mean([mean.mean() for mean in means]))
    every = np.concatenate(means)
    followed, notes = _followed(cells, settings)
    by_backbone = _by_backbone(cells, inference, settings)
    single = by_backbone[0] if len(by_backbone) == 1 else None
    record = schema.Aggregate(
        n_cells=len(cells),
        backbones=by_backbone,
        seeds=() if single is None else single.seeds,
        delta=points(delta),
        deltas=() if single is None else single.deltas,
        base_mean=points(float(np.mean([cell.base.mean() for cell in whole]))),
        treat_mean=points(float(np.mean([cell.treatment.mean() for cell in whole]))),
        pairedness=pairedness(cells, settings.alpha) if single is not None else None,
        e0_mean=None if checkpoints is None else checkpoints.record,
        e1=inference.e1,
        e2=inference.e2,
        outlying=inference.outlying,
        anytime=followed,
        iqm=points(interquartile_mean(every)),
        poi=probability_of_improvement(every),
        positive=positive_cells(whole),
        adjusted_p=None,
        also=equivalence_test(delta, inference.e1, settings),
        mde80=inference.mde80,
        verdict="not estimable",
        verdict_basis=None,
    )
    sizes = tuple(min(cell.n_seeds for cell in cells if cell.backbone == name) for name in common)
    test = FamilyTest(delta, inference.e1, _signed(cells, inference))
    return Mean(record, test, sizes, (*inference.reasons, *reasons, *notes), checkpoints)


def judged(
    mean: Mean,
    adjusted: Adjusted,
    settings: StatisticsSettings,
    *,
    primary: bool,
    several: bool,
    withheld: bool,
    of_checkpoints: bool = False,
) -> schema.Aggregate:
    """Judge a mean.

    Args:
        mean: Of ``contrast_mean``.
        adjusted: Its p-values among the means of all contrasts.
        settings: Error rate and variants tried.
        primary: Whether it is the declared one, which is judged at its own alpha; the others are judged as a family.
        several: Whether there are other contrasts.
        withheld: Whether a training of one of its arms diverged.
        of_checkpoints: Whether there is one seed, so that the verdict is about its checkpoints (E0). Whether another
            training diverged does not matter to them.
    """
    record, alpha = mean.record, settings.alpha
    if of_checkpoints:
        return _judged_checkpoints(mean, adjusted, settings, primary=primary, several=several)
    own = mean_p(mean.sizes, record.e1, settings)
    family = family_p(mean.sizes, own, adjusted, alpha) if several else own
    if record.anytime is not None and own is not None and family is not None:
        own, family = max(own, record.anytime.p), max(family, record.anytime.p)
    decides = own if primary else family
    verdict = judge_mean(0.0 if record.delta is None else record.delta, mean.sizes, decides, record.e1, alpha)
    if withheld and verdict.word != "not estimable":
        verdict = Decision("withheld")
    interval = adjusted.interval if several and own is not None else None
    return record.model_copy(
        update={
            "adjusted_p": own,
            "family_p": family,
            "simultaneous_ci": None if interval is None else ci_points(interval),
            "verdict": verdict.word,
            "verdict_basis": verdict.basis,
        }
    )


def _judged_checkpoints(
    mean: Mean, adjusted: Adjusted, settings: StatisticsSettings, *, primary: bool, several: bool
) -> schema.Aggregate:
    """Judge the mean of one pair of checkpoints."""
    found, record = mean.checkpoints, mean.record
    own = None if found is None else settings.for_variants(found.record.p)
    family = adjusted.holm_p if several else own
    verdict = judge_checkpoints(
        0.0 if found is None else found.record.delta, own if primary else family, settings.alpha
    )
    interval = adjusted.interval if several else None
    return record.model_copy(
        update={
            "adjusted_p": own,
            "family_p": family,
            "simultaneous_ci": None if interval is None else ci_points(interval),
            "verdict": verdict.word,
            "verdict_basis": verdict.basis,
            "verdict_estimand": "E0",
        }
    )


def _followed(cells: Sequence[CellScores], settings: StatisticsSettings) -> tuple[schema.Anytime | None, Reasons]:
    """Follow the mean over its looks, for pairs on a single backbone."""
    if len({cell.backbone for cell in cells}) > 1 or cells[0].contrast.pairing == "independent":
        return None, ()
    bounded = cells[0].items.measure.bounded
    return anytime([grid_cell(cell) for cell in cells], cells[0].seeds, settings, bounded=bounded)


def _signed(cells: Sequence[CellScores], inference: Inference) -> tuple[SeedGains, ...]:
    """Return the mean's differences by seed, where signs may flip."""
    e1 = inference.e1
    if (
        e1 is None
        or cells[0].contrast.pairing == "independent"
        or (cells[0].contrast.pairing == "fixed" and e1.signflip is None)
    ):
        return ()
    names = dict.fromkeys(cell.backbone for cell in cells)
    own = {name: [cell for cell in cells if cell.backbone == name] for name in names}
    return tuple(
        SeedGains(
            name,
            members[0].seeds,
            np.mean([cell.deltas.mean(axis=1) for cell in members], axis=0),
            len(members) / len(cells),
        )
        for name, members in own.items()
    )


def _all_seeds(cells: Sequence[CellScores], backbone: str) -> set[int]:
    return {seed for cell in cells if cell.backbone == backbone for seed in cell.seeds}


def _common_base_seeds(cells: Sequence[CellScores]) -> dict[str, tuple[int, ...]]:
    """Return the base's seeds that are complete in all cells of each backbone; they matter where independent."""
    found: dict[str, set[int]] = {}
    for cell in cells:
        found.setdefault(cell.backbone, set(cell.base_seeds)).intersection_update(cell.base_seeds)
    return {backbone: tuple(sorted(seeds)) for backbone, seeds in found.items()}


def _at(cell: CellScores, seeds: tuple[int, ...], base_seeds: tuple[int, ...]) -> CellScores:
    """Return a cell with some seeds only; a fixed base has one row whatever the seeds."""
    rows = [cell.seeds.index(seed) for seed in seeds]
    if cell.contrast.pairing == "fixed":
        return replace(cell, seeds=seeds, treatment=cell.treatment[rows])
    of_base = seeds if cell.contrast.pairing == "paired" else base_seeds
    kept = [cell.base_seeds.index(seed) for seed in of_base]
    return replace(cell, seeds=seeds, base_seeds=of_base, treatment=cell.treatment[rows], base=cell.base[kept])


def _by_backbone(
    cells: Sequence[CellScores], whole: Inference, settings: StatisticsSettings
) -> tuple[schema.BackboneMean, ...]:
    names = dict.fromkeys(cell.backbone for cell in cells)
    entries = []
    for name in names:
        own = [cell for cell in cells if cell.backbone == name]
        per_seed = np.mean([cell.deltas.mean(axis=1) for cell in own], axis=0)
        pairs = own[0].contrast.pairing != "independent"
        alone = whole if len(names) == 1 else infer(own, settings, settings.generator(f"{AGGREGATE}/{name}"), None)
        entries.append(
            schema.BackboneMean(
                backbone=name,
                weight=len(own) / len(cells),
                seeds=own[0].seeds,
                delta=points(float(per_seed.mean())),
                deltas=tuple(points(float(value)) for value in per_seed) if pairs else (),
                base_mean=points(float(np.mean([cell.base.mean() for cell in own]))),
                treat_mean=points(float(np.mean([cell.treatment.mean() for cell in own]))),
                e1=alone.e1,
                positive=positive_cells(own),
            )
        )
    return tuple(entries)


def _empty(cells: Sequence[CellScores], common: dict[str, tuple[int, ...]]) -> schema.Aggregate:
    backbones = [cell.backbone for cell in cells]
    return schema.Aggregate(
        n_cells=len(cells),
        backbones=tuple(
            schema.BackboneMean(
                backbone=name, weight=backbones.count(name) / len(backbones), seeds=(), delta=None, deltas=()
            )
            for name in common
        ),
        seeds=(), delta=None, deltas=(), e1=None, e2=None, iqm=None, poi=None, adjusted_p=None, mde80=None,
        verdict="not estimable", verdict_basis=None,
    )  # fmt: skip
