"""Prompt and completion to token ids, with the loss on the completion and its end-of-turn token only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import torch

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

IGNORED: Final = -100
"""The label of a token without loss, as transformers' losses expect it."""


@dataclass(frozen=True)
class Example:
    """One training item.

    Args:
        prompt: What the user says.
        completion: What the model is to answer.
        source: Where it comes from, for error messages and provenance.
    """

    prompt: str
    completion: str
    source: str


@dataclass(frozen=True)
class EncodedExample:
    """One training item as the model sees it.

    Args:
        input_ids: Token ids of prompt and completion.
        prompt_length: Number of leading tokens without loss.
    """

    input_ids: tuple[int, ...]
    prompt_length: int


@dataclass(frozen=True)
class EncodedData:
    """A training set as the model sees it.

    Args:
        examples: The items that fit, in their original order.
        dropped: Number of items that were longer than the limit.
    """

    examples: tuple[EncodedExample, ...]
    dropped: int


def render_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    """Write a prompt as the model is asked it, up to where its answer begins.

    Args:
        tokenizer: The backbone's tokenizer.
        prompt: What the user says.

    Returns:
        The chat template's generation prompt (thinking switched off where the template has that switch), or the prompt
        itself when the tokenizer has no template.
    """
    if not tokenizer.chat_template:
        return prompt
    return _apply_template(tokenizer, [{"role": "user", "content": prompt}], add_generation_prompt=True)


def encode(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], max_length: int) -> EncodedData:
    """Turn a training set into token ids.

    With a chat template the tokens of the prompt are exactly those of `render_prompt`, so that training and generation
    see the same prefix. Without one the sequence is prompt, completion, and end-of-sequence token.

    Args:
        tokenizer: The backbone's tokenizer.
        examples: The items.
        max_length: Most tokens of an item; longer ones are dropped and counted, never cut.

    Returns:
        The encoded items and how many were dropped.

    Raises:
        UserError: If nothing is left, a completion is empty, or the template cannot be split at the answer.
    """
    encoded = [_encode_one(tokenizer, example) for example in examples]
    kept = tuple(example for example in encoded if len(example.input_ids) <= max_length)
    if not kept:
        longest = max((len(example.input_ids) for example in encoded), default=0)
        raise UserError(
            f"No training example is left: {len(encoded)} given, none of at most {max_length} tokens.",
            f"Give more examples, or set max_length={max(longest, max_length)}.",
        )
    return EncodedData(examples=kept, dropped=len(encoded) - len(kept))


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
        ids = torch.tensor(example.input_ids)
        input_ids[row, :length] = ids
        attention_mask[row, :length] = 1
        labels[row, example.prompt_length : length] = ids[example.prompt_length :]
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def pad_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token id to pad with: the tokenizer's own, else its end-of-sequence token, else 0."""
    for token_id in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(token_id, int):
            return token_id
    return 0


def _encode_one(tokenizer: PreTrainedTokenizerBase, example: Example) -> EncodedExample:
    if not example.completion.strip():
        raise UserError(
            f"A training example of {example.source} has an empty completion.", "Give every example an answer to learn."
        )
    ids, prompt_length = (_with_template if tokenizer.chat_template else _without_template)(tokenizer, example)
    return EncodedExample(input_ids=tuple(ids), prompt_length=prompt_length)


def _with_template(tokenizer: PreTrainedTokenizerBase, example: Example) -> tuple[list[int], int]:
    turns = [{"role": "user", "content": example.prompt}, {"role": "assistant", "content": example.completion}]
    prefix_text = render_prompt(tokenizer, example.prompt)
    full_text = _apply_template(tokenizer, turns, add_generation_prompt=False)
    if not full_text.startswith(prefix_text):
        raise UserError(
            f"The chat template of {tokenizer.name_or_path or 'this tokenizer'} writes a different prompt for training "
            "than for generation, so the loss cannot be put on the answer alone.",
            "Use a backbone whose template appends the answer to the generation prompt, for example --backbone micro.",
        )
    prefix, full = _ids(tokenizer, prefix_text), _ids(tokenizer, full_text)
    if full[: len(prefix)] != prefix:
        # A token spans the border. Generation starts after the prefix as it stands, so training does too.
        full = prefix + _ids(tokenizer, full_text[len(prefix_text) :])
    # What follows the end-of-turn token (often a line break) is never generated and is not learned.
    ends = [at for at in range(len(prefix), len(full)) if full[at] in _ending_tokens(tokenizer)]
    return (full[: ends[-1] + 1] if ends else [*full, *_eos(tokenizer)]), len(prefix)


def _without_template(tokenizer: PreTrainedTokenizerBase, example: Example) -> tuple[list[int], int]:
    prefix = _ids(tokenizer, example.prompt, special=True)
    if prefix and prefix[-1] == tokenizer.eos_token_id:  # some tokenizers close every text
        prefix = prefix[:-1]
    return [*prefix, *_ids(tokenizer, example.completion), *_eos(tokenizer)], len(prefix)


def _apply_template(
    tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], *, add_generation_prompt: bool
) -> str:
    switch: dict[str, Any] = {"enable_thinking": False} if "enable_thinking" in str(tokenizer.chat_template) else {}
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=add_generation_prompt, **switch)
    return cast("str", text)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, *, special: bool = False) -> list[int]:
    return cast("list[int]", tokenizer(text, add_special_tokens=special)["input_ids"])


def _eos(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return [tokenizer.eos_token_id] if isinstance(tokenizer.eos_token_id, int) else []


def _ending_tokens(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    return {*tokenizer.all_special_ids, *_eos(tokenizer)}
