"""Make an arm what it is going to be: by gradients, by a difference of means, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_core.bottleneck_edits import FusionEdit
from talan_core.interventions import SteeringEdit
from talan_core.plain import PlainModel
from talan_core.training.saving import can_resume
from talan_core.training.stages import fuse
from talan_core.training.steering import steer
from talan_core.training.trainer import TrainingLog, TrainingSet, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

    from talan_core.training.saving import SaveEvery
    from talan_core.training_settings import TrainingSettings


def fit(
    model: PeftModel | PlainModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: TrainingSet,
    settings: TrainingSettings,
    *,
    seed: int,
    work_dir: Path,
    on_step: Callable[[int, int, float], None] | None = None,
    save_every: SaveEvery | None = None,
) -> TrainingLog:
    """Fit any arm in place; arguments, errors and what pairs two arms as for `talan_core.training.trainer.train`.

    `save_every` has no effect on an arm without gradient steps, nor on one that cannot be resumed (AdaLoRA, fusion).

    Returns:
        What happened. An arm without gradient steps has no losses; the untuned backbone has no tokens either.
    """
    if isinstance(model, PlainModel):
        if isinstance(model.edit, SteeringEdit):
            return steer(model, tokenizer, examples, settings, seed=seed)
        if isinstance(model.edit, FusionEdit):
            return fuse(model, tokenizer, examples, settings, seed=seed, work_dir=work_dir, on_step=on_step)
        if not any(weight.requires_grad for weight in model.parameters()):
            model.eval()
            return TrainingLog(losses=(), tokens=0, target_tokens=0, examples=0, dropped=0, seconds=0.0)
    saving = save_every if can_resume(model) else None
    return train(model, tokenizer, examples, settings, seed=seed, work_dir=work_dir, on_step=on_step, save_every=saving)
