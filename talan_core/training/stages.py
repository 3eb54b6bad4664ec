"""AdapterFusion's stages (Pfeiffer et al., 2021): an adapter for each domain, then attention over all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from talan_core.bottleneck_edits import FusionEdit
from talan_core.partners.bottleneck import Fusion
from talan_core.training.data import EncodedData, encode
from talan_core.training.drawing import LazyData
from talan_core.training.trainer import Stage, TrainingLog, TrainingSet, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from talan_core.partners.bottleneck import PlannedStage
    from talan_core.plain import PlainModel
    from talan_core.training_settings import TrainingSettings


def fuse(
    model: PlainModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: TrainingSet,
    settings: TrainingSettings,
    *,
    seed: int,
    work_dir: Path,
    on_step: Callable[[int, int, float], None] | None = None,
) -> TrainingLog:
    """Train an AdapterFusion arm in its stages; arguments, errors and pairing as for `train`.

    Every stage has the recipe's schedule over its own steps, and draws from the run's seed. A stage of a domain sees
    the examples of that source alone, the last one what single-stage arms see, in the same order.

    Returns:
        What happened in all stages together; `stages` has their steps and parameters.

    Raises:
        UserError: There are fewer than two domains, or fewer steps than stages need; or as for `train`.
    """
    edit, partner = model.edit, model.partner
    if not (isinstance(edit, FusionEdit) and isinstance(partner, Fusion)):
        raise TypeError("only a fusion arm has stages")
    items, apart = (examples.items, examples.held_out) if isinstance(examples, LazyData) else (examples, ())
    data = encode(tokenizer, items, settings.max_length, held_out=apart)
    domains = list(dict.fromkeys(one.source for one in data.examples))
    plans = partner.stages(domains, settings.steps_for(len(data.examples)))
    edit.grow(len(plans) - 1)
    total = sum(plan.steps for plan in plans)
    logs: list[TrainingLog] = []
    stages: list[Stage] = []
    for number, plan in enumerate(plans, 1):
        edit.learn(plan.domain)
        learned = sum(weight.numel() for weight in edit.parameters() if weight.requires_grad)
        before = sum(stage.steps for stage in stages)
        logs.append(
            train(
                model, tokenizer, _of(data, plan), settings.with_steps(plan.steps), seed=seed,
                work_dir=work_dir / f"stage{number}", on_step=_counted(on_step, before, total),
            )
        )  # fmt: skip
        stages.append(Stage(plan.name, plan.steps, logs[-1].tokens, learned))
    edit.requires_grad_(requires_grad=True)  # all of it was trained
    return _together(logs, tuple(stages))


def _of(data: EncodedData, plan: PlannedStage) -> EncodedData:
    if plan.domain is None:
        return data
    return replace(data, examples=tuple(one for one in data.examples if one.source == plan.name), weights={})


def _counted(
    on_step: Callable[[int, int, float], None] | None, before: int, total: int
) -> Callable[[int, int, float], None] | None:
    """Return a callback that counts the steps of all stages."""
    if on_step is None:
        return None
    return lambda step, _, loss: on_step(before + step, total, loss)


def _together(logs: list[TrainingLog], stages: tuple[Stage, ...]) -> TrainingLog:
    last = logs[-1]
    return replace(
        last,
        losses=tuple(loss for log in logs for loss in log.losses),
        tokens=sum(log.tokens for log in logs),
        target_tokens=sum(log.target_tokens for log in logs),
        seconds=sum(log.seconds for log in logs),
        stages=stages,
    )
