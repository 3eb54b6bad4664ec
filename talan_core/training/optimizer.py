"""A block's own learning rate and its own clipping, for any trainer that derives from transformers' Trainer.

    class Trainer(TalanOptimizerMixin, SFTTrainer): ...

A plain Trainer knows neither: it moves the block at the adapter's rate, whatever `lr_scale` says, and clips the
gradients of both together, which lets the block change the adapter's update. A block with an `lr_scale` warns at the
first step of an optimizer that ignores it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypedDict, cast

import torch

from talan_core.rate import BLOCKS

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import nn

    from talan_core.attach import TalanAttachment

_BLOCK_PREFIX = f"{BLOCKS}."


class ParameterGroup(TypedDict):
    """A group of parameters as torch's optimizers take it."""

    params: list[nn.Parameter]
    weight_decay: float
    lr: float


def parameter_groups(
    model: nn.Module, rate: float, *, weight_decay: float = 0.0, decayed: Collection[str] | None = None
) -> list[ParameterGroup]:
    """Group an arm's trained parameters, those of a block apart, with their learning rates.

    Args:
        model: An arm's model.
        rate: The learning rate; the block's is this times its `lr_scale`.
        weight_decay: Of the parameters that decay.
        decayed: Names of those that may; all with two or more dimensions when None. A block's vectors (its gate) never
            do.

    Returns:
        The groups, at most four: partner and block, decaying or not.
    """
    block: TalanAttachment | None = getattr(model, "talan", None)
    scale = 1.0 if block is None else float(block.config.lr_scale)
    if block is not None:
        block.rate_is_set = True
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            of_block = name.startswith(_BLOCK_PREFIX)
            may = weight.ndim > 1 if decayed is None else name in decayed
            groups.setdefault((of_block, may and not (of_block and weight.ndim == 1)), []).append(weight)
    return [
        {
            "params": weights,
            "weight_decay": weight_decay if decays else 0.0,
            "lr": rate * scale if of_block else rate,
        }
        for (of_block, decays), weights in sorted(groups.items(), key=lambda item: item[0])
    ]


class TalanOptimizerMixin:
    """Gives a Trainer the block's learning rate, and clips partner and block each on its own.

    It stands before the trainer among the bases of a class. The trainer's own choice of optimizer, rate, weight decay
    and norm is kept.

    Not covered: DeepSpeed, and trainers that make their optimizer without `create_optimizer`.
    """

    args: Any
    model: Any
    optimizer: Any
    accelerator: Any
    _norm_groups: tuple[list[nn.Parameter], list[nn.Parameter]] | None = None

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the optimizer with the block's parameters in groups of their own.

        Args:
            model: The model whose parameters are optimised; Trainer's own when None.
        """
        trainer = cast("Any", self)
        if self.optimizer is None:
            model = cast("nn.Module", self.model if model is None else model)
            kind, options = trainer.get_optimizer_cls_and_kwargs(self.args)
            decayed = set(trainer.get_decay_parameter_names(model))
            groups = parameter_groups(
                model, self.args.learning_rate, weight_decay=self.args.weight_decay, decayed=decayed
            )
            self.optimizer = kind(groups, **options)
        return cast("torch.optim.Optimizer", self.optimizer)

    def check_gradient_norm(self, norm: float) -> None:
        """Look at the norm over all gradients, before clipping and before each optimizer step; does nothing here."""

    def note_gradient_norms(self, of_partner: float | None, of_block: float | None) -> None:
        """Look at the norms of both groups, before clipping; None of what is not trained. Does nothing here."""

    def _clip_grad_norm(self, model: nn.Module) -> torch.Tensor:
        del model
        return self._total_norm(self.args.max_grad_norm)

    def _get_grad_norm(self, model: nn.Module, grad_norm: torch.Tensor | None = None) -> torch.Tensor | None:
        # Trainer comes here right before the optimizer step, with the norm if it has clipped.
        del model
        norm = self._total_norm(math.inf) if grad_norm is None else grad_norm
        self.check_gradient_norm(float(norm))
        return norm

    def _total_norm(self, largest: float) -> torch.Tensor:
        """Clip partner and block each on its own, and return the norm over both before."""
        if self._norm_groups is None:
            # Not in a constructor: sharding replaces the parameters.
            trained = [(name, w) for name, w in self.model.named_parameters() if w.requires_grad]
            partner = [weight for name, weight in trained if not name.startswith(_BLOCK_PREFIX)]
            block = [weight for name, weight in trained if name.startswith(_BLOCK_PREFIX)]
            self._norm_groups = (partner, block)
        norms = [
            cast("torch.Tensor", self.accelerator.clip_grad_norm_(group, largest)) if group else None
            for group in self._norm_groups
        ]
        self.note_gradient_norms(*(None if norm is None else float(norm) for norm in norms))
        return torch.stack([norm for norm in norms if norm is not None]).square().sum().sqrt()
