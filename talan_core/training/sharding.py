"""What is different when a model is sharded over processes by FSDP2: its state has to be gathered to be written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import distributed
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

_OPTIMIZER: Final = "optimizer.pt"
_SCHEDULER: Final = "scheduler.pt"
_WHOLE: Final = StateDictOptions(full_state_dict=True, cpu_offload=True)


@dataclass(frozen=True)
class ShardedState:
    """What a sharded run has to keep beside its trained tensors.

    Args:
        model: The model, sharded.
        optimizer: Its optimizer.
        scheduler: The learning rate's schedule, which is the same in all processes.
    """

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler


def is_sharded(model: nn.Module) -> bool:
    """Say whether the parameters of a model are distributed over processes."""
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def save_whole(model: Any, directory: str | Path) -> None:  # noqa: ANN401 - any arm's model
    """Save an arm, gathering what is sharded; to be called by all processes, of which the first one writes.

    Args:
        model: The arm's model, sharded or not.
        directory: Where to.
    """
    first = not distributed.is_initialized() or distributed.get_rank() == 0
    given = {"state_dict": get_model_state_dict(model, options=_WHOLE)} if is_sharded(model) else {}
    if first:
        Path(directory).mkdir(parents=True, exist_ok=True)
        model.save_pretrained(str(directory), **given)
    if distributed.is_initialized():
        distributed.barrier()


def write_optimizer(directory: Path, state: ShardedState, *, writes: bool) -> None:
    """Gather and write optimizer and schedule; to be called by all processes.

    Args:
        directory: The checkpoint.
        state: What to write.
        writes: Whether this process writes.
    """
    whole = get_optimizer_state_dict(state.model, state.optimizer, options=_WHOLE)
    if writes:
        torch.save(whole, directory / _OPTIMIZER)
        torch.save(state.scheduler.state_dict(), directory / _SCHEDULER)


def read_optimizer(directory: Path, state: ShardedState) -> None:
    """Read what `write_optimizer` wrote; each process takes its shard."""
    whole = cast("dict[str, Any]", torch.load(directory / _OPTIMIZER, map_location="cpu", weights_only=True))
    set_optimizer_state_dict(
        state.model, state.optimizer, optim_state_dict=whole, options=StateDictOptions(full_state_dict=True)
    )
    state.scheduler.load_state_dict(torch.load(directory / _SCHEDULER, weights_only=True))
