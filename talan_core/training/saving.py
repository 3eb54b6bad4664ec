"""When a run in progress is written to disk, and which arms can go on from that."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from talan_core.errors import UserError

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from talan_core.plain import PlainModel

SaveEvery = int | dt.timedelta
"""Each so many optimizer steps and after the last one; or whenever so much time has passed, and not after the last."""


def can_resume(model: PeftModel | PlainModel) -> bool:
    """Return whether a run of this arm can be interrupted and go on: all but AdaLoRA's can."""
    kinds = {str(getattr(config.peft_type, "value", "")) for config in getattr(model, "peft_config", {}).values()}
    return "ADALORA" not in kinds


def check_saving(model: PeftModel | PlainModel, save_every: SaveEvery | None) -> None:
    """Refuse to write what could not be read, or never.

    Raises:
        UserError: The arm cannot be resumed, or the distance is not positive.
    """
    if save_every is None:
        return
    distance = save_every.total_seconds() if isinstance(save_every, dt.timedelta) else save_every
    if distance <= 0:
        raise UserError(f"save_every={save_every} is not positive.", "Set save_every=1 or more, or leave it out.")
    if not can_resume(model):
        raise UserError(
            "A run of AdaLoRA cannot be resumed: PEFT does not save by what it ranks its directions.",
            "Leave out save_every.",
        )


class TimedSaves(TrainerCallback):
    """Ask for a checkpoint behind the step in which the time is up.

    Where a run is saved changes nothing in it, so a clock may decide. Several processes have several clocks, which
    would not agree on the step.

    Args:
        every: Least time between two checkpoints.
    """

    def __init__(self, every: dt.timedelta) -> None:
        self._seconds = every.total_seconds()
        self._last = time.monotonic()

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 - Trainer's signature
    ) -> None:
        """Start the clock.

        Raises:
            UserError: Several processes share the run.
        """
        del state, control, kwargs
        if args.world_size > 1:
            raise UserError(
                f"{args.world_size} processes cannot agree on a time.", "Give save_every as a number of steps."
            )
        self._last = time.monotonic()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 - as above
    ) -> None:
        """Look at the clock."""
        del args, kwargs
        now = time.monotonic()
        if now - self._last >= self._seconds and state.global_step < state.max_steps:
            self._last = now
            control.should_save = True
