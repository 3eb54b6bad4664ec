"""From the losses beside sealed answers to the secondary family of a result."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from talan_eval.comparison import ScoreColumns, compare, score_matrices
from talan_eval.comparison.score_columns import label_columns
from talan_eval.result.evidence import Measure
from talan_eval.result.schema import LossComparison, TaskLoss

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_eval.comparison import ContrastSpec, Origin, ScoreMatrix, StatisticsSettings
    from talan_eval.grid import Run
    from talan_eval.records.samples import Sample
    from talan_eval.result.schema import Result

NATS: Final = Measure(unit="nats", higher_is_better=False, lower=0.0, upper=None)
METRIC: Final = "loss"


@dataclass(frozen=True, eq=False)
class RunLoss:
    """The loss of one checkpoint on one benchmark.

    Attributes:
        columns: Nats per target token of each item.
        nats: Over all target tokens.
        bytes: Of all reference solutions.
    """

    columns: ScoreColumns
    nats: float
    bytes: int


def loss_of(run: Run, task: str, samples: Sequence[Sample]) -> RunLoss | None:
    """Return what one evaluation lost; None where no loss was measured."""
    measured = [(one, one.loss) for one in samples if one.loss is not None]
    if not measured:
        return None
    columns = ScoreColumns(
        arm=run.arm,
        backbone=run.backbone,
        task=task,
        seed=run.seed,
        item_ids=tuple(one.item_id for one, _ in measured),
        prompts=tuple(one.prompt_hash for one, _ in measured),
        scores=np.array([loss for _, loss in measured]),
        labels=label_columns([{} for _ in measured]),
    )
    nats = sum(loss * (one.loss_tokens or 0) for one, loss in measured)
    return RunLoss(columns, nats, sum(one.loss_bytes or 0 for one, _ in measured))


def with_losses(
    result: Result,
    found: Sequence[RunLoss],
    contrasts: Sequence[ContrastSpec],
    origin: Origin,
    settings: StatisticsSettings,
) -> Result:
    """Add the held-out loss to a result: its contrasts as a family of their own, without a primary test.

    Args:
        result: The comparison of scores.
        found: The losses of all runs.
        contrasts: What is compared. One of which an arm has no loss on a benchmark is left out.
        origin: Where the runs come from.
        settings: Those of the scores; slices, tests by name, margin and looks are about scores alone.
    """
    if not found:
        return result
    matrices = _matrices(found)
    places = {(one.backbone, one.task) for one in matrices}
    arms = [one.arm for one in matrices]
    kept = [one for one in contrasts if all(arms.count(arm) == len(places) for arm in (one.base, one.treatment))]
    if not kept:
        return result
    own = replace(settings, slices=(), also=(), margin=None, earlier_looks=(), reduce="mean", secondary=True)
    compared = compare(matrices, kept, origin, own)
    loss = LossComparison(
        measure=compared.measure,
        contrasts=compared.contrasts,
        families=compared.families,
        warnings=compared.warnings,
    )
    by_arm = _by_arm(matrices, found)
    records = tuple(arm.model_copy(update={"loss": by_arm.get((arm.name, arm.backbone))}) for arm in result.arms)
    return result.model_copy(update={"loss": loss, "arms": records})


def losses_by_arm(found: Sequence[RunLoss]) -> Mapping[tuple[str, str], tuple[TaskLoss, ...]]:
    """Return the held-out loss of each arm by benchmark, by (arm, backbone); empty where none was measured."""
    return _by_arm(_matrices(found), found) if found else {}


def _matrices(found: Sequence[RunLoss]) -> tuple[ScoreMatrix, ...]:
    """Put losses together by item; what not every run has is left out."""
    tasks = dict.fromkeys(one.columns.task for one in found)
    return score_matrices(
        [one.columns for one in found],
        metrics=dict.fromkeys(tasks, METRIC),
        measures=dict.fromkeys(tasks, NATS),
        unpaired="drop",
    )


def _by_arm(
    matrices: Sequence[ScoreMatrix], found: Sequence[RunLoss]
) -> Mapping[tuple[str, str], tuple[TaskLoss, ...]]:
    records: dict[tuple[str, str], tuple[TaskLoss, ...]] = {}
    for one in matrices:
        key = (one.arm, one.backbone)
        own = [run for run in found if (run.columns.arm, run.columns.backbone, run.columns.task) == (*key, one.task)]
        size = sum(run.bytes for run in own)
        record = TaskLoss(
            task=one.task,
            n_items=len(one.items.item_ids),
            mean=float(one.scores.mean()),
            by_seed=tuple(float(value) for value in one.scores.mean(axis=1)),
            seeds=one.seeds,
            bits_per_byte=sum(run.nats for run in own) / math.log(2) / size if size else None,
        )
        records[key] = (*records.get(key, ()), record)
    return records
