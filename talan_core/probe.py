"""Check that an adapter does something: a score of the backbone alone must never pass for a score of the adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch

from talan_core.training.data import render_prompt

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

    from talan_core.plain import PlainModel


@torch.no_grad()
def adapter_is_live(model: PeftModel | PlainModel, tokenizer: PreTrainedTokenizerBase, prompt: str) -> float:
    """Measure how far adapter and block together move the logits of a probe prompt.

    Args:
        model: An arm's model, with or without a TALAN block. Its mode (train or eval) is restored.
        tokenizer: The backbone's tokenizer.
        prompt: Any prompt; rendered with the chat template where there is one.

    Returns:
        The largest absolute difference of a logit to the model with adapter and block disabled; 0.0 means not live.
    """
    text = render_prompt(tokenizer, prompt)
    encoded = cast("Any", tokenizer(text, return_tensors="pt", add_special_tokens=not tokenizer.chat_template))
    inputs = {
        "input_ids": encoded["input_ids"].to(model.device),
        "attention_mask": encoded["attention_mask"].to(model.device),
    }
    training = model.training
    model.eval()
    try:
        adapted = model(**inputs).logits
        with model.disable_adapter():
            plain = model(**inputs).logits
    finally:
        model.train(training)
    return float((adapted.float() - plain.float()).abs().max())
