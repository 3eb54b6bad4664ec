"""Run a model in one of its states and keep its residual stream. Every hook of the analysis is in this file.

h_l is the input of decoder layer l: h_0 the embedding output, h_L what the last layer returns, before the final norm.
At the layer l* of a block h_{l*} is the stream after the write (h+); the stream before it (h-) is kept apart.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import torch

from talan_core.analysis.controls import random_directions
from talan_core.attach import decoder_layers, find_decoder, hidden_of
from talan_core.carrier import BlockCarrier
from talan_core.training.data import collate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from peft import PeftModel
    from torch import nn
    from torch.utils.hooks import RemovableHandle
    from transformers import PreTrainedModel

    from talan_core.attach import TalanAttachment
    from talan_core.memory import MemoryContext
    from talan_core.plain import PlainModel
    from talan_core.training.encoding import EncodedExample

State = Literal["11", "10", "01", "00"]
"""Adapter, then block: 1 is on, 0 is off. "00" is the backbone."""

Positions = Literal["solution", "prompt", "all"]
"""Which positions count: those that predict a token of the solution, of the prompt, or any."""


@dataclass(frozen=True)
class TokenBatch:
    """Sequences that go through a model together, and the positions that count.

    Attributes:
        input_ids: (B, n), padded on the right.
        attention_mask: (B, n).
        keys: Number of each example in its benchmark, from which its random directions are drawn.
        lengths: Tokens of each example.
        rows: (N,) example of each position that counts, in ascending order.
        columns: (N,) its place in the sequence.
        targets: (N,) the token that it predicts.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    keys: tuple[int, ...]
    lengths: tuple[int, ...]
    rows: torch.Tensor
    columns: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True)
class Trace:
    """What one pass in one state left at the N positions that count, in float32 whatever the model's type.

    Attributes:
        hidden: (L + 1, N, d), h_l.
        before: (N, d), h- at the block's layer; None where no block wrote.
        logits: (N, V).
    """

    hidden: torch.Tensor
    before: torch.Tensor | None
    logits: torch.Tensor


def make_batch(
    examples: Sequence[EncodedExample], keys: Sequence[int], positions: Positions, *, pad: int, device: torch.device
) -> TokenBatch:
    """Put examples into a batch.

    A position counts by the token that it predicts: for "solution" these are the positions from the last token of the
    prompt to the last but one of the sequence.

    Args:
        examples: Prompt and reference solution as token ids, each with at least one token of both.
        keys: A number for each.
        positions: Which positions count.
        pad: Token id that fills the batch.
        device: Where the model is.
    """
    filled = collate(examples, pad)
    places = [
        (row, column)
        for row, example in enumerate(examples)
        for column in range(
            example.prompt_length - 1 if positions == "solution" else 0,
            example.prompt_length - 1 if positions == "prompt" else len(example.input_ids) - 1,
        )
    ]
    rows, columns = torch.tensor(places, dtype=torch.long).reshape(-1, 2).T
    return TokenBatch(
        input_ids=filled["input_ids"].to(device),
        attention_mask=filled["attention_mask"].to(device),
        keys=tuple(keys),
        lengths=tuple(len(example.input_ids) for example in examples),
        rows=rows.to(device),
        columns=columns.to(device),
        targets=filled["input_ids"][rows, columns + 1].to(device),
    )


def states_of(model: PeftModel | PlainModel | PreTrainedModel) -> tuple[State, ...]:
    """Return the states that a model has: all four with a block, two without one, the backbone's own alone."""
    if not hasattr(model, "disable_adapter"):
        return ("00",)
    return ("11", "10", "01", "00") if _block_of(model) is not None else ("10", "00")


@contextlib.contextmanager
def entered(model: PeftModel | PlainModel | PreTrainedModel, state: State) -> Iterator[None]:
    """Be in a state inside. A model without a block has no "11" and no "01".

    Raises:
        ValueError: The model has no such state.
    """
    if state not in states_of(model):
        raise ValueError(f"{type(model).__name__} has no state {state}")
    with contextlib.ExitStack() as stack:
        if state == "00" and hasattr(model, "disable_adapter"):
            stack.enter_context(cast("Any", model).disable_adapter())
        elif state == "01":
            stack.enter_context(cast("Any", model).partner_off())
        elif state == "10" and isinstance(model, BlockCarrier):
            stack.enter_context(model.blocks_off())
        yield


