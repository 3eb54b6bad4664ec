"""The loss without the logits that it does not need: those of positions that predict no target token.

The logits of a step are its largest tensors where a vocabulary is large: Qwen3-8B at 8 x 1024 tokens has 2.5 GB of them
in bfloat16, and the loss makes a copy in float32 and a gradient of each. Here the hidden states that predict a token
without loss are left out before the output head, so that nothing after it ever has their rows. The loss is the same
sum over the same tokens; its rounding can differ, because a product of fewer rows may be computed in another order.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import PeftType

from talan_core.errors import UserError
from talan_core.training.data import IGNORED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peft import PeftModel
    from torch import nn

    from talan_core.plain import PlainModel


@contextlib.contextmanager
def target_logits(model: PeftModel | PlainModel, labels: torch.Tensor) -> Iterator[torch.Tensor]:
    """Make a model compute inside only the logits that predict a target, (1, targets, vocabulary).

    Everything between the head and the loss must treat positions alike, as scaling and soft-capping do. Hand what is
    yielded to the model's forward as `shift_labels`, beside the labels.

    Args:
        model: The arm's model.
        labels: (batch, length), `IGNORED` where there is no loss.

    Yields:
        The targets in the order of the logits, (targets,); virtual tokens in front have none.

    Raises:
        UserError: The model has no output head of its own to be told.
    """
    head: nn.Module | None = cast("Any", model.get_base_model()).get_output_embeddings()
    if head is None:
        raise UserError("This backbone has no output head that could be told its positions.", "Type logits=all.")
    kept = labels[:, 1:] != IGNORED
    targets = labels[:, 1:][kept]
    virtual = _virtual_tokens(model)

    def select(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden: torch.Tensor = args[0]
        chosen = hidden[:, virtual:-1][kept.to(hidden.device)]
        if virtual:  # they come out in front of the logits, from where they are cut off
            chosen = torch.cat([hidden[0, :virtual], chosen])
        return (chosen.unsqueeze(0), *args[1:])

    handle = head.register_forward_pre_hook(select)
    try:
        yield torch.cat([targets.new_full((virtual,), IGNORED), targets])
    finally:
        handle.remove()


def _virtual_tokens(model: PeftModel | PlainModel) -> int:
    """Return how many tokens the adapter puts before the sequence; prefix tuning's are in the cache, not in it."""
    config = getattr(model, "active_peft_config", None)
    if config is None or config.peft_type != PeftType.PROMPT_TUNING:
        return 0
    return int(config.num_virtual_tokens)
