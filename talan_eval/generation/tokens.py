"""Between texts and tokens: what a model is given, and what becomes of what it says, the same for every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from talan_core.training.encoding import EncodedExample, answer_ends
from talan_core.training.rendering import prompt_ids
from talan_eval.generation.backend import OwnSettings
from talan_eval.generation.prompts import has_thinking_switch
from talan_eval.grading.thinking import cut_at_stops, mark_tokens, mentions_thinking, opens_thinking

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase

    from talan_eval.generation.backend import Sampling

_NO_SETTINGS: Final = frozenset(
    {"bos_token_id", "eos_token_id", "pad_token_id", "_from_model_config", "transformers_version"}
)
"""What stands among a model's generation settings and is used, or is none."""


class Tokens:
    """What a tokenizer makes of prompts and answers.

    Args:
        tokenizer: By which a checkpoint is asked.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self._thinks_unasked = not has_thinking_switch(tokenizer) and mentions_thinking(str(tokenizer.chat_template))
        special = tuple(str(token) for token in tokenizer.all_special_tokens)
        marks = mark_tokens(special)
        self._dropped = tuple(token for token in special if token not in marks) if marks else ()

    def of_prompt(self, text: str) -> list[int]:
        """Return the tokens that an answer follows."""
        return prompt_ids(self.tokenizer, text)

    def of_pair(self, prompt: str, text: str) -> EncodedExample:
        """Put a text's tokens after those of a prompt, also where one token would span the border.

        Where the prompt is empty, the token before a text (or, without one, that after a text) stands for it.
        """
        prefix = self.of_prompt(prompt)
        if not prefix:
            before, after = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
            start = [after if before is None else before]
            return EncodedExample((*start, *self.tokenizer.encode(text, add_special_tokens=False)), len(start))
        whole = self.of_prompt(prompt + text)
        if whole[: len(prefix)] != prefix:
            whole = prefix + list(self.tokenizer.encode(text, add_special_tokens=False))
        return EncodedExample(tuple(whole), len(prefix))

    def is_free(self, prompt: str, settings: Sampling) -> bool:
        """Say whether stop strings must not end an answer: in its thinking they are none."""
        opened = settings.thinking or opens_thinking(prompt)
        return opened or (settings.chat_template and self._thinks_unasked)

    def said(self, tokens: Any) -> str:  # noqa: ANN401 - one id, several, or an array of them
        """Decode tokens; marks of thinking that are special tokens stay, or nobody could tell thinking from answer."""
        return self.without_special(str(self.tokenizer.decode(tokens, skip_special_tokens=not self._dropped)))

    @property
    def has_marks(self) -> bool:
        """Whether some special tokens mark thinking, so that special tokens must be decoded."""
        return bool(self._dropped)

    def without_special(self, text: str) -> str:
        """Drop the special tokens of a decoded text that mark no thinking."""
        for token in self._dropped:
            text = text.replace(token, "")
        return text

    def cut(self, said: str, prompt: str, settings: Sampling) -> str:
        """Return an answer up to the first stop string outside its thinking."""
        if self.is_free(prompt, settings):
            return cut_at_stops(said, settings.stop, opened=settings.thinking or opens_thinking(prompt))
        for stop in settings.stop:
            said = said.split(stop, maxsplit=1)[0] if stop else said
        return said

    def end_tokens(self, shipped: GenerationConfig) -> tuple[int, ...]:
        """Return the tokens at which an answer stops: a model's own, and those that trained answers end with."""
        own = shipped.eos_token_id
        named = own if isinstance(own, list) else [] if own is None else [own]
        return tuple(sorted({*answer_ends(self.tokenizer), *named}))

    def own_settings(self, shipped: GenerationConfig) -> OwnSettings:
        """Return what is used of the generation settings that come with a model: token ids, and nothing else."""
        found = shipped.to_diff_dict().items()
        return OwnSettings(
            self.end_tokens(shipped), {name: _plain(value) for name, value in found if name not in _NO_SETTINGS}
        )


def _plain(value: object) -> float | int | bool | str | None:
    return value if isinstance(value, float | int | bool | str | None) else str(value)
