"""How questions are put to a model and answers are drawn from it; the same for every task and for both arms."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Final

from talan_core.errors import UserError

SAMPLING_TEMPERATURE: Final = 0.7
"""Temperature where several samples are asked for and none is named."""
DEFAULT_TEMPLATE_DATE: Final = "2024-07-26"
"""What chat templates write for today where nothing is asked: the date that those of Llama 3 fall back on."""
_LARGEST_SEED: Final = 2**32


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationSettings:
    """Settings of prompts and answers; part of the identity of every score.

    Attributes:
        few_shot: Worked examples before each question: the first so many of the task's fixed list. None, for the task's
            own number, stands only in what was asked: in the settings of a task it is known.
        chat_template: Whether prompts are chat turns where the tokenizer has a template, or plain text always.
        thinking: Whether the model may think first, where its chat template has that switch (``enable_thinking``).
        max_tokens: Most tokens of an answer; None for the task's own number.
        samples: Answers to each question. The score of an item is their mean.
        temperature: 0 takes the likeliest token; above 0 tokens are drawn.
        top_p: Tokens are drawn from the smallest set with at least this probability.
        template_date: The date, as YYYY-MM-DD, that the chat template writes in place of today's; None where it writes
            none, so that it is no part of the identity there.
        sampling_seed: Seed of the drawing. Arms with the same seed use the same random numbers, question by question.

    Raises:
        UserError: One error that names every setting that is wrong.
    """

    few_shot: int | None = 0
    chat_template: bool = True
    thinking: bool = False
    max_tokens: int | None = None
    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    sampling_seed: int = 0
    template_date: str | None = None

    def __post_init__(self) -> None:
        """Check all settings and raise one error that names each wrong one."""
        problems = [*self._of_prompts(), *self._of_answers()]
        if problems:
            raise UserError(
                "The settings of prompts and answers are wrong:\n" + "\n".join(f"  {problem}" for problem in problems),
                "Leave these options out, or type valid ones, for example --samples-per-item 4 --temperature 0.7.",
            )

    def _of_prompts(self) -> list[str]:
        problems = []
        if self.few_shot is not None and self.few_shot < 0:
            problems.append(f"--few-shot {self.few_shot}: must be 0 or more")
        if self.template_date is not None and not _is_date(self.template_date):
            problems.append(f"--template-date {self.template_date}: must be a date such as {DEFAULT_TEMPLATE_DATE}")
        if self.thinking and not self.chat_template:
            problems.append("--thinking --no-chat-template: thinking is a switch of chat templates")
        return problems

    def _of_answers(self) -> list[str]:
        problems = []
        if self.max_tokens is not None and self.max_tokens < 1:
            problems.append(f"--max-tokens {self.max_tokens}: must be 1 or more")
        if self.samples < 1:
            problems.append(f"--samples-per-item {self.samples}: must be 1 or more")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            problems.append(f"--temperature {self.temperature}: must be a number from 0")
        if not 0 < self.top_p <= 1:
            problems.append(f"--top-p {self.top_p}: must be above 0 and at most 1")
        if not 0 <= self.sampling_seed < _LARGEST_SEED:
            problems.append(f"--sampling-seed {self.sampling_seed}: must be from 0 and below 2^32")
        if self.samples > 1 and self.temperature == 0:
            problems.append(f"--samples-per-item {self.samples} --temperature 0: the samples would be copies")
        return problems

    def label(self) -> str:
        """Return what differs from the default, as in "few_shot=5,plain,k=4,t=0.7"; empty where nothing does."""
        usual = GenerationSettings()
        parts = {
            f"few_shot={self.few_shot}": self.few_shot != usual.few_shot,
            "plain": not self.chat_template,
            "thinking": self.thinking,
            f"max_tokens={self.max_tokens}": self.max_tokens is not None,
            f"k={self.samples}": self.samples != usual.samples,
            f"t={self.temperature:g}": self.temperature != usual.temperature,
            f"top_p={self.top_p:g}": self.top_p != usual.top_p,
            f"sampling_seed={self.sampling_seed}": self.sampling_seed != usual.sampling_seed,
            f"date={self.template_date}": self.template_date is not None,
        }
        return ",".join(part for part, shown in parts.items() if shown)


def temperature_of(asked: float | None, samples: int) -> float:
    """Return the temperature: as asked; else 0 for one sample, and ``SAMPLING_TEMPERATURE`` for several."""
    if asked is not None:
        return asked
    return 0.0 if samples == 1 else SAMPLING_TEMPERATURE


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
