"""One training item to token ids, with the loss on what the assistant says and its end-of-turn token only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError
from talan_core.training.rendering import (
    Turn,
    end_of_sequence,
    ending_tokens,
    prompt_ids,
    render_turns,
    token_ids,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

ASSISTANT: Final = "assistant"
"""The role whose turns are learned."""


@dataclass(frozen=True)
class EncodedExample:
    """One training sequence as the model sees it.

    Args:
        input_ids: Token ids.
        prompt_length: Number of leading tokens without loss.
        unlearned: Later stretches without loss, as (first, one past the last): what others say between the
            assistant's turns.
        source: Where the item comes from.
        rejected: Token ids of a worse answer behind the same prompt; empty where the data have none.
    """

    input_ids: tuple[int, ...]
    prompt_length: int
    unlearned: tuple[tuple[int, int], ...] = ()
    source: str = ""
    rejected: tuple[int, ...] = ()

    @property
    def target_tokens(self) -> int:
        """Number of tokens with loss."""
        return len(self.input_ids) - self.prompt_length - sum(end - begin for begin, end in self.unlearned)


def encode_plain(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str, source: str) -> EncodedExample:
    """Encode a prompt and its completion for a tokenizer without a chat template: both, and end of sequence."""
    prefix = prompt_ids(tokenizer, prompt)
    ids = [*prefix, *token_ids(tokenizer, completion), *end_of_sequence(tokenizer)]
    return EncodedExample(tuple(ids), len(prefix), source=source)


def encode_turns(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], source: str) -> list[EncodedExample]:
    """Encode a conversation with the chat template; every turn of the assistant is learned.

    The tokens before an assistant's turn are those that the model would be given to generate it. Where the template
    writes earlier turns as they stood when they were generated, the conversation is one sequence. Where it does not
    (Qwen3 drops the thinking part of earlier turns), each assistant's turn becomes a sequence of its own.

    Args:
        tokenizer: A tokenizer with a chat template.
        turns: The conversation; what follows the last assistant's turn is left out.
        source: Where it comes from.

    Returns:
        The sequences, at least one.

    Raises:
        UserError: If the template cannot be split at an answer.
    """
    answers = [at for at, turn in enumerate(turns) if turn.role == ASSISTANT]
    if len(answers) > 1:
        whole = _in_one(tokenizer, turns, answers, source)
        if whole is not None:
            return [whole]
    return [_last_answer(tokenizer, turns[: at + 1], source) for at in answers]


def answer_ends(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the tokens that a trained answer ends with, at any of which generation has to stop.

    With a chat template they are read off encoded conversations, of one turn and of two: the end-of-turn token, which
    need not be the tokenizer's end-of-sequence token.

    Args:
        tokenizer: The backbone's tokenizer.
    """
    ends = set(end_of_sequence(tokenizer))
    if not tokenizer.chat_template:
        return frozenset(ends)
    pair = [Turn("user", "1+1="), Turn(ASSISTANT, "2")]
    for turns in (pair, pair * 2):
        try:
            encoded = encode_turns(tokenizer, turns, "")
        except UserError:  # such a template is refused by training too
            continue
        for example in encoded:
            last = [begin - 1 for begin, _ in example.unlearned] + [len(example.input_ids) - 1]
            ends.update(example.input_ids[at] for at in last)
    return frozenset(ends)


def _last_answer(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], source: str) -> EncodedExample:
    """Encode turns that end with the assistant's, with the loss on that one."""
    prefix_text = render_turns(tokenizer, turns[:-1], to_be_answered=True)
    full_text = render_turns(tokenizer, turns, to_be_answered=False)
    if not full_text.startswith(prefix_text):
        raise UserError(
            f"The chat template of {tokenizer.name_or_path or 'this tokenizer'} writes a different prompt for training "
            "than for generation, so the loss cannot be put on the answer alone.",
            "Use a backbone whose template appends the answer to the generation prompt, for example --backbone micro.",
        )
    prefix, full = prompt_ids(tokenizer, prefix_text), token_ids(tokenizer, full_text)
    if full[: len(prefix)] != prefix:
        # A token spans the border. Generation starts after the prefix as it stands, so training does too.
        full = prefix + token_ids(tokenizer, full_text[len(prefix_text) :])
    end = _end_of_turn(tokenizer, full_text[len(prefix_text) :], turns[-1], full[len(prefix) :])
    ids = [*full, *end_of_sequence(tokenizer)] if end is None else full[: len(prefix) + end + 1]
    return EncodedExample(tuple(ids), len(prefix), source=source)


def _end_of_turn(tokenizer: PreTrainedTokenizerBase, text: str, turn: Turn, answer: Sequence[int]) -> int | None:
    """Find the end-of-turn token of an answer; what follows it (often a line break) is never generated or learned.

    Args:
        tokenizer: A tokenizer with a chat template.
        text: This turn as the template wrote it.
        turn: The turn; its content may hold special tokens of its own, which end nothing.
        answer: Token ids of `text`.

    Returns:
        Its place in `answer`; None where the template writes none behind the content.
    """
    ending = ending_tokens(tokenizer)
    _, found, behind = text.partition(turn.content.strip())
    if found and not ending.intersection(token_ids(tokenizer, behind)):
        return None
    return max((at for at, token in enumerate(answer) if token in ending), default=None)


def _in_one(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], answers: Sequence[int], source: str
) -> EncodedExample | None:
    """Encode a conversation as one sequence, or return None where the template rewrites earlier turns."""
    final = render_turns(tokenizer, turns[: answers[-1] + 1], to_be_answered=False)
    ids: list[int] = []
    unlearned: list[tuple[int, int]] = []
    written = 0
    for at in answers:
        before = render_turns(tokenizer, turns[:at], to_be_answered=True)
        after = render_turns(tokenizer, turns[: at + 1], to_be_answered=False)
        if not (final.startswith(after) and after.startswith(before) and len(before) >= written):
            return None
        context = token_ids(tokenizer, final[written : len(before)])
        answer = token_ids(tokenizer, after[len(before) :])
        end = _end_of_turn(tokenizer, after[len(before) :], turns[at], answer)
        if end is None:  # without an end-of-turn token nothing would teach the model to stop before the last turn
            return None
        rest = len(answer) - end - 1
        begin = unlearned.pop()[0] if unlearned and unlearned[-1][1] == len(ids) else len(ids)
        ids += context
        unlearned.append((begin, len(ids)))
        ids += answer
        unlearned.append((len(ids) - rest, len(ids)))
        written = len(after)
    # The stretch before the first answer is the prompt, the one after the last is never generated.
    (_, prompt_length), *between, (last, _) = unlearned
    return EncodedExample(tuple(ids[:last]), prompt_length, tuple(between), source)
