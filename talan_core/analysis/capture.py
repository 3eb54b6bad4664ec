"""Run a model in one of its states and keep its residual stream. Every hook of the analysis is in this file.

h_l is the input of decoder layer l: h_0 the embedding output, h_L what the last layer returns, before the final norm.
At the layer l* of a block h_{l*} is the stream after the write (h+); the stream before it (h-) is kept apart.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

import torch

from talan_core.analysis.bfloat16_products import products_in_float32
from talan_core.analysis.controls import random_directions
from talan_core.attach import decoder_layers, find_decoder, hidden_of, with_hidden
from talan_core.carrier import BlockCarrier
from talan_core.prompt_places import Prompts, prompts_told
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
        prompt_lengths: Tokens of each example's prompt.
        rows: (N,) example of each position that counts, in ascending order.
        columns: (N,) its place in the sequence.
        targets: (N,) the token that it predicts.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    keys: tuple[int, ...]
    lengths: tuple[int, ...]
    prompt_lengths: tuple[int, ...]
    rows: torch.Tensor
    columns: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True)
class Trace:
    """What one pass in one state left at the N positions that count, in float32 whatever the model's type.

    Attributes:
        hidden: (L + 1, N, d), h_l.
        before: (N, d), h- at the block's layer; None where nothing was written.
        logits: (N, V).
        norms: (B, n), norm of the block's write at every position, as the block computes it; None where none wrote.
    """

    hidden: torch.Tensor
    before: torch.Tensor | None
    logits: torch.Tensor
    norms: torch.Tensor | None = None

    @cached_property
    def log_probabilities(self) -> torch.Tensor:
        """Log-probabilities of the next token, (N, V) in float64; a block changes them by little."""
        return self.logits.double().log_softmax(-1)


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
        prompt_lengths=tuple(example.prompt_length for example in examples),
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
def trace(model: PeftModel | PlainModel | PreTrainedModel, batch: TokenBatch, state: State) -> Trace:
    """Run a batch in a state.

    Args:
        model: An arm's model or a backbone, in evaluation mode.
        batch: What to run.
        state: Adapter and block, on or off.

    Raises:
        ValueError: The model has no such state.
    """
    seen = _Seen(batch)
    attachment = _block_of(model)
    handles = seen.watch(_backbone_of(model), attachment if state == "11" else None)
    return _passed(model, batch, state, seen, handles)


@torch.no_grad()
def trace_of_random(model: PeftModel | PlainModel, batch: TokenBatch, both: Trace, draw: int) -> Trace:
    """Run a batch with a random direction in place of the block's write, of that write's norm at each position.

    Args:
        model: An arm's model with a block, in evaluation mode.
        batch: What to run.
        both: The same batch in state 11, which has the norms.
        draw: Number of the control.

    Raises:
        ValueError: No block wrote whose write could be replaced.
    """
    backbone, attachment = _backbone_of(model), _block_of(model)
    if attachment is None or both.norms is None:
        raise ValueError("no block wrote, so that no direction can stand in its place")
    width = int(backbone.config.get_text_config().hidden_size)
    directions = random_directions(batch.keys, batch.lengths, width, draw).to(both.norms.device)
    seen = _Seen(batch)
    layer = decoder_layers(find_decoder(backbone))[int(attachment.config.layer)]
    # Behind the block's own hook, which writes nothing in state 10, and before those that keep what the layer gets.
    handles = [
        layer.register_forward_pre_hook(seen.write_instead(both.norms[..., None] * directions), with_kwargs=True),
        *seen.watch(backbone, None),
    ]
    return _passed(model, batch, "10", seen, handles)


def _passed(
    model: PeftModel | PlainModel | PreTrainedModel,
    batch: TokenBatch,
    state: State,
    seen: _Seen,
    handles: Sequence[RemovableHandle],
) -> Trace:
    """Run a pass that is watched, and stop watching whatever happens."""
    try:
        prompts = Prompts(lengths=torch.tensor(batch.prompt_lengths))
        with entered(model, state), products_in_float32(), prompts_told(model, prompts):
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
        self._norms: torch.Tensor | None = None
        self._is_headed = False

    def watch(self, backbone: PreTrainedModel, attachment: TalanAttachment | None) -> list[RemovableHandle]:
        """Register hooks: behind those that write, so that what is kept is what the layer gets."""
        layers = decoder_layers(find_decoder(backbone))
        handles = [
            layer.register_forward_pre_hook(self._keep_input(number), with_kwargs=True)
            for number, layer in enumerate(layers)
        ]
        handles.append(layers[-1].register_forward_hook(self._keep_output(len(layers))))
        head = cast("Any", backbone).get_output_embeddings()
        if head is not None:
            handles.append(head.register_forward_pre_hook(self._pick_before_the_head))
        if attachment is not None:
            handles.append(attachment.block.register_forward_pre_hook(self._keep_before))
        return handles

    def write_instead(self, written: torch.Tensor) -> Any:  # noqa: ANN401 - a hook
        """Return a hook on a layer that adds (B, n, d) to its input."""

        def write(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - a layer's arguments
            hidden = hidden_of(args, kwargs)
            self._before = self._picked(hidden)
            return with_hidden(args, kwargs, hidden + written.to(hidden))

        return write

    def trace(self, logits: torch.Tensor) -> Trace:
        """Put together what was seen."""
        hidden = torch.stack([self._hidden[number] for number in sorted(self._hidden)])
        picked = logits[0].float() if self._is_headed else self._picked(logits)
        return Trace(hidden, self._before, picked.to(hidden.device), self._norms)

    def _keep_input(self, number: int) -> Any:  # noqa: ANN401 - a hook
        def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._hidden[number] = self._picked(hidden_of(args, kwargs))

        return keep

    def _keep_output(self, number: int) -> Any:  # noqa: ANN401 - a hook
        def keep(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - tensor or tuple
            self._hidden[number] = self._picked(output if isinstance(output, torch.Tensor) else output[0])

        return keep

    def _pick_before_the_head(self, _: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Let the output head see the positions that count alone, as (1, N, d): the others' logits are not needed.

        Virtual tokens, which make the sequence longer, are cut off behind the head; then it sees all.
        """
        if not args or args[0].shape[:-1] != self._batch.input_ids.shape:
            return None
        self._is_headed = True
        rows, columns = self._batch.rows.to(args[0].device), self._batch.columns.to(args[0].device)
        return (args[0][rows, columns][None], *args[1:])

    def _keep_before(self, block: Any, args: tuple[torch.Tensor, MemoryContext]) -> None:  # noqa: ANN401 - a TalanBlock
        hidden, context = args
        self._before = self._picked(hidden)
        self._norms = block.write(hidden, context).float().norm(dim=-1)[:, -self._batch.input_ids.shape[1] :]

    def _picked(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values at the positions that count; virtual tokens, which come first, do not."""
        length = self._batch.input_ids.shape[1]
        rows, columns = self._batch.rows.to(values.device), self._batch.columns.to(values.device)
        picked: torch.Tensor = values[:, -length:][rows, columns].float().to(self._batch.rows.device)
        return picked


def _block_of(model: PeftModel | PlainModel | PreTrainedModel) -> TalanAttachment | None:
    return model.talan if isinstance(model, BlockCarrier) else None


def _backbone_of(model: PeftModel | PlainModel | PreTrainedModel) -> PreTrainedModel:
    get = getattr(model, "get_base_model", None)
    return cast("PreTrainedModel", model if get is None else get())
