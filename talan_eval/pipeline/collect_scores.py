"""From the sealed samples of one arm to its scores: nothing is compared, and no look is entered into the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_core.errors import UserError
from talan_eval.comparison.scoring import score_arm
from talan_eval.comparison.statistics_settings import StatisticsSettings
from talan_eval.pipeline.collect import SealedGrid
from talan_eval.pipeline.losses import losses_by_arm
from talan_eval.records.notes import (
    contamination,
    failed_evaluations,
    failure_notes,
    grader_disagreements,
    mixed_checkpoints,
    stored_notes,
    without_answers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from talan_eval.experiment import Experiment
    from talan_eval.grid import Run
    from talan_eval.pipeline.losses import RunLoss
    from talan_eval.result.arm_scores import ArmScores, ScoredArm
    from talan_eval.result.schema import FailedCell
    from talan_eval.store.failures import Failure
    from talan_eval.store.store import Store


def collect_scores(
    store: Store,
    experiment: Experiment,
    runs: Sequence[Run],
    failures: Mapping[str, Failure] | None = None,
    statistics: StatisticsSettings | None = None,
) -> ArmScores:
    """Score the arm of an experiment that has one; arguments as for :func:`talan_eval.pipeline.collect.collect`.

    Raises:
        UserError: No run of it is finished, or several answers cannot be made one score as asked.
    """
    grid = SealedGrid(store, experiment, tuple(runs), store.finished(), dict(failures or {}))
    matrices = grid.matrices(experiment.seeds)
    (arm,) = experiment.arms
    if not matrices:
        raise UserError(
            f"No run of {arm} is finished, so there is no score.",
            "Mend what its runs failed of, and give the same command again.",
        )
    found = score_arm(matrices, grid.origin(experiment.seeds), statistics or StatisticsSettings())
    failed = failed_evaluations(runs, grid.records, grid.failures)
    losses = grid.losses(experiment.seeds)
    return found.model_copy(
        update={
            "backbones": tuple(_with_loss(one, arm, losses) for one in found.backbones),
            "failed_cells": failed,
            "warnings": tuple(_notes(experiment, runs, grid, failed)),
        }
    )


def _with_loss(one: ScoredArm, arm: str, losses: Sequence[RunLoss]) -> ScoredArm:
    known = {loss.task: loss for loss in losses_by_arm(losses).get((arm, one.backbone), ())}
    scores = tuple(score.model_copy(update={"loss": known.get(score.task)}) for score in one.scores)
    return one.model_copy(update={"scores": scores})


def _notes(
    experiment: Experiment, runs: Sequence[Run], grid: SealedGrid, failed: Sequence[FailedCell]
) -> Iterator[str]:
    yield from stored_notes(experiment)
    yield from (
        f"{one.name} is asked with a tokenizer or chat template of its own."
        for one in experiment.stored
        if one.is_asked_its_own_way
    )
    yield from contamination(experiment)
    yield from failure_notes(experiment, failed)
    yield from mixed_checkpoints(experiment, runs, grid.records)
    yield from grader_disagreements(experiment, runs, grid.records)
    yield from without_answers(runs, grid.records)
