"""Held-out loss: how surprised a checkpoint is by the reference solutions of the items that it is asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_core.training.data import Example, encode_item
from talan_core.training.rendering import prompt_ids
from talan_eval.generation.backend import Prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

    from talan_eval.generation.backend import Generator
    from talan_eval.tasks.benchmark import Benchmark


@dataclass(frozen=True, slots=True)
class SolutionLoss:
    """The loss on one reference solution.

    Attributes:
        nats: Mean negative log-probability of its tokens, the end of the turn included.
        tokens: How many tokens these are.
        bytes: Bytes of the solution itself in UTF-8, for bits per byte.
    """

    nats: float
    tokens: int
    bytes: int


def solution_losses(
    generator: Generator, tokenizer: PreTrainedTokenizerBase, benchmark: Benchmark, texts: Sequence[str]
) -> tuple[SolutionLoss | None, ...]:
    """Measure the loss on each item's reference solution under the evaluation's own prompt.

    The target is what training would learn of the solution: its text as the chat template writes an answer, and the
    token that ends it. Every token is predicted from all before it (teacher forcing).

    Args:
        generator: The checkpoint.
        tokenizer: The backbone's tokenizer.
        benchmark: The items, with their solutions.
        texts: The prompts as the model sees them, one per item, few-shot examples included.

    Returns:
        One per item; None where it has no solution, does not fit into the context, or its probability is 0 in the
        model's arithmetic.
    """
    targets = [_target(tokenizer, solution) for solution in benchmark.solutions]
    asked = [
        place
        for place, (text, target) in enumerate(zip(texts, targets, strict=True))
        if target is not None and len(prompt_ids(tokenizer, text)) + target.tokens <= generator.max_length
    ]
    pairs = [(Prompt(texts[place]), target.text) for place in asked if (target := targets[place]) is not None]
    found: list[SolutionLoss | None] = [None] * len(texts)
    for place, likelihood in zip(asked, generator.loglikelihood(pairs), strict=True):
        if likelihood.tokens and math.isfinite(likelihood.log_probability):
            nats = -likelihood.log_probability / likelihood.tokens
            size = len(benchmark.solutions[place][1].encode())
            found[place] = SolutionLoss(nats, likelihood.tokens, size)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Written:
    """What is to be predicted, as text, and how many tokens training makes of it."""

    text: str
    tokens: int


def _target(tokenizer: PreTrainedTokenizerBase, solution: tuple[str, str]) -> _Written | None:
    prompt, answer = solution
    if not answer.strip():
        return None
    encoded = encode_item(tokenizer, Example(prompt, answer, ""))[0]
    ids = encoded.input_ids[encoded.prompt_length :]
    return _Written(
        str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)), len(ids)
    )
