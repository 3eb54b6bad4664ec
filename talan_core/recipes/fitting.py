"""Whether a training fits into memory, and the cheapest change of its recipe that makes it fit."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from talan_core.recipes.footprint import AnswerLoad, Footprint, footprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PretrainedConfig

    from talan_core.arms import Arm
    from talan_core.config import TalanDefaults
    from talan_core.training_settings import TrainingSettings

GPU_BYTES: Final = 80 * 10**9
"""What the makers of accelerators call 80 GB."""

_USABLE: Final = 0.9
"""The share of a device that is planned with: a CUDA context and fragmentation take the rest."""


@dataclass(frozen=True)
class Task:
    """What is to be done, but for its recipe.

    Args:
        config: The backbone's configuration.
        arm: The arm.
        defaults: The backbone's operating point.
        device: "cpu" or "cuda".
        answers: What is answered at a time; None counts no cache.
    """

    config: PretrainedConfig
    arm: Arm
    defaults: TalanDefaults
    device: str
    answers: AnswerLoad | None = None

    def footprint(self, settings: TrainingSettings) -> Footprint:
        """Return what a recipe needs."""
        return footprint(
            self.config, self.arm, settings, defaults=self.defaults, device=self.device, answers=self.answers
        )


@dataclass(frozen=True)
class Fit:
    """A recipe with what it needs.

    Args:
        settings: The recipe.
        changes: What it changes in the one that was asked for, as it is typed; in the order in which they cost.
        footprint: What it needs.
        devices: How many devices of the given size are needed; above one the weights have to be divided among them.
        answers: What is answered at a time with these changes.
    """

    settings: TrainingSettings
    changes: tuple[str, ...]
    footprint: Footprint
    devices: int
    answers: AnswerLoad | None = None


def cheapest_fit(task: Task, settings: TrainingSettings, limit: int) -> Fit:
    """Change a recipe as little as makes it fit.

    Where only the cache of answering is too large, fewer prompts are answered at a time. Otherwise changes are made one
    after the other, those first that cost least: logits of targets alone (the same loss),
    autocast (bfloat16 arithmetic), recomputing (about a third more time), one example at a time with accumulation (the
    same step, slower), the backbone in 4 bits (another backbone, strictly). What does not fit even so needs several
    devices, without the last change.

    Args:
        task: What is to be done.
        settings: The recipe that was asked for.
        limit: Bytes of the device.
    """
    room = int(limit * _USABLE)
    changed, changes = settings, list[str]()
    found = task.footprint(settings)
    exact: tuple[TrainingSettings, tuple[str, ...], Footprint] = (settings, (), found)
    for values in _changes(task.arm, settings):
        if found.needed > room >= found.training and (fewer := _fewer_answers(task, found, room)) is not None:
            changes.append(f"eval_batch={fewer.prompts}")
            task = dataclasses.replace(task, answers=fewer)
            found = task.footprint(changed)
        if found.needed <= room:
            break
        changed = dataclasses.replace(changed, **values)
        changes += [f"{name}={_typed(value)}" for name, value in values.items()]
        found = task.footprint(changed)
        if changed.quantization == settings.quantization:
            exact = (changed, tuple(changes), found)
    if found.needed <= room:
        return Fit(changed, tuple(changes), found, 1, task.answers)
    return Fit(*exact, math.ceil(exact[2].needed / room), task.answers)


def prompts_that_fit(task: Task, settings: TrainingSettings, limit: int) -> int:
    """Return how many prompts can be answered at a time: all of the task's, else a power of two.

    At least one; whether that fits is `cheapest_fit`'s to say. The activations of answering are not counted.

    Args:
        task: What is to be done, with what would be answered at a time.
        settings: The recipe, which says in which type the cache is.
        limit: Bytes of the device.

    Raises:
        ValueError: The task answers nothing.
    """
    if task.answers is None:
        raise ValueError("a task that answers nothing has no prompts")
    found, room = task.footprint(settings), int(limit * _USABLE)
    if found.answering <= room:
        return task.answers.prompts
    fewer = _fewer_answers(task, found, room)
    return 1 if fewer is None else fewer.prompts


def _fewer_answers(task: Task, found: Footprint, room: int) -> AnswerLoad | None:
    """Return how many prompts can be answered at a time, where only their cache is too large."""
    if task.answers is None or found.cache == 0:
        return None
    most = task.answers.prompts * (room - found.weights - found.adapter) // found.cache
    return dataclasses.replace(task.answers, prompts=2 ** (most.bit_length() - 1)) if most >= 1 else None


def _changes(arm: Arm, settings: TrainingSettings) -> Iterator[dict[str, Any]]:
    if settings.logits == "all":
        yield {"logits": "targets"}
    if settings.dtype == "bfloat16" and not settings.computes_in_bfloat16:
        yield {"autocast": True}
    if not settings.gradient_checkpointing and arm.partner.recomputes:
        yield {"gradient_checkpointing": True}
    if settings.batch_size > 1:
        yield {"batch_size": 1, "accumulation": settings.examples_per_step}
    if settings.quantization is None and settings.dtype == "bfloat16" and "4bit" in arm.partner.takes_quantized:
        yield {"quantization": "4bit"}
    yield {}


def _typed(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def fits_surely(config: PretrainedConfig, settings: TrainingSettings, stored: int, limit: int) -> bool:
    """Say at once whether a training is far from the limit, by bounds that are generous on purpose.

    Args:
        config: The backbone's configuration.
        settings: The recipe.
        stored: Bytes of the backbone's files.
        limit: Bytes of the device.
    """
    shape = config.get_text_config()
    tokens = settings.batch_size * settings.max_length
    inner = getattr(shape, "intermediate_size", None) or 4 * shape.hidden_size
    per_layer = 4 * tokens * (40 * shape.hidden_size + 12 * inner)
    per_layer += 12 * tokens * settings.max_length * shape.num_attention_heads
    bound = 12 * stored + shape.num_hidden_layers * per_layer + 16 * tokens * shape.vocab_size
    return int(bound) < limit