@torch.no_grad()
def trace(
    model: PeftModel | PlainModel | PreTrainedModel, batch: TokenBatch, state: State, *, draw: int | None = None
) -> Trace:
    """Run a batch in a state.

    Args:
        model: An arm's model or a backbone, in evaluation mode.
        batch: What to run.
        state: Adapter and block, on or off.
        draw: Put a random direction of the write's own norm, position by position, in place of the write: the control
            of that number. Only in a state with the block on.

    Raises:
        ValueError: The model has no such state, or no block wrote whose write could be replaced.
    """
    backbone = _backbone_of(model)
    attachment = _block_of(model)
    seen = _Seen(batch)
    handles = seen.watch(backbone, attachment)
    if draw is not None:
        if attachment is None or state[1] == "0":
            raise ValueError(f"no block writes in state {state}")
        directions = random_directions(
            batch.keys, batch.lengths, int(backbone.config.get_text_config().hidden_size), draw
        )
        handles.append(attachment.block.register_forward_hook(_in_place_of_the_write(directions)))
    try:
        with entered(model, state):
            output = cast("Any", model)(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return seen.trace(output.logits)


def traces(model: PeftModel | PlainModel | PreTrainedModel, batch: TokenBatch) -> Mapping[State, Trace]:
    """Run a batch in every state that a model has."""
    return {state: trace(model, batch, state) for state in states_of(model)}


class _Seen:
    """What the hooks of one pass have seen."""

    def __init__(self, batch: TokenBatch) -> None:
        self._batch = batch
        self._hidden: dict[int, torch.Tensor] = {}
        self._before: torch.Tensor | None = None

    def watch(self, backbone: PreTrainedModel, attachment: TalanAttachment | None) -> list[RemovableHandle]:
        """Register hooks: behind those that write, so that what is kept is what the layer gets."""
        layers = decoder_layers(find_decoder(backbone))
        handles = [
            layer.register_forward_pre_hook(self._keep_input(number), with_kwargs=True)
            for number, layer in enumerate(layers)
        ]
        handles.append(layers[-1].register_forward_hook(self._keep_output(len(layers))))
        if attachment is not None:
            handles.append(attachment.block.register_forward_pre_hook(self._keep_before))
        return handles

    def trace(self, logits: torch.Tensor) -> Trace:
        """Put together what was seen."""
        hidden = torch.stack([self._hidden[number] for number in sorted(self._hidden)])
        return Trace(hidden, self._before, self._picked(logits))

    def _keep_input(self, number: int) -> Any:  # noqa: ANN401 - a hook
        def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._hidden[number] = self._picked(hidden_of(args, kwargs))

        return keep

    def _keep_output(self, number: int) -> Any:  # noqa: ANN401 - a hook
        def keep(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - tensor or tuple
            self._hidden[number] = self._picked(output if isinstance(output, torch.Tensor) else output[0])

        return keep

    def _keep_before(self, _: nn.Module, args: tuple[torch.Tensor, MemoryContext]) -> None:
        self._before = self._picked(args[0])

    def _picked(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values at the positions that count; virtual tokens, which come first, do not."""
        length = self._batch.input_ids.shape[1]
        rows, columns = self._batch.rows.to(values.device), self._batch.columns.to(values.device)
        picked: torch.Tensor = values[:, -length:][rows, columns].float().to(self._batch.rows.device)
        return picked


def _in_place_of_the_write(directions: torch.Tensor) -> Any:  # noqa: ANN401 - a hook
    def replace(block: Any, args: tuple[torch.Tensor, MemoryContext], written: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - a TalanBlock
        hidden, context = args
        size = block.write(hidden, context).float().norm(dim=-1, keepdim=True)
        random = (size * directions.to(hidden.device)).to(hidden.dtype)
        changed: torch.Tensor = hidden.to(written.dtype) + random.to(written.dtype)  # in the block's type
        return changed

    return replace


def _block_of(model: PeftModel | PlainModel | PreTrainedModel) -> TalanAttachment | None:
    return model.talan if isinstance(model, BlockCarrier) else None


def _backbone_of(model: PeftModel | PlainModel | PreTrainedModel) -> PreTrainedModel:
    get = getattr(model, "get_base_model", None)
    return cast("PreTrainedModel", model if get is None else get())
