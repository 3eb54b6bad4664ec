"""The learning rates that a recipe gives its steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from transformers import get_scheduler

if TYPE_CHECKING:
    from talan_core.training_settings import TrainingSettings


def planned_rates(settings: TrainingSettings) -> tuple[float, ...]:
    """Return the partner's learning rate at each step of a recipe; the block's is that times its lr_scale.

    Args:
        settings: The recipe, with its number of steps; see `TrainingSettings.settled`.
    """
    if settings.steps is None:
        raise ValueError("a recipe by epochs has to be settled before: see TrainingSettings.settled")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=settings.learning_rate)
    schedule = get_scheduler(
        "constant_with_warmup" if settings.schedule == "constant" else settings.schedule,
        optimizer,
        num_warmup_steps=math.ceil(settings.steps * settings.warmup_ratio),
        num_training_steps=settings.steps,
    )
    rates = []
    for _ in range(settings.steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
    return tuple(rates)
