"""From sealed samples to the result: pair, compare, and say where the numbers come from."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from talan_core.errors import UserError
from talan_eval.comparison import (
    ArmFacts,
    Origin,
    ScoredItem,
    StatisticsSettings,
    columns_of,
    compare,
    family_hash,
    score_matrices,
)
from talan_eval.comparison.held_out import split_items
from talan_eval.comparison.score_columns import RERUN
from talan_eval.comparison.selection import confirmed
from talan_eval.grading.reasons import Said, count_reasons, is_by_math_verify_alone, is_unparsed
from talan_eval.pipeline.inside import inside_of
from talan_eval.pipeline.losses import loss_of, with_losses
from talan_eval.pipeline.own_prompts import asked_their_own_way, by_question, prompt_notes
from talan_eval.records.notes import (
    contamination,
    failed_evaluations,
    failure_notes,
    grader_disagreements,
    mixed_checkpoints,
    stored_notes,
    without_answers,
)
from talan_eval.records.provenance import provenance
from talan_eval.records.samples import read_samples
from talan_eval.result.schema import LiveProbe
from talan_eval.store.canonical import canonical_hash
from talan_eval.store.ledger import EnteredLook, Ledger, earlier_looks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from talan_eval.comparison import ContrastSpec, ScoreColumns, ScoreMatrix
    from talan_eval.experiment import Experiment
    from talan_eval.grid import Run
    from talan_eval.pipeline.losses import RunLoss
    from talan_eval.records.samples import Sample
    from talan_eval.result.schema import ArmKind, Inside, Result, Selection
    from talan_eval.store.failures import Failure
    from talan_eval.store.records import SealedRecord
    from talan_eval.store.store import Store

_HASH_LENGTH: Final = 12
_WEAKEST: Final = ("max_logit_change", "block_max_logit_change", "relative_write", "bf16_survival", "merged_survival")
_AVERAGED: Final = ("adapter_kl", "block_kl")


def collect(
    store: Store,
    experiment: Experiment,
    runs: Sequence[Run],
    failures: Mapping[str, Failure] | None = None,
    statistics: StatisticsSettings | None = None,
) -> Result:
    """Compare the arms of a grid in which nothing more can be computed, and enter the look into the ledger.

    Args:
        store: The experiment directory.
        experiment: What was asked for.
        runs: All runs of the experiment, those of a confirmation among them.
        failures: Why evaluations are missing, by their name or that of their training.
        statistics: Settings of the statistics; the defaults when None.

    Returns:
        The result. It depends on the sealed samples, the experiment, the settings and earlier looks only, provenance
        times aside.

    Raises:
        UserError: Samples of the arms do not pair, or the ledger cannot be written.
    """
    settings = statistics or StatisticsSettings()
    grid = SealedGrid(store, experiment, tuple(runs), store.finished(), dict(failures or {}))
    matrices = grid.matrices(experiment.seeds)
    contrasts, gone = comparable(experiment.contrasts, matrices)
    ledger = Ledger(_root(store.directory))
    look = _look(experiment, contrasts, matrices)
    looks, damaged = ledger.read()
    known = replace(settings, earlier_looks=earlier_looks(looks, look))
    origin = grid.origin(experiment.seeds)
    result = compare(matrices, contrasts, origin, known)
    ledger.enter(look)
    result = result.model_copy(update={"inside": grid.inside(settings.alpha)})
    result = with_losses(result, grid.losses(experiment.seeds), contrasts, origin, known)
    if experiment.confirm:
        chosen = _selection(matrices, contrasts, settings) if settings.confirm_items else result.selection
        result = _confirmed(result, chosen, grid, settings)
    failed = failed_evaluations(runs, grid.records, grid.failures)
    notes = [
        *gone,
        *contamination(experiment),
        *stored_notes(experiment),
        *grid.prompt_notes(experiment.seeds),
        *failure_notes(experiment, failed),
        *mixed_checkpoints(experiment, runs, grid.records),
        *grader_disagreements(experiment, runs, grid.records),
        *without_answers(runs, grid.records),
    ]
    if damaged:
        notes.append(f"{damaged} damaged line(s) in {ledger.path.name}: looks may be missing there.")
    return result.model_copy(update={"failed_cells": failed, "warnings": (*result.warnings, *notes)})


def selected_arms(
    store: Store, experiment: Experiment, runs: Sequence[Run], settings: StatisticsSettings
) -> tuple[str, ...]:
    """Return the base and the best treatment on the selection seeds; nothing is entered into the ledger.

    Args:
        store: The experiment directory, in which nothing more of the selection can be computed.
        experiment: What was asked for.
        runs: Its runs.
        settings: Which items choose.
    """
    grid = SealedGrid(store, experiment, tuple(runs), store.finished(), {})
    matrices = grid.matrices(experiment.seeds)
    contrasts, _ = comparable(experiment.contrasts, matrices)
    selection = _selection(matrices, contrasts, settings)
    return () if selection is None else (selection.best.base, selection.best.treatment)


def _selection(
    matrices: Sequence[ScoreMatrix], contrasts: Sequence[ContrastSpec], settings: StatisticsSettings
) -> Selection | None:
    """Choose the best treatment on the items that are not held out of the choice."""
    split = split_items(matrices, settings.confirm_items, settings.rng_seed)
    quick = StatisticsSettings(
        resamples=1, rng_seed=settings.rng_seed, reduce=settings.reduce, weights=settings.weights
    )
    chosen = compare(split.choosing, contrasts, Origin({}), quick).selection
    if chosen is None or not settings.confirm_items:
        return chosen
    sizes = {one.task: len(one.items.item_ids) for one in split.held_out if one.backbone == matrices[0].backbone}
    return chosen.model_copy(update={"held_out_items": sum(sizes.values())})


def comparable(
    contrasts: Sequence[ContrastSpec], matrices: Sequence[ScoreMatrix]
) -> tuple[tuple[ContrastSpec, ...], tuple[str, ...]]:
    """Leave out the contrasts of arms of which no run is there; all others are compared.

    Returns:
        The contrasts that have scores, and what to say of the others. Where the primary one or all would go, all are
        returned: comparing them says what is missing.

    Raises:
        UserError: An arm of the primary contrast has no finished run at all.
    """
    seeds: dict[str, list[set[int]]] = {}
    places = {(matrix.backbone, matrix.task) for matrix in matrices}
    for matrix in matrices:
        seeds.setdefault(matrix.arm, []).append(set(matrix.seeds))
    whole = {arm for arm, found in seeds.items() if len(found) == len(places)}
    kept = tuple(one for one in contrasts if {one.base, one.treatment} <= whole)
    lost = [arm for arm in (contrasts[0].base, contrasts[0].treatment) if arm not in seeds]
    if lost:
        raise UserError(
            f"No run of {' and '.join(lost)} is finished, so {contrasts[0].name} cannot be compared.",
            "Mend what their runs failed of, and give the same command again.",
        )
    if not kept or kept[0] != contrasts[0]:
        return tuple(contrasts), ()
    return kept, tuple(
        f"{one.name} is left out: an arm has no finished run on a benchmark." for one in contrasts if one not in kept
    )


@dataclass(frozen=True)
class _Answered:
    """One evaluation: its scores, and its answers by why they were graded so."""

    columns: ScoreColumns
    reasons: Mapping[str, int]
    loss: RunLoss | None


def _said(sample: Sample) -> Said:
    return Said(sample.verdict, sample.reason, sample.strict, sample.symbolic)


@dataclass(frozen=True)
class SealedGrid:
    """The sealed cells of an experiment, as a comparison needs them, or the scores of one arm."""

    store: Store
    experiment: Experiment
    runs: tuple[Run, ...]
    records: Mapping[str, SealedRecord]
    failures: Mapping[str, Failure]
    _known: dict[str, _Answered] = field(default_factory=dict)

    def matrices(self, seeds: Sequence[int]) -> tuple[ScoreMatrix, ...]:
        """Return the scores of all arms at some seeds; arms without seeds have theirs whatever the seeds."""
        columns = by_question([one.columns for one in self._at(seeds)], self.experiment)
        return score_matrices(columns, metrics={task.name: task.metric for task in self.experiment.tasks})

    def losses(self, seeds: Sequence[int]) -> tuple[RunLoss, ...]:
        """Return the held-out losses at some seeds, likewise; not of arms whose tokens are not those of the others."""
        own = asked_their_own_way(self.experiment)
        return tuple(one.loss for one in self._at(seeds) if one.loss is not None and one.columns.arm not in own)

    def prompt_notes(self, seeds: Sequence[int]) -> Iterator[str]:
        """Say how the prompts of arms differ that are asked in their own way."""
        if not asked_their_own_way(self.experiment):
            return
        sealed = (self.records[cell.cell_id].data for run in self.runs for cell in run.evaluations
                  if cell.cell_id in self.records)  # fmt: skip
        frames = {data["arm"]: data["frame"] for data in sealed if data.get("frame") is not None}
        yield from prompt_notes([one.columns for one in self._at(seeds)], self.experiment, frames)

    def _at(self, seeds: Sequence[int]) -> list[_Answered]:
        """Return the finished evaluations at some seeds and of arms without seeds, in the order of the arms."""
        wanted = [run for run in self.runs if run.seed in seeds or run.arm in self.experiment.fixed]
        order = {arm: place for place, arm in enumerate(self.experiment.arms)}
        return [one for run in sorted(wanted, key=lambda run: order[run.arm]) for one in self._answered(run)]

    def origin(self, seeds: Sequence[int]) -> Origin:
        """Return where the scores at some seeds come from."""
        finished = [self.records[name] for name in _names(self.runs) if name in self.records]
        return Origin(
            provenance=provenance(self.store, self.experiment, finished),
            sandbox=_sandbox(self.records),
            task_versions={task.name: task.version for task in self.experiment.tasks},
            probes=_probes(self.runs, self.records),
            arms={
                (arm, backbone.name): self._facts(arm, backbone.name, seeds)
                for backbone in self.experiment.backbones
                for arm in self.experiment.arms
            },
        )

    def inside(self, alpha: float) -> tuple[Inside, ...]:
        """Return what was seen of each trained arm on each backbone, at the seeds that were asked for."""
        found = []
        for backbone in self.experiment.backbones:
            for arm in self.experiment.arms:
                own = [
                    run
                    for run in self.runs
                    if (run.arm, run.backbone) == (arm, backbone.name)
                    and run.seed in self.experiment.seeds
                    and run.cell_id in self.records
                ]
                logs = {run.seed: self.records[run.cell_id].data["log"] for run in own}
                found.append(inside_of(arm, backbone.name, logs, {run.seed: self._measured(run) for run in own}, alpha))
        return tuple(one for one in found if one is not None)

    def _measured(self, run: Run) -> list[dict[str, Any]]:
        return [self.records[cell.cell_id].data for cell in run.evaluations if cell.cell_id in self.records]

    def _facts(self, arm: str, backbone: str, seeds: Sequence[int]) -> ArmFacts:
        fixed = arm in self.experiment.fixed
        own = [run for run in self.runs if (run.arm, run.backbone) == (arm, backbone) and (fixed or run.seed in seeds)]
        logs = [self.records[run.cell_id].data["log"] for run in own if run.cell_id in self.records]
        sizes = [log["trained_parameters"] for log in logs if log.get("trained_parameters") is not None]
        diverged = [run.seed for run in own if self._diverged(run)]
        stored = self.experiment.stored_arm(arm) is not None
        kind: ArmKind = "stored" if stored else "fixed" if fixed else "trained"
        reasons: dict[str, Counter[str]] = {task.name: Counter() for task in self.experiment.tasks}
        for run in own:
            for one in self._answered(run):
                reasons[one.columns.task].update(one.reasons)
        counted = {task: dict(found.most_common()) for task, found in reasons.items()}
        return ArmFacts(kind, tuple(diverged), max(sizes, default=None), counted)

    def _diverged(self, run: Run) -> bool:
        failure = self.failures.get(run.cell_id)
        return failure is not None and failure.kind == "diverged"

    def _answered(self, run: Run) -> Iterator[_Answered]:
        """Read the finished evaluations of a run, each once."""
        for cell in run.evaluations:
            if cell.cell_id in self.records and cell.cell_id not in self._known:
                (file,) = self.records[cell.cell_id].files
                samples = read_samples(self.store.payload_path(file.name))
                (columns,) = columns_of(scored_items(run, cell.task, samples), RERUN)
                k = max(task.generation.samples for task in self.experiment.tasks if task.name == cell.task)
                self._known[cell.cell_id] = _Answered(
                    replace(columns, k=k), count_reasons(map(_said, samples)), loss_of(run, cell.task, samples)
                )
            if cell.cell_id in self._known:
                yield self._known[cell.cell_id]


def scored_items(run: Run, task: str, samples: Iterable[Sample]) -> Iterator[ScoredItem]:
    """Return what one run scored on a benchmark, the answers to an item averaged."""
    by_item: dict[str, list[Sample]] = {}
    for sample in samples:
        by_item.setdefault(sample.item_id, []).append(sample)
    for item_id, found in by_item.items():
        yield ScoredItem(
            arm=run.arm,
            backbone=run.backbone,
            task=task,
            seed=run.seed,
            item_id=item_id,
            prompt_hash=found[0].prompt_hash,
            score=sum(sample.score for sample in found) / len(found),
            unparsed=sum(is_unparsed(_said(sample)) for sample in found) / len(found),
            symbolic_only=sum(is_by_math_verify_alone(_said(sample)) for sample in found) / len(found),
            labels=found[0].labels,
        )


def _confirmed(result: Result, selection: Selection | None, grid: SealedGrid, settings: StatisticsSettings) -> Result:
    """Judge the selected treatment on its fresh seeds alone, and on the items that were held out where some were."""
    if selection is None:
        return result
    best, seeds = selection.best, grid.experiment.fresh_seeds
    (spec,) = (one for one in grid.experiment.contrasts if (one.base, one.treatment) == (best.base, best.treatment))
    fresh = [one for one in grid.matrices(seeds) if one.arm in (best.base, best.treatment)]
    if len({one.arm for one in fresh}) < 2 or not comparable([spec], fresh)[0]:  # noqa: PLR2004 - both arms
        return result.model_copy(update={"selection": selection})
    held_out = split_items(fresh, settings.confirm_items, settings.rng_seed).held_out
    found = compare(held_out, [spec], grid.origin(seeds), replace(settings, slices=()))
    chosen = confirmed(selection, found.contrasts[0], new_items=settings.confirm_items > 0)
    return result.model_copy(update={"selection": chosen.model_copy(update={"arms": found.arms})})


def _root(directory: Path) -> Path:
    """Return the results root, which holds the ledger; the directory itself where its parent cannot be written."""
    parent = directory.absolute().parent
    return parent if os.access(parent, os.W_OK) else directory


def _look(experiment: Experiment, contrasts: Sequence[ContrastSpec], matrices: Sequence[ScoreMatrix]) -> EnteredLook:
    primary = [one for one in matrices if one.arm in (contrasts[0].base, contrasts[0].treatment)]
    of_seeds = [set(one.seeds) for one in primary if one.arm not in experiment.fixed]
    cells = {(one.backbone, one.task): one.items for one in primary}
    return EnteredLook(
        time=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        experiment=experiment.digest,
        recipe=experiment.recipe_digest,
        family=family_hash(contrasts, [(place[0], place[1], items.metric, "") for place, items in cells.items()]),
        pairing=canonical_hash([items.pairing_hash for items in cells.values()])[:_HASH_LENGTH],
        backbone="+".join(one.name for one in experiment.backbones),
        seeds=tuple(sorted(set.intersection(*of_seeds))) if of_seeds else experiment.seeds,
    )


def _names(runs: Sequence[Run]) -> list[str]:
    return [name for run in runs for name in (run.cell_id, *(cell.cell_id for cell in run.evaluations))]


def _probes(runs: Sequence[Run], records: Mapping[str, SealedRecord]) -> list[LiveProbe]:
    """Return the weakest numbers of each run, as an adapter must be alive in each of its evaluations, and mean KL."""
    probes = []
    for run in runs:
        found = [records[cell.cell_id].data for cell in run.evaluations if cell.cell_id in records]
        weakest = {
            name: min((one[name] for one in found if one.get(name) is not None), default=None) for name in _WEAKEST
        }
        known = {name: [one[name] for one in found if one.get(name) is not None] for name in _AVERAGED}
        means = {name: sum(values) / len(values) for name, values in known.items() if values}
        if weakest["max_logit_change"] is not None:
            probes.append(LiveProbe(arm=run.arm, backbone=run.backbone, seed=run.seed, **weakest, **means))
    return probes


def _sandbox(records: Mapping[str, SealedRecord]) -> dict[str, Any]:
    """Return how programs were run; empty where no benchmark runs any.

    Where cells were computed under different boundaries, the weakest one speaks for all, and the others are named.
    """
    described = [record.data["sandbox"] for record in records.values() if record.data.get("sandbox")]
    if not described:
        return {}
    tiers = sorted({str(info["tier"]) for info in described})  # "1" before "2" before "none"
    weakest = next(dict(info) for info in described if str(info["tier"]) == tiers[-1])
    return weakest if len(tiers) == 1 else {**weakest, "tiers_of_cells": tiers}
