"""Check that an adapter does something: a score of the backbone alone must never pass for a score of the adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import torch

from talan_core.carrier import BlockCarrier
from talan_core.training.rendering import prompt_ids, render_prompt

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from talan_core.plain import PlainModel


def adapter_is_live(model: PeftModel | PlainModel, tokenizer: PreTrainedTokenizerBase, prompt: str) -> float:
    """Measure how far adapter and block together move the logits of a probe prompt.

    Args:
        model: An arm's model, with or without a TALAN block. Its mode (train or eval) is restored.
        tokenizer: The backbone's tokenizer.
        prompt: Any prompt; rendered with the chat template where there is one.

    Returns:
        The largest absolute difference of a logit to the model with adapter and block disabled; 0.0 means not live.
    """
    ids = prompt_ids(tokenizer, render_prompt(tokenizer, prompt))
    return largest_logit_change(model, torch.tensor([ids]))


@torch.no_grad()
def largest_logit_change(model: PeftModel | PlainModel, input_ids: torch.Tensor) -> float:
    """Measure how far adapter and block together move the logits of a sequence, at any position.

    Args:
        model: As for `adapter_is_live`.
        input_ids: Token ids without padding, (1, length), on any device.

    Returns:
        The largest absolute difference of a logit to the model with adapter and block disabled.
    """
    inputs = {"input_ids": input_ids.to(model.device), "attention_mask": torch.ones_like(input_ids).to(model.device)}
    training = model.training
    model.eval()
    try:
        adapted = model(**inputs).logits
        with model.disable_adapter():
            plain = model(**inputs).logits
    finally:
        model.train(training)
    return float((adapted.float() - plain.float()).abs().max())


@torch.no_grad()
def next_token(
    model: PeftModel | PlainModel | PreTrainedModel, input_ids: torch.Tensor
) -> dict[Literal["11", "10", "00"], torch.Tensor]:
    """Return the log-probabilities of the token after a sequence in each state that a model has.

    Args:
        model: An arm's model or a bare backbone, in evaluation mode.
        input_ids: Token ids without padding, (1, length), on any device.

    Returns:
        By state, (vocabulary,) in float32 on the CPU. "11" is adapter and block, "10" the adapter with its block off,
        "00" the backbone. A model without a block has no "11", a bare backbone "00" alone.
    """
    inputs = {"input_ids": input_ids.to(model.device), "attention_mask": torch.ones_like(input_ids).to(model.device)}

    def last() -> torch.Tensor:
        logits = cast("Any", model)(**inputs).logits[0, -1]
        return cast("torch.Tensor", logits).float().log_softmax(-1).cpu()

    if not hasattr(model, "disable_adapter"):
        return {"00": last()}
    states: dict[Literal["11", "10", "00"], torch.Tensor] = {}
    if isinstance(model, BlockCarrier) and len(model.talans):
        states["11"] = last()
        with model.blocks_off():
            states["10"] = last()
    else:
        states["10"] = last()
    with cast("PeftModel", model).disable_adapter():
        states["00"] = last()
    return states
