"""From sealed samples to the result: pair, compare, and say where the numbers come from."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from talan_eval.comparison import ScoredItem, StatisticsSettings, compare, family_hash, pair_scores
from talan_eval.grading.verdict import Verdict
from talan_eval.records.notes import (
    contamination,
    failed_cells,
    failure_notes,
    grader_disagreements,
    mixed_checkpoints,
)
from talan_eval.records.provenance import provenance
from talan_eval.records.samples import read_samples
from talan_eval.result.schema import LiveProbe, Result
from talan_eval.store.canonical import canonical_hash
from talan_eval.store.ledger import Ledger, Look, earlier_looks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from talan_eval.comparison import CellScores
    from talan_eval.experiment import Experiment
    from talan_eval.grid import Run
    from talan_eval.records.samples import Sample
    from talan_eval.store.failures import Failure
    from talan_eval.store.records import Record
    from talan_eval.store.store import Store

_HASH_LENGTH: Final = 12


def collect(
    store: Store,
    experiment: Experiment,
    runs: Sequence[Run],
    failures: Mapping[str, Failure] | None = None,
    statistics: StatisticsSettings | None = None,
) -> Result:
    """Compare the two arms of a grid in which nothing more can be computed, and enter the look into the ledger.

    Args:
        store: The experiment directory.
        experiment: What was asked for.
        runs: All runs of the experiment.
        failures: Why cells are missing, by cell.
        statistics: Settings of the statistics; the defaults when None.

    Returns:
        The result. It depends on the sealed samples, the experiment, the settings and earlier looks only, provenance
        times aside.

    Raises:
        UserError: Samples of the two arms do not pair, or the ledger cannot be written.
    """
    records = store.finished()
    cells = pair_scores(
        _scores(store, runs, experiment.base, records),
        _scores(store, runs, experiment.treat, records),
        backbone=experiment.backbone.name,
        metrics={task.name: task.metric for task in experiment.tasks},
        k=max(task.generation.samples for task in experiment.tasks),
    )
    ledger = Ledger(_root(store.directory))
    look = _look(experiment, cells)
    looks, damaged = ledger.read()
    result = compare(
        cells,
        base=experiment.base,
        treat=experiment.treat,
        provenance=provenance(store, experiment, [records[name] for name in _names(runs) if name in records]),
        sandbox=_sandbox(records),
        task_versions={task.name: task.version for task in experiment.tasks},
        live_probes=_probes(runs, records),
        settings=replace(statistics or StatisticsSettings(), earlier_looks=earlier_looks(looks, look)),
    )
    ledger.enter(look)
    failed = failed_cells(runs, records, failures or {})
    notes = [
        *contamination(experiment),
        *failure_notes(failed),
        *mixed_checkpoints(runs, records),
        *grader_disagreements(experiment, runs, records),
    ]
    if damaged:
        notes.append(f"{damaged} damaged line(s) in {ledger.path.name}: looks may be missing there.")
    return result.model_copy(update={"failed_cells": failed, "warnings": (*result.warnings, *notes)})


def _root(directory: Path) -> Path:
    """Return the results root, which holds the ledger; the directory itself where its parent cannot be written."""
    parent = directory.absolute().parent
    return parent if os.access(parent, os.W_OK) else directory


def _look(experiment: Experiment, cells: Sequence[CellScores]) -> Look:
    seeds = set.intersection(*(set(cell.seeds) for cell in cells))
    return Look(
        time=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        experiment=experiment.digest,
        recipe=experiment.recipe_digest,
        family=family_hash(
            experiment.base, experiment.treat, [(cell.backbone, cell.task, cell.metric, "") for cell in cells]
        ),
        pairing=canonical_hash([cell.pairing_hash for cell in cells])[:_HASH_LENGTH],
        backbone=experiment.backbone.name,
        seeds=tuple(sorted(seeds)),
    )


def _names(runs: Sequence[Run]) -> list[str]:
    return [name for run in runs for name in (run.cell_id, *(cell.cell_id for cell in run.evaluations))]


def _scores(store: Store, runs: Sequence[Run], arm: str, records: Mapping[str, Record]) -> Iterator[ScoredItem]:
    for run in runs:
        for cell in run.evaluations:
            if run.arm != arm or cell.cell_id not in records:
                continue
            (file,) = records[cell.cell_id].files
            by_item: dict[str, list[Sample]] = {}
            for sample in read_samples(store.payload_path(file.name)):
                by_item.setdefault(sample.item_id, []).append(sample)
            for item_id, samples in by_item.items():
                yield ScoredItem(
                    task=cell.task,
                    seed=run.seed,
                    item_id=item_id,
                    prompt_hash=samples[0].prompt_hash,
                    score=sum(sample.score for sample in samples) / len(samples),
                    unparsed=sum(sample.verdict == Verdict.UNPARSED for sample in samples) / len(samples),
                    labels=samples[0].labels,
                )


def _probes(runs: Sequence[Run], records: Mapping[str, Record]) -> list[LiveProbe]:
    """Return the weakest probe of each run: an adapter must be alive in every one of its evaluations."""
    probes = []
    for run in runs:
        changes = [
            records[cell.cell_id].data["max_logit_change"] for cell in run.evaluations if cell.cell_id in records
        ]
        if changes:
            probes.append(LiveProbe(arm=run.arm, seed=run.seed, max_logit_change=min(changes)))
    return probes


def _sandbox(records: Mapping[str, Record]) -> dict[str, Any]:
    """Return how programs were run; empty where no benchmark runs any.

    Where cells were computed under different boundaries, the weakest one speaks for all, and the others are named.
    """
    described = [record.data["sandbox"] for record in records.values() if record.data.get("sandbox")]
    if not described:
        return {}
    tiers = sorted({str(info["tier"]) for info in described})  # "1" before "2" before "none"
    weakest = next(dict(info) for info in described if str(info["tier"]) == tiers[-1])
    return weakest if len(tiers) == 1 else {**weakest, "tiers_of_cells": tiers}
