"""The name under which blocks live in a model, and the watch over the learning rate that they are given."""

from __future__ import annotations

import warnings
import weakref
from typing import TYPE_CHECKING, Any, Final

from torch.optim.optimizer import register_optimizer_step_pre_hook

if TYPE_CHECKING:
    import torch
    from torch.utils.hooks import RemovableHandle

    from talan_core.attach import TalanAttachment

BLOCKS: Final = "talans"
"""Name of the submodule under which the blocks of a model live; their parameters begin with it and a dot."""

_IGNORED: Final = (
    "This optimizer moves the TALAN block at the adapter's rate: lr_scale={scale:g} has no effect. Derive the trainer "
    "from talan_core.training.optimizer.TalanOptimizerMixin, as in class Trainer(TalanOptimizerMixin, SFTTrainer); in "
    "a loop of your own, make the optimizer from parameter_groups(model, rate)."
)


def watch_rate(attachment: TalanAttachment) -> None:
    """Warn once if an optimizer moves a block as if it had no `lr_scale`.

    Args:
        attachment: The block; it is held weakly, and nothing is watched where there is no scale.
    """
    scale = float(attachment.config.lr_scale)
    if scale == 1.0 or attachment.config.scope == "frozen":
        return
    block = weakref.ref(attachment)
    handles: list[RemovableHandle] = []

    def look(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - torch's
        del args, kwargs
        watched = block()
        own = set() if watched is None else {id(p) for p in watched.parameters() if p.requires_grad}
        rates = {True: set[float](), False: set[float]()}
        for group in optimizer.param_groups:
            for weight in group["params"]:
                rates[id(weight) in own].add(float(group.get("initial_lr", group["lr"])))
        if watched is not None and not rates[True]:
            return  # another model's optimizer
        handles.pop().remove()
        if watched is not None and not watched.rate_is_set and rates[True] >= rates[False]:
            warnings.warn(_IGNORED.format(scale=scale), stacklevel=2)

    handles.append(register_optimizer_step_pre_hook(look))
    weakref.finalize(attachment, _let_go, handles)


def _let_go(handles: list[RemovableHandle]) -> None:
    while handles:
        handles.pop().remove()
