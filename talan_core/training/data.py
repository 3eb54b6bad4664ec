"""Training items, and the batches that the model is given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import torch

from talan_core.errors import UserError
from talan_core.training.encoding import ASSISTANT, EncodedExample, encode_plain, encode_turns
from talan_core.training.rendering import Turn, pad_token, render_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

__all__ = [
    "IGNORED",
    "Dialogue",
    "EncodedData",
    "EncodedExample",
    "Example",
    "Mixture",
    "Turn",
    "collate",
    "encode",
    "encode_item",
    "labels_of",
    "pad_token",
    "render_prompt",
]

IGNORED: Final = -100
"""The label of a token without loss, as transformers' losses expect it."""


@dataclass(frozen=True)
class Example:
    """One training item with one answer.

    Args:
        prompt: What the user says.
        completion: What the model is to answer.
        source: Where it comes from, for error messages, provenance, and the weights of a mixture.
        rejected: An answer that is worse, of preference data. No arm learns it; steering vectors lead away from it.
    """

    prompt: str
    completion: str
    source: str
    rejected: str | None = None


@dataclass(frozen=True)
class Dialogue:
    """One training item of several turns; every turn of the assistant is learned.

    Args:
        turns: What is said, in order.
        source: As in `Example`.
    """

    turns: tuple[Turn, ...]
    source: str


@dataclass(frozen=True)
class Mixture:
    """Items of several sources, each with its share of the examples that training draws.

    Args:
        examples: The items of all sources; the `source` of each is a name in `weights`.
        weights: A positive weight for each source. A source with weight 2 is drawn twice as often as one with weight
            1, whatever their sizes; the items of a source are repeated when they are used up.
    """

    examples: tuple[Example | Dialogue, ...]
    weights: Mapping[str, float]


@dataclass(frozen=True)
class EncodedData:
    """A training set as the model sees it.

    Args:
        examples: The sequences that fit, in the original order of their items.
        dropped: Number of sequences that were longer than the limit.
        weights: The weights of the sources, where they are mixed; empty otherwise.
        held_out: Sequences that are not learned, whose loss is measured while an arm is trained. They change nothing
            of a run, so they are no part of its identity.
    """

    examples: tuple[EncodedExample, ...]
    dropped: int
    weights: Mapping[str, float] = field(default_factory=dict)
    held_out: tuple[EncodedExample, ...] = ()


def encode(
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example | Dialogue] | Mixture | EncodedData,
    max_length: int,
    *,
    held_out: Sequence[Example] = (),
) -> EncodedData:
    """Turn a training set into token ids.

    With a chat template the tokens of the prompt are exactly those of `render_prompt`, so that training and generation
    see the same prefix. Without one the sequence is prompt, completion, and end-of-sequence token.

    Args:
        tokenizer: The backbone's tokenizer.
        examples: The items. What is encoded already comes back as it is.
        max_length: Most tokens of a sequence; longer ones are dropped and counted, never cut.
        held_out: Items that are not learned; longer ones are left out.

    Returns:
        The encoded items and how many were dropped. A dialogue is one sequence, or one for each turn of the assistant;
        see `talan_core.training.encoding.encode_turns`.

    Raises:
        UserError: If nothing is left (of a source, where sources are mixed), a completion is empty, or the template
            cannot be split at the answer.
    """
    if isinstance(examples, EncodedData):
        return examples
    items = examples.examples if isinstance(examples, Mixture) else examples
    encoded = [sequence for item in items for sequence in encode_item(tokenizer, item)]
    kept = tuple(sequence for sequence in encoded if len(sequence.input_ids) <= max_length)
    weights = dict(examples.weights) if isinstance(examples, Mixture) else {}
    left = {sequence.source for sequence in kept}
    lost = [name for name in weights if name not in left]
    if lost or not kept:
        concerned = [s for s in encoded if not lost or s.source in lost]
        longest = max((len(sequence.input_ids) for sequence in concerned), default=0)
        of = f" of {', '.join(lost)}" if lost else ""
        raise UserError(
            f"No training example{of} is left: {len(concerned)} given, none of at most {max_length} tokens.",
            f"Give more examples, or set max_length={max(longest, max_length)}.",
        )
    apart = [sequence for item in held_out for sequence in encode_item(tokenizer, item)]
    fitting = tuple(sequence for sequence in apart if len(sequence.input_ids) <= max_length)
    return EncodedData(kept, len(encoded) - len(kept), weights, fitting)


def collate(examples: Sequence[EncodedExample], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Pad a batch on the right to its longest item.

    Args:
        examples: The items of the batch.
        pad_token_id: The token to pad with; it is masked and carries no loss.

    Returns:
        "input_ids", "attention_mask" and "labels", each (batch, longest).
    """
    shape = (len(examples), max(len(example.input_ids) for example in examples))
    input_ids = torch.full(shape, pad_token_id)
    attention_mask = torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, IGNORED)
    for row, example in enumerate(examples):
        length = len(example.input_ids)
        input_ids[row, :length] = torch.tensor(example.input_ids)
        attention_mask[row, :length] = 1
        labels[row, :length] = labels_of(example)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def labels_of(example: EncodedExample) -> torch.Tensor:
    """Return the labels of a sequence, (length,): its token ids where there is loss, `IGNORED` elsewhere."""
    labels = torch.tensor(example.input_ids)
    labels[: example.prompt_length] = IGNORED
    for begin, end in example.unlearned:
        labels[begin:end] = IGNORED
    return labels


def encode_item(tokenizer: PreTrainedTokenizerBase, item: Example | Dialogue) -> list[EncodedExample]:
    """Turn one item into its sequences, however long; see `encode`."""
    if isinstance(item, Example):
        if item.rejected is not None:
            return [_with_rejected(tokenizer, item, item.rejected)]
        turns: tuple[Turn, ...] = (Turn("user", item.prompt), Turn(ASSISTANT, item.completion))
    else:
        turns = item.turns
    answers = [turn.content for turn in turns if turn.role == ASSISTANT]
    if not answers or not all(answer.strip() for answer in answers):
        raise UserError(
            f"A training example of {item.source} has {'an empty completion' if answers else 'no assistant turn'}.",
            "Give every example an answer to learn.",
        )
    if tokenizer.chat_template:
        return encode_turns(tokenizer, turns, item.source)
    if [turn.role for turn in turns] != ["user", ASSISTANT]:
        raise UserError(
            f"A training example of {item.source} is a conversation, and "
            f"{tokenizer.name_or_path or 'this tokenizer'} has no chat template to write it with.",
            "Give prompt and completion instead of messages, or use a backbone with a chat template.",
        )
    return [encode_plain(tokenizer, turns[0].content, turns[1].content, item.source)]


def _with_rejected(tokenizer: PreTrainedTokenizerBase, item: Example, rejected: str) -> EncodedExample:
    """Encode an item of preference data: its answer as ever, and behind the same prompt the worse one."""
    better, worse = (
        encode_item(tokenizer, replace(item, completion=text, rejected=None))[0] for text in (item.completion, rejected)
    )
    return replace(better, rejected=worse.input_ids[worse.prompt_length :])
