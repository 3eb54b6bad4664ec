"""Supervised fine-tuning of one arm on transformers' Trainer, bit-exactly paired by seed."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback

from talan_core.errors import DivergedError, UserError
from talan_core.training.arguments import Examples, GivenOrder, training_arguments
from talan_core.training.data import Dialogue, EncodedData, Example, Mixture, collate, encode, pad_token
from talan_core.training.drawing import DrawnData, LazyData, drawn_from
from talan_core.training.optimizer import TalanOptimizerMixin
from talan_core.training.packing import can_pack, check_packing, collate_packed
from talan_core.training.pairing import derive_seed, random_state_restored
from talan_core.training.partner_steps import partner_callbacks
from talan_core.training.requirements import check_available
from talan_core.training.saving import TimedSaves, check_saving
from talan_core.training.sharding import ShardedState, read_optimizer, write_optimizer
from talan_core.training.signs import Signs, Watch
from talan_core.training.state import (
    Progress,
    drop_older,
    drop_unfinished,
    last_complete,
    read_trained,
    run_identity,
    to_resume,
    trained_tensors,
    write_progress,
    write_trained,
)
from talan_core.training.target_logits import target_logits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from peft import PeftModel
    from torch import nn
    from torch.utils.data import Sampler
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerControl, TrainerState, TrainingArguments

    from talan_core.plain import PlainModel
    from talan_core.training.encoding import EncodedExample
    from talan_core.training.saving import SaveEvery
    from talan_core.training_settings import TrainingSettings

_KEPT: Final = 2  # checkpoints
TrainingSet = Sequence[Example | Dialogue] | Mixture | EncodedData | LazyData
"""What an arm can be trained on."""


@dataclass(frozen=True)
class Stage:
    """One of several trainings that make an arm.

    Args:
        name: What it was for.
        steps: Optimizer steps.
        tokens: As in `TrainingLog`.
        trained_parameters: How many parameters learned.
    """

    name: str
    steps: int
    tokens: int
    trained_parameters: int


@dataclass(frozen=True)
class TrainingLog:
    """What a training run did.

    Args:
        losses: Mean loss per target token of each optimizer step.
        tokens: Tokens that went through the model, padding not counted.
        target_tokens: Those of them that carried loss.
        examples: Training sequences that fitted `max_length`, of those that were encoded.
        dropped: Training sequences that did not and were left out, likewise.
        seconds: Wall time of the loop. Of a run that was resumed: up to the checkpoint, and from there on.
        signs: What was seen of gradients, gate and held-out loss meanwhile.
        packed: Whether examples shared rows.
        stages: The trainings one after the other that made the arm; none where it was one.
    """

    losses: tuple[float, ...]
    tokens: int
    target_tokens: int
    examples: int
    dropped: int
    seconds: float
    signs: Signs = field(default_factory=Signs)
    packed: bool = False
    stages: tuple[Stage, ...] = ()


class TalanTrainer(TalanOptimizerMixin, Trainer):
    """transformers' Trainer with the four things that pairing needs.

    It takes the data in a given order, clips the gradients of partner and block as separate groups (clipping them
    together would let the block change the partner's update even while it writes nothing), gives the block its own
    learning rate, and stops on a loss or gradient that is not finite before it reaches the weights.

    Args:
        model: The arm's model, from `talan_core.arms.build`.
        args: Trainer's arguments; see `training_arguments`.
        data: The encoded training set.
        order: Index of each example in the order of use.
        collator: Makes a batch of examples.
        watch: Looks at the model after each step.
        run: Identity of the run, written into its checkpoints; empty where there are none.
        on_step: Called after each optimizer step with its number from 1, the number of steps, and its loss.

    Attributes:
        targets_only: Whether only the logits that predict a target are computed.
    """

    def __init__(
        self,
        model: PeftModel | PlainModel,
        args: TrainingArguments,
        data: Sequence[EncodedExample],
        order: Sequence[int],
        *,
        collator: Callable[[Sequence[EncodedExample]], dict[str, torch.Tensor]],
        watch: Watch,
        run: str = "",
        on_step: Callable[[int, int, float], None] | None = None,
    ) -> None:
        self.losses: list[float] = []
        self.watch = watch
        self._order = order
        self.targets_only = False
        self._run = run
        self._seconds = 0.0
        self._began = time.perf_counter()
        self._pending_loss = 0.0
        super().__init__(
            model=model,
            args=args,
            train_dataset=Examples(data),
            data_collator=collator,
            callbacks=[_StepCallback(self, on_step), *partner_callbacks(model, args.max_steps)],
        )
        self.remove_callback(PrinterCallback)

    @property
    def seconds(self) -> float:
        """Wall time so far, that before an interruption included."""
        return self._seconds + time.perf_counter() - self._began

    def run_from(self, progress: Progress | None) -> None:
        """Train to the end, from a checkpoint or from the start."""
        if progress is not None:
            self.losses.extend(progress.losses)
            self.watch.signs = progress.signs
            self._seconds = progress.seconds
        self._began = time.perf_counter()
        self.watch.begin(cast("Any", self.model))
        self.train(resume_from_checkpoint=None if progress is None else str(progress.directory))

    def take_step_loss(self) -> float:
        """Close an optimizer step: record its loss and return it."""
        self.losses.append(self._pending_loss)
        self._pending_loss = 0.0
        return self.losses[-1]

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:  # noqa: ANN401 - Trainer's signature
        """Run forward and backward; raise a DivergedError if the loss is not finite."""
        loss = super().training_step(*args, **kwargs)
        # Every process sees the mean over all of them, so that none goes on alone.
        value = float(cast("torch.Tensor", self.accelerator.reduce(loss.clone(), reduction="mean")))
        if not math.isfinite(value):
            raise self._diverged("loss", value)
        self._pending_loss += value
        return loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor | Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - Trainer's signature
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """Return the loss, of all logits or of those alone that it needs; arguments as for Trainer."""
        if not self.targets_only:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        with target_logits(cast("Any", self.model), inputs["labels"]) as targets:
            known = {**inputs, "shift_labels": targets}
            return super().compute_loss(model, known, return_outputs, num_items_in_batch)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Count nothing: Trainer would walk over all parameters at each step for a number that nobody reads."""
        del inputs
        return 0

    def note_gradient_norms(self, of_partner: float | None, of_block: float | None) -> None:
        """Note the norms among the signs of life."""
        self.watch.note_gradients(of_partner, of_block)

    def check_gradient_norm(self, norm: float) -> None:
        """Raise a DivergedError if the gradient is not finite."""
        if not math.isfinite(norm):
            raise self._diverged("gradient's norm", norm)

    def _diverged(self, what: str, value: float) -> DivergedError:
        """Build the error for a number that is not finite, and name the checkpoint that is left."""
        step = self.state.global_step + 1
        kept = last_complete(Path(str(self.args.output_dir))) if self._run else None
        left = f" The checkpoint of step {kept.step} is kept in {kept.directory}." if kept is not None else ""
        return DivergedError(
            f"Training diverged: the {what} is {value} at step {step} of {self.state.max_steps}.{left}",
            f"Lower the learning rate, for example --learning-rate {self.args.learning_rate / 10:g}.",
        )

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:  # noqa: ANN401 - Trainer's signature
        del train_dataset
        return GivenOrder(self._order)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:  # noqa: ANN401 - Trainer's signature
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            step = self.state.global_step
            directory = Path(str(self.args.output_dir)) / f"checkpoint-{step}"
            write_progress(Progress(directory, self._run, step, tuple(self.losses), self.seconds, self.watch.signs))
            drop_older(directory.parent, _KEPT)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        # Trainer's own way knows models of transformers and PEFT only, and not every arm is one.
        if self.args.should_save:
            directory = Path(str(output_dir))
            given = {} if state_dict is None else {"state_dict": state_dict}
            directory.mkdir(parents=True, exist_ok=True)
            cast("Any", self.model).save_pretrained(str(directory), **given)
            write_trained(directory, trained_tensors(cast("nn.Module", self.model), state_dict))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        read_trained(Path(resume_from_checkpoint), cast("nn.Module", self.model if model is None else model))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        # Trainer would write the whole frozen backbone beside the optimizer.
        write_optimizer(Path(output_dir), self._sharded(), writes=self.args.should_save)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or not self.is_fsdp_enabled:
            super()._load_optimizer_and_scheduler(checkpoint)
        else:
            read_optimizer(Path(checkpoint), self._sharded())

    def _sharded(self) -> ShardedState:
        optimizer = cast("Any", self.optimizer)
        return ShardedState(cast("nn.Module", self.model), optimizer.optimizer, cast("Any", self.lr_scheduler))


def train(
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
    """Fine-tune an arm in place.

    With the same seed, two arms see the same batches of the same shape in the same order and the same dropout masks.
    The global random state is the caller's again afterwards.

    Several processes (`torchrun`, or `accelerate launch`, with FSDP2 if asked for) share the forward passes of a step.
    After FSDP2 the model stays sharded: save it with `talan_core.training.sharding.save_whole`.

    Args:
        model: The arm's model, from `talan_core.arms.build`; in evaluation mode afterwards.
        tokenizer: The backbone's tokenizer.
        examples: The training set; or what `talan_core.training.data.encode` made of it with this tokenizer and
            `settings.max_length`, or a `LazyData`: both save encoding it once more for each of many runs.
        settings: The recipe.
        seed: The run's seed; `settings.seed_of` of it is what the streams come from, also in `build`.
        work_dir: A directory of the run's own; created, and left empty unless `save_every` is given.
        on_step: Called after each optimizer step with its number from 1, the number of steps, and its loss; in the
            first process only.
        save_every: Write a checkpoint into `work_dir` each so many steps and after the last one, or each time that a
            `timedelta` has passed; the last two are kept. A call with the same arguments goes on from the last complete
            one, bit-equal to a run that was never interrupted (where the device's kernels give equal results twice).

    Raises:
        UserError: If training set or recipe cannot be used here, the backbone has another floating type than the
            settings say, nothing is trainable, `work_dir` holds checkpoints of another run, the arm cannot be resumed,
            or a loss or gradient is not finite (checkpoints written before stay).
    """
    _check_model(model, settings)
    check_saving(model, save_every)
    drawn, settings = _drawn(tokenizer, examples, settings, settings.seed_of(seed))
    data, order, seed = drawn.data, drawn.order, settings.seed_of(seed)
    run = "" if save_every is None else run_identity(model, data, order, settings)
    resumed = to_resume(work_dir, run) if save_every is not None else None
    with random_state_restored(model.device), _mode_restored(model, settings):
        args = _prepared(model, settings, seed, work_dir, save_every)
        packed = can_pack(model) if settings.packing == "auto" else settings.packing
        collator = _collator(model, settings, pad_token(tokenizer), packed=packed)
        watch = Watch(data.held_out, args.max_steps, pad_token(tokenizer), settings.batch_size, len(order))
        trainer = TalanTrainer(
            model, args, data.examples, order, collator=collator, watch=watch, run=run, on_step=on_step
        )  # fmt: skip
        _set_up(trainer, settings, save_every)
        # Processes that share a step draw different masks, as the rows of one batch do.
        torch.manual_seed(derive_seed(seed, "dropout") + args.process_index)
        trainer.run_from(resumed)
        _round_weights(model, settings)
        return replace(_log(trainer.losses, data, order, seconds=trainer.seconds), signs=watch.signs, packed=packed)


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
        self._trainer.watch.end_step(cast("Any", self._trainer.model), state.global_step)
        if self._on_step is not None and state.is_world_process_zero:
            self._on_step(state.global_step, state.max_steps, loss)


def _check_model(model: PeftModel | PlainModel, settings: TrainingSettings) -> None:
    """Raise a UserError for a model that the settings do not describe, instead of training something else silently."""
    check_available(settings, model.device.type)
    found = str(cast("Any", model.get_base_model()).dtype).removeprefix("torch.")
    if found != settings.loaded_dtype:
        raise UserError(
            f"The backbone was loaded in {found}, the settings say {settings.loaded_dtype}.",
            f"Load the backbone with dtype={settings.loaded_dtype!r}, or set dtype={found!r}.",
        )
    if not any(weight.requires_grad for weight in model.parameters()):
        raise UserError("Nothing in this model is trainable.", "Load it with talan_core.load(DIR, is_trainable=True).")


@contextlib.contextmanager
def _mode_restored(model: PeftModel | PlainModel, settings: TrainingSettings) -> Iterator[None]:
    """Leave the model ready to generate, whatever Trainer has switched off."""
    base_config = cast("PreTrainedModel", model.get_base_model()).config
    caches = base_config.use_cache
    try:
        yield
    finally:
        # Trainer switches the cache off in the model's configuration, which would make generation slow ever after.
        base_config.use_cache = caches
        if settings.gradient_checkpointing:
            _stop_checkpointing(model)
        model.eval()


def _prepared(
    model: PeftModel | PlainModel, settings: TrainingSettings, seed: int, work_dir: Path, save_every: SaveEvery | None
) -> TrainingArguments:
    """Return the trainer's arguments; what a kill left half written in the directory is gone."""
    args = training_arguments(settings, seed=seed, work_dir=work_dir, device=model.device, save_every=save_every)
    if save_every is not None and args.should_save:
        drop_unfinished(work_dir)
    return args


@torch.no_grad()
def _round_weights(model: PeftModel | PlainModel, settings: TrainingSettings) -> None:
    """Round the backbone's weights from the type of masters to the one that answers."""
    dtype = getattr(torch, settings.dtype)
    for weight in model.get_base_model().parameters():
        if settings.masters and weight.dtype == torch.float32:
            weight.data = weight.data.to(dtype)


def _set_up(trainer: TalanTrainer, settings: TrainingSettings, save_every: SaveEvery | None) -> None:
    """Tell a trainer which logits to compute, and when to save where that is a matter of time."""
    trainer.targets_only = settings.logits == "targets"
    if isinstance(save_every, dt.timedelta):
        trainer.add_callback(TimedSaves(save_every))


def _drawn(
    tokenizer: PreTrainedTokenizerBase, examples: TrainingSet, settings: TrainingSettings, seed: int
) -> tuple[DrawnData, TrainingSettings]:
    """Draw what a run uses, and settle its number of steps."""
    items = examples.items if isinstance(examples, LazyData) else examples
    if settings.encoding == "drawn" and settings.steps is not None and not isinstance(items, Mixture | EncodedData):
        lazy = examples if isinstance(examples, LazyData) else LazyData(tokenizer, items)
        return lazy.draw(settings, seed), settings
    data = encode(tokenizer, items, settings.max_length)
    settled = settings.settled(len(data.examples))
    return drawn_from(data, settled, seed), settled


def _collator(
    model: PeftModel | PlainModel, settings: TrainingSettings, pad: int, *, packed: bool
) -> Callable[[Sequence[EncodedExample]], dict[str, torch.Tensor]]:
    if not packed:
        return partial(collate, pad_token_id=pad)
    capacity = settings.max_length if check_packing(model) else None
    return partial(collate_packed, pad_token_id=pad, capacity=capacity)


def _stop_checkpointing(model: PeftModel | PlainModel) -> None:
    base = cast("Any", model.get_base_model())
    disable = getattr(base, "activation_checkpointing_disable", None) or base.gradient_checkpointing_disable
    disable()


def _log(losses: Sequence[float], data: EncodedData, order: Sequence[int], *, seconds: float) -> TrainingLog:
    used = [data.examples[index] for index in order]
    return TrainingLog(
        losses=tuple(losses),
        tokens=sum(len(example.input_ids) for example in used),
        target_tokens=sum(example.target_tokens for example in used),
        examples=len(data.examples),
        dropped=data.dropped,
        seconds=seconds,
    )
