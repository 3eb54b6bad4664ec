"""How many prompts are answered at a time: chosen once, before the first answer, and the same for all arms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from talan_eval.generation.registry import BATCHES
from talan_eval.intake.room import configuration, sized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_core.backbones.load import Revision
    from talan_eval.intake.checked import Checked, CheckedBackbone
    from talan_eval.intake.room import Room


def in_batches(
    checked: Checked, backend: str, revisions: Sequence[Revision], domains: int, gpu: Room | None, tokens: int
) -> Checked:
    """Choose a batch for each backbone, where none is typed.

    A backend that schedules by itself has as many prompts as it likes. A GPU has the backbone's number, or as many as
    fit into its memory. It never has more: the batch is part of what an answer is, and the same command shall give the
    same answers on all GPUs with room. What is free of main memory changes from call to call, so it decides nothing.

    Args:
        checked: The request; no batch is typed in it.
        backend: What answers, by name.
        revisions: The files of each backbone.
        domains: Sources of training data.
        gpu: What a run has on a GPU; None where it runs elsewhere.
        tokens: Most tokens of a prompt with its answer.
    """
    if (size := BATCHES.get(backend)) is not None:
        return replace(checked, backbones=tuple(replace(one, eval_batch=size) for one in checked.backbones))
    if gpu is None or gpu.limit is None:
        return checked
    chosen = tuple(
        replace(one, eval_batch=_fitting(one, revision, checked.arms.unstored, domains, gpu.limit, tokens))
        for one, revision in zip(checked.backbones, revisions, strict=True)
    )
    return replace(checked, backbones=chosen)


def _fitting(
    one: CheckedBackbone, revision: Revision, arms: Sequence[str], domains: int, limit: int, tokens: int
) -> int:
    """Return the backbone's batch, or the largest power of two that fits with every arm."""
    from talan_core.recipes.fitting import Task, prompts_that_fit  # noqa: PLC0415 - heavy
    from talan_core.recipes.footprint import AnswerLoad  # noqa: PLC0415 - as above

    config, load = configuration(revision), AnswerLoad(one.eval_batch, tokens)
    # a stored arm's adapter is small beside the backbone, which is all of "base"
    tasks = {arm: Task(config, sized(arm, domains), one.spec.talan, "cuda", load) for arm in arms or ("base",)}
    return min(prompts_that_fit(task, one.recipes.get(arm, one.training), limit) for arm, task in tasks.items())
