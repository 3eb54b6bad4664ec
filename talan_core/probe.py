"""Check that an adapter does something: a score of the backbone alone must never pass for a score of the adapter."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import torch

from talan_core.carrier import BlockCarrier
from talan_core.errors import InactiveError
from talan_core.prompt_places import Prompts, prompts_told
from talan_core.training.rendering import prompt_ids, render_prompt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from peft import PeftModel
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from talan_core.arms import Arm
    from talan_core.block import TalanBlock
    from talan_core.memory import MemoryContext
    from talan_core.plain import PlainModel


_POSITIONS: Final = 64
"""Positions whose distributions are compared at a time: a large vocabulary fills memory."""


@dataclass(frozen=True, kw_only=True)
class Liveness:
    """What a checkpoint does to one sequence: evidence that its adapter and its block were there, and how much.

    Attributes:
        max_logit_change: Largest absolute change of a logit, at any position, when adapter and block are switched off.
        block_max_logit_change: The same when the block alone is; None without a block. 0 for a block that has learned
            nothing, such as the control `talan[scope=frozen]`, or whose write is lost in rounding.
        relative_write: Mean over positions of |p| / |h|, the norm of the block's write over that of the residual
            stream that it is added to; None without a block.
        bf16_survival: Share of the elements of h that change when p is added in bfloat16; None without a block.
        adapter_kl: Mean over positions of the Kullback-Leibler divergence, nats, of the next token's distribution with
            the adapter alone from that without adapter and block.
        block_kl: The same of that with both from that with the adapter alone; None without a block.
        merged_survival: Share of the weights' elements changed by merging an adapter that are still changed when they
            are rounded to bfloat16; None where nothing is merged, or nothing rounded.
    """

    max_logit_change: float
    block_max_logit_change: float | None = None
    relative_write: float | None = None
    bf16_survival: float | None = None
    adapter_kl: float | None = None
    block_kl: float | None = None
    merged_survival: float | None = None

    def check(self, arm: Arm) -> None:
        """Refuse an arm that does nothing where it was trained to do something; controls may.

        Args:
            arm: What the checkpoint was trained as.

        Raises:
            InactiveError: A trained block changes no logit by itself, or a trained arm none at all.
        """
        if arm.talan is not None and arm.talan.config().scope != "frozen" and self.block_max_logit_change == 0:
            raise InactiveError(
                f"The block of {arm.name} does nothing: switched off alone, it changes no logit of the probe."
                + self._size_of_write(),
                "Train the block harder, for example talan[lr_scale=10]+lora, with more --steps, or in float32.",
            )
        if arm.is_trained and self.max_logit_change == 0:
            raise InactiveError(
                f"The arm {arm.name} does nothing: its adapter changes no logit of the probe.",
                "Train it with more --steps or a higher --learning-rate.",
            )

    def _size_of_write(self) -> str:
        """Say how large the write is, where it was seen."""
        if self.relative_write is None or self.bf16_survival is None:
            return ""
        return (
            f" Its write is {self.relative_write:.2g} of the residual stream; in bfloat16 {self.bf16_survival:.0%} of "
            "the elements change."
        )

    def check_stored(self, name: str, directory: Path, *, with_block: bool) -> None:
        """Raise where a checkpoint that was trained elsewhere does nothing: it may have been saved before training.

        Args:
            name: The arm's name.
            directory: The checkpoint.
            with_block: Whether it has a TALAN block that was trained; controls may do nothing.

        Raises:
            InactiveError: It changes no logit, or its block by itself changes none.
        """
        what = "it" if self.max_logit_change == 0 else "its block, switched off alone,"
        if self.max_logit_change == 0 or (with_block and self.block_max_logit_change == 0):
            raise InactiveError(
                f"The checkpoint {directory} of {name} does nothing: {what} changes no logit of the probe.",
                "Check that it was saved after training; for the backbone as it is, name the arm base.",
            )


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
    return liveness(model, torch.tensor([ids])).max_logit_change


@torch.no_grad()
def liveness(model: PeftModel | PlainModel, input_ids: torch.Tensor) -> Liveness:
    """Measure what adapter and block do to a sequence, at all its positions.

    Args:
        model: As for `adapter_is_live`.
        input_ids: Token ids without padding, (1, length), on any device.
    """
    inputs = {
        "input_ids": input_ids.to(model.device),
        "attention_mask": torch.ones_like(input_ids).to(model.device),
        "use_cache": False,
    }
    training = model.training
    model.eval()
    try:
        with model.disable_adapter():
            plain = model(**inputs).logits.float()
        if not isinstance(model, BlockCarrier) or model.talan is None:
            with prompts_told(model, Prompts()):
                adapted = model(**inputs).logits
            return Liveness(max_logit_change=_largest(adapted, plain), adapter_kl=_divergence(adapted, plain))
        with model.blocks_off(), prompts_told(model, Prompts()):
            adapted = model(**inputs).logits.float()
        with _writes_of(model.talan.block) as writes, prompts_told(model, Prompts()):
            both = model(**inputs).logits
    finally:
        model.train(training)
    relative, survival = writes[0] if writes else (0.0, 0.0)  # none where the block was taken out
    return Liveness(
        max_logit_change=_largest(both, plain),
        block_max_logit_change=_largest(both, adapted),
        relative_write=relative,
        bf16_survival=survival,
        adapter_kl=_divergence(adapted, plain),
        block_kl=_divergence(both, adapted),
    )


def _divergence(logits: torch.Tensor, others: torch.Tensor) -> float:
    """Return the mean over positions of KL(softmax(logits) || softmax(others)), in float32; never below 0."""
    total = 0.0
    for these, those in zip(torch.split(logits[0], _POSITIONS), torch.split(others[0], _POSITIONS), strict=True):
        log_p, log_q = these.float().log_softmax(-1), those.float().log_softmax(-1)
        total += float((log_p.exp() * (log_p - log_q)).sum())
    return max(0.0, total / logits.shape[1])


def _largest(logits: torch.Tensor, others: torch.Tensor) -> float:
    return float((logits.float() - others).abs().max())


@contextlib.contextmanager
def _writes_of(block: TalanBlock) -> Iterator[list[tuple[float, float]]]:
    """Measure each write inside: its norm over that of the residual stream, and the share that bfloat16 keeps."""
    found: list[tuple[float, float]] = []

    def measure(_: nn.Module, args: tuple[torch.Tensor, MemoryContext], written: torch.Tensor) -> None:
        del written  # in low precision it holds what is left of the write, not the write
        hidden, context = args
        write = block.write(hidden, context)
        relative = write.float().norm(dim=-1) / hidden.float().norm(dim=-1)
        rounded = hidden.bfloat16()
        found.append((float(relative.mean()), float((rounded + write.bfloat16() != rounded).float().mean())))

    handle = block.register_forward_hook(measure)
    try:
        yield found
    finally:
        handle.remove()


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
        with prompts_told(model, Prompts()):
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
