"""The recipe in the words of transformers' Trainer, and the data as torch's loader takes it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from torch.utils.data import Dataset, Sampler
from transformers import TrainingArguments

from talan_core.errors import UserError
from talan_core.training.encoding import EncodedExample
from talan_core.training.pairing import derive_seed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import torch

    from talan_core.training.saving import SaveEvery
    from talan_core.training_settings import TrainingSettings

_SEED_LIMIT: Final = 2**32  # NumPy's
_OF_TRAINER: Final = {
    "adamw_8bit": "adamw_bnb_8bit",
    "paged_adamw": "paged_adamw_32bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
}
"""Trainer's names of the optimizers that are not its default."""


def training_arguments(
    settings: TrainingSettings, *, seed: int, work_dir: Path, device: torch.device, save_every: SaveEvery | None = None
) -> TrainingArguments:
    """Translate the recipe into Trainer's arguments: quiet, without reports, and by default without files.

    Several processes share the forward passes of a step, so that a step is the same whatever their number.

    Args:
        settings: The recipe, with its number of steps.
        seed: The run's seed.
        work_dir: Where Trainer may write.
        device: Where the model is.
        save_every: When checkpoints are written, if given. Where a time is given, Trainer has no schedule of its own.
            Trainer removes none: it would remove older ones before a new one is complete.

    Raises:
        UserError: If the forward passes of a step cannot be shared evenly by the processes.
    """
    if settings.steps is None:
        raise ValueError("a recipe by epochs has to be settled before: see TrainingSettings.settled")
    args = TrainingArguments(
        output_dir=str(work_dir),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup" if settings.schedule == "constant" else settings.schedule,
        warmup_steps=math.ceil(settings.steps * settings.warmup_ratio),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        seed=derive_seed(seed, "dropout") % _SEED_LIMIT,
        use_cpu=device.type == "cpu",
        save_strategy="steps" if isinstance(save_every, int) else "no",
        save_steps=save_every if isinstance(save_every, int) else 1,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=device.type != "cpu",
        remove_unused_columns=False,
        bf16=settings.computes_in_bfloat16,
        **_where_asked(settings),
    )
    if settings.accumulation % args.world_size:
        raise UserError(
            f"{args.world_size} processes cannot share accumulation={settings.accumulation} forward passes per step.",
            f"Set accumulation={math.ceil(settings.accumulation / args.world_size) * args.world_size} and, for the "
            "same number of examples per step, a smaller batch_size.",
        )
    args.gradient_accumulation_steps = settings.accumulation // args.world_size
    if args.n_gpu > 1:
        # One process that sees several GPUs would copy the model to each and multiply the batch.
        args._n_gpu = 1  # noqa: SLF001 - transformers has no public way to say so
    return args


def _where_asked(settings: TrainingSettings) -> dict[str, Any]:
    """Return the arguments that are given only where the recipe asks for them."""
    # transformers 5.16 knows the older name only, later ones warn of it.
    recompute = "activation" if hasattr(TrainingArguments, "activation_checkpointing") else "gradient"
    found: dict[str, Any] = {}
    if settings.gradient_checkpointing:
        found |= {f"{recompute}_checkpointing": True, f"{recompute}_checkpointing_kwargs": {"use_reentrant": False}}
    if settings.optimizer != "adamw":
        found["optim"] = _OF_TRAINER[settings.optimizer]
    return found


class Examples(Dataset[EncodedExample]):
    """The encoded examples as torch's loader takes them."""

    def __init__(self, examples: Sequence[EncodedExample]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self._examples)

    def __getitem__(self, index: int) -> EncodedExample:
        """Return one example."""
        return self._examples[index]


class GivenOrder(Sampler[int]):
    """All draws of the run, as one epoch."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = order

    def __len__(self) -> int:
        """Return the number of draws."""
        return len(self._order)

    def __iter__(self) -> Iterator[int]:
        """Iterate over the draws."""
        return iter(self._order)
