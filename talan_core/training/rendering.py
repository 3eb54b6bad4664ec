"""What the tokenizer's chat template makes of turns, and the token ids of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Turn:
    """One message of a conversation.

    Args:
        role: Who speaks, as the chat template names it ("system", "user", "assistant", ...).
        content: What is said.
    """

    role: str
    content: str


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
    return render_turns(tokenizer, [Turn("user", prompt)], to_be_answered=True)


def render_turns(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], *, to_be_answered: bool) -> str:
    """Write turns with the chat template, thinking switched off where the template has that switch.

    Args:
        tokenizer: A tokenizer with a chat template.
        turns: What was said so far.
        to_be_answered: Whether the text ends where the assistant's next turn begins.
    """
    switch: dict[str, Any] = {"enable_thinking": False} if "enable_thinking" in str(tokenizer.chat_template) else {}
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=to_be_answered, **switch)
    return cast("str", text)


def token_ids(tokenizer: PreTrainedTokenizerBase, text: str, *, special: bool = False) -> list[int]:
    """Return the token ids of a text; with `special`, plus what the tokenizer puts around every text."""
    return cast("list[int]", tokenizer(text, add_special_tokens=special)["input_ids"])


def prompt_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the token ids of a prompt, the same in training, answering and probes: this is the one place.

    What the chat template writes is taken as it stands, also where it writes no beginning-of-sequence token and the
    tokenizer would add one. Without a template the tokenizer's own beginning stands in front, once, and what it would
    put behind a finished text (an end-of-sequence token) is left out: an answer is to follow.

    Args:
        tokenizer: The backbone's tokenizer.
        text: The prompt as `render_prompt` wrote it, an answer's beginning behind it or not.
    """
    bare = token_ids(tokenizer, text)
    if tokenizer.chat_template or not bare:
        return bare if tokenizer.chat_template else token_ids(tokenizer, text, special=True)
    ids = token_ids(tokenizer, text, special=True)
    ends = (end for end in range(len(ids), len(bare) - 1, -1) if ids[end - len(bare) : end] == bare)
    ids = ids[: next(ends, len(ids))]
    return ids[1:] if len(ids) > len(bare) and ids[:2] == [tokenizer.bos_token_id] * 2 else ids


def end_of_sequence(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the end-of-sequence token as a list of one, or an empty list if there is none."""
    return [tokenizer.eos_token_id] if isinstance(tokenizer.eos_token_id, int) else []


def ending_tokens(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Return the tokens that may close an assistant's turn."""
    return {*tokenizer.all_special_ids, *end_of_sequence(tokenizer)}


def pad_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token id to pad with: the tokenizer's own, else its end-of-sequence token, else 0."""
    for token_id in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(token_id, int):
            return token_id
    return 0
