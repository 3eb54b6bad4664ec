"""Supervised fine-tuning of one arm on transformers' Trainer, bit-exactly paired by seed."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.utils.data import Dataset, Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from talan_core.carrier import BLOCKS
from talan_core.errors import DivergedError, UserError
from talan_core.training.data import EncodedExample, collate, encode, pad_token
from talan_core.training.pairing import data_order, derive_seed, random_state_restored
from talan_core.training.partner_steps import partner_callbacks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from peft import PeftModel
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerControl, TrainerState

    from talan_core.plain import PlainModel
    from talan_core.training.data import EncodedData, Example
    from talan_core.training.settings import TrainingSettings

_BLOCK_PREFIX = f"{BLOCKS}."
_SEED_LIMIT = 2**32  # NumPy's


@dataclass(frozen=True)
class TrainingLog:
    """What a training run did.

    Args:
        losses: Mean loss per target token of each optimizer step.
        tokens: Tokens that went through the model, padding not counted.
        target_tokens: Those of them that carried loss.
        examples: Training items that fitted `max_length`.
        dropped: Training items that did not and were left out.
        seconds: Wall time of the loop.
    """

    losses: tuple[float, ...]
    tokens: int
    target_tokens: int
    examples: int
    dropped: int
    seconds: float


class TalanTrainer(Trainer):
    """transformers' Trainer with the four things that pairing needs.

    It takes the data in a given order, clips the gradients of partner and block as separate groups (clipping them
    together would let the block change the partner's update even while it writes nothing), gives the block its own
    learning rate, and stops on a loss that is not finite before it reaches the weights.

    Args:
        model: The arm's model, from `talan_core.arms.build`.
        args: Trainer's arguments; see `training_arguments`.
        data: The encoded training set.
        order: Index of each example in the order of use.
        pad_token_id: The token to pad with.
        on_step: Called after each optimizer step with its number from 1, the number of steps, and its loss.
    """

    def __init__(
        self,
        model: PeftModel | PlainModel,
        args: TrainingArguments,
        data: Sequence[EncodedExample],
        order: Sequence[int],
        *,
        pad_token_id: int,
        on_step: Callable[[int, int, float], None] | None = None,
    ) -> None:
        self.losses: list[float] = []
        self._order = order
        self._pending_loss = 0.0
        trained = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
        self._partner = [weight for name, weight in trained if not name.startswith(_BLOCK_PREFIX)]
        self._block = [weight for name, weight in trained if name.startswith(_BLOCK_PREFIX)]
        super().__init__(
            model=model,
            args=args,
            train_dataset=_Examples(data),
            data_collator=lambda batch: collate(batch, pad_token_id),
            callbacks=[_StepCallback(self, on_step), *partner_callbacks(model, args.max_steps)],
        )
        self.remove_callback(PrinterCallback)

    def take_step_loss(self) -> float:
        """Close an optimizer step: record its loss and return it."""
        self.losses.append(self._pending_loss)
        self._pending_loss = 0.0
        return self.losses[-1]

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:  # noqa: ANN401 - Trainer's signature
        """Run forward and backward; raise a DivergedError if the loss is not finite."""
        loss = super().training_step(*args, **kwargs)
        value = float(loss)
        if not math.isfinite(value):
            step = self.state.global_step + 1
            raise DivergedError(
                f"Training diverged: the loss is {value} at step {step} of {self.state.max_steps}.",
                f"Lower the learning rate, for example --learning-rate {self.args.learning_rate / 10:g}.",
            )
        self._pending_loss += value
        return loss

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make AdamW with the block's parameters in groups of their own.

        Args:
            model: The model whose parameters are optimised; Trainer's own when None.
        """
        if self.optimizer is None:
            model = cast("nn.Module", self.model if model is None else model)
            block = getattr(model, "talan", None)
            scale = 1.0 if block is None else float(block.config.lr_scale)
            decayed = set(self.get_decay_parameter_names(cast("Any", model)))
            groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
            for name, weight in model.named_parameters():
                if weight.requires_grad:
                    of_block = name.startswith(_BLOCK_PREFIX)
                    decays = name in decayed and not (of_block and weight.ndim == 1)
                    groups.setdefault((of_block, decays), []).append(weight)
            kind, options = self.get_optimizer_cls_and_kwargs(self.args)
            rate = self.args.learning_rate
            self.optimizer = kind(
                [
                    {
                        "params": weights,
                        "weight_decay": self.args.weight_decay if decays else 0.0,
                        "lr": rate * scale if of_block else rate,
                    }
                    for (of_block, decays), weights in sorted(groups.items(), key=lambda item: item[0])
                ],
                **options,
            )
        return cast("torch.optim.Optimizer", self.optimizer)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Count nothing: Trainer would walk over all parameters at each step for a number that nobody reads."""
        del inputs
        return 0

    def _clip_grad_norm(self, model: nn.Module) -> torch.Tensor:
        del model
        norms = [
            self.accelerator.clip_grad_norm_(group, self.args.max_grad_norm)
            for group in (self._partner, self._block)
            if group
        ]
        return cast("torch.Tensor", norms[0])

    def _get_grad_norm(self, model: nn.Module, grad_norm: torch.Tensor | None = None) -> torch.Tensor | None:
        # Without clipping Trainer would compute the norm only to log it, and nothing is logged.
        del model
        return grad_norm

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:  # noqa: ANN401 - Trainer's signature
        del train_dataset
        return _GivenOrder(self._order)


def train(
    model: PeftModel | PlainModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    settings: TrainingSettings,
    *,
    seed: int,
    work_dir: Path,
    on_step: Callable[[int, int, float], None] | None = None,
) -> TrainingLog:
    """Fine-tune an arm in place.

    With the same seed, two arms see the same batches of the same shape in the same order and the same dropout masks.
    The global random state is the caller's again afterwards. No checkpoint is written.

    Args:
        model: The arm's model, from `talan_core.arms.build`; in evaluation mode afterwards.
        tokenizer: The backbone's tokenizer.
        examples: The training set.
        settings: The recipe.
        seed: The run's seed.
        work_dir: A directory of the run's own; created, and left empty.
        on_step: Called after each optimizer step with its number from 1, the number of steps, and its loss.

    Returns:
        What happened.

    Raises:
        UserError: If the training set is unusable, the backbone has another floating type than the settings say,
            nothing is trainable, or the loss is no longer finite.
    """
    _check_model(model, settings)
    data = encode(tokenizer, examples, settings.max_length)
    order = data_order(seed, len(data.examples), settings.draws)
    base_config = cast("PreTrainedModel", model.get_base_model()).config
    caches = base_config.use_cache
    with random_state_restored(model.device):
        trainer = TalanTrainer(
            model,
            training_arguments(settings, seed=seed, work_dir=work_dir, device=model.device),
            data.examples,
            order,
            pad_token_id=pad_token(tokenizer),
            on_step=on_step,
        )
        torch.manual_seed(derive_seed(seed, "dropout"))
        start = time.perf_counter()
        try:
            trainer.train()
        finally:
            # Trainer switches the cache off in the model's configuration, which would make generation slow ever after.
            base_config.use_cache = caches
            if settings.gradient_checkpointing:
                _stop_checkpointing(model)
            model.eval()
    return _log(trainer.losses, data, order, seconds=time.perf_counter() - start)


def training_arguments(
    settings: TrainingSettings, *, seed: int, work_dir: Path, device: torch.device, save_steps: int | None = None
) -> TrainingArguments:
    """Translate the recipe into Trainer's arguments: quiet, without reports, and by default without files.

    Args:
        settings: The recipe.
        seed: The run's seed.
        work_dir: Where Trainer may write.
        device: Where the model is.
        save_steps: Write a checkpoint each so many steps, if given.
    """
    return TrainingArguments(
        output_dir=str(work_dir),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup" if settings.schedule == "constant" else settings.schedule,
        warmup_steps=math.ceil(settings.steps * settings.warmup_ratio),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        gradient_checkpointing=settings.gradient_checkpointing or None,
        gradient_checkpointing_kwargs={"use_reentrant": False} if settings.gradient_checkpointing else None,
        seed=derive_seed(seed, "dropout") % _SEED_LIMIT,
        use_cpu=device.type == "cpu",
        save_strategy="no" if save_steps is None else "steps",
        save_steps=save_steps or 1,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=device.type != "cpu",
        remove_unused_columns=False,
    )


class _Examples(Dataset[EncodedExample]):
    """The encoded examples as torch's loader takes them."""

    def __init__(self, examples: Sequence[EncodedExample]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> EncodedExample:
        return self._examples[index]


class _GivenOrder(Sampler[int]):
    """All draws of the run, as one epoch."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[int]:
        return iter(self._order)


class _StepCallback(TrainerCallback):
    """Hand each optimizer step's loss on."""

    def __init__(self, trainer: TalanTrainer, on_step: Callable[[int, int, float], None] | None) -> None:
        self._trainer, self._on_step = trainer, on_step

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 - Trainer's signature
    ) -> None:
        """Record the step's loss and report it."""
        del args, control, kwargs
        loss = self._trainer.take_step_loss()
        if self._on_step is not None:
            self._on_step(state.global_step, state.max_steps, loss)


def _check_model(model: PeftModel | PlainModel, settings: TrainingSettings) -> None:
    """Raise a UserError for a model that the settings do not describe, instead of training something else silently."""
    found = str(cast("Any", model.get_base_model()).dtype).removeprefix("torch.")
    if found != settings.dtype:
        raise UserError(
            f"The backbone was loaded in {found}, the settings say {settings.dtype}.",
            f"Load the backbone with dtype={settings.dtype!r}, or set dtype={found!r}.",
        )
    if not any(weight.requires_grad for weight in model.parameters()):
        raise UserError("Nothing in this model is trainable.", "Load it with talan_core.load(DIR, is_trainable=True).")


def _stop_checkpointing(model: PeftModel | PlainModel) -> None:
    base = cast("Any", model.get_base_model())
    disable = getattr(base, "activation_checkpointing_disable", None) or base.gradient_checkpointing_disable
    disable()


def _log(losses: Sequence[float], data: EncodedData, order: Sequence[int], *, seconds: float) -> TrainingLog:
    used = [data.examples[index] for index in order]
    return TrainingLog(
        losses=tuple(losses),
        tokens=sum(len(example.input_ids) for example in used),
        target_tokens=sum(len(example.input_ids) - example.prompt_length for example in used),
        examples=len(data.examples),
        dropped=data.dropped,
        seconds=seconds,
    )
