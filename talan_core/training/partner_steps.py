"""What an adapter does between optimizer steps: AdaLoRA moves its budget of ranks, fusion pulls its values back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from peft import PeftModel, PeftType
from transformers import TrainerCallback

from talan_core.bottleneck_edits import FusionEdit
from talan_core.plain import PlainModel

if TYPE_CHECKING:
    from torch import nn
    from transformers import TrainerControl, TrainerState, TrainingArguments

_BEFORE_PRUNING, _AFTER_PRUNING, _MOVES = 10, 5, 50


class RankBudget(TrainerCallback):
    """Call AdaLoRA's allocation after each optimizer step, and take the pruned ranks out at the end.

    A checkpoint holds the ranks that are left. With the others, zero but still there, the trained model would differ
    from the one that is loaded by the rounding of longer sums.

    Pruning starts after a tenth of the steps and ends a fifth before the last; ranks move about fifty times in between
    (the paper sets these numbers per task; the shares are ours).

    Args:
        model: A PEFT model with an AdaLoRA adapter.
        steps: Number of optimizer steps of the run.
    """

    def __init__(self, model: PeftModel, steps: int) -> None:
        self._tuner: Any = model.base_model
        config = model.active_peft_config
        config.total_step = steps
        config.tinit, config.tfinal = steps // _BEFORE_PRUNING, steps // _AFTER_PRUNING
        config.deltaT = max(1, steps // _MOVES)

    def on_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 - Trainer's signature
    ) -> None:
        """Move the budget."""
        del args, control, kwargs
        self._tuner.update_and_allocate(state.global_step + 1)  # the step is counted after this call

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 - Trainer's signature
    ) -> None:
        """Take the pruned ranks out."""
        del args, state, control, kwargs
        name = self._tuner.trainable_adapter_name
        pattern = self._tuner.peft_config[name].rank_pattern
        if pattern is not None:
            self._tuner.resize_modules_by_rank_pattern(pattern, name)


class ValuesNearIdentity(TrainerCallback):
    """Add the gradient of AdapterFusion's penalty to that of the loss, once a step and after clipping.

    Args:
        edit: The fusion.
    """

    def __init__(self, edit: FusionEdit) -> None:
        self._edit = edit

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 - Trainer's signature
    ) -> None:
        """Add it."""
        del args, state, control, kwargs
        self._edit.pull_values()


def partner_callbacks(model: nn.Module, steps: int) -> list[TrainerCallback]:
    """Return what has to happen between the steps of an arm's training; nothing for most adapters."""
    if isinstance(model, PeftModel) and model.active_peft_config.peft_type == PeftType.ADALORA:
        return [RankBudget(model, steps)]
    if isinstance(model, PlainModel) and isinstance(model.edit, FusionEdit):
        return [ValuesNearIdentity(model.edit)]
    return []
