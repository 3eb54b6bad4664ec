"""Drawing answers with random numbers that belong to the question: the same in both arms, in any order and batch.

Tokens are drawn by the Gumbel-max method: independent Gumbel noise is added to the scaled logits and the largest one is
taken, which is an exact draw from the softmax (Maddison et al., 2014, arXiv:1411.0030, equation 2). The noise is a
function of the sampling seed, the number of the sample, the prompt and the position in the answer alone. Two arms that
give equal logits draw equal tokens; where they differ a little, they mostly do. No global generator is read or moved.

Not covered: equal noise on different devices; torch's generators differ between CPU and CUDA. The device is part of an
experiment's identity.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from lm_eval.models.huggingface import HFLM
from transformers import LogitsProcessor

from talan_eval.execution.prompts import has_thinking_switch
from talan_eval.grading.thinking import cut_at_stops, mark_tokens, mentions_thinking, opens_thinking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.asking import Asking

_TINY = 1e-20


class SampleDraw(LogitsProcessor):
    """Turns greedy decoding into a draw: the largest of the returned scores is a sample.

    Args:
        prompts: The batch's prompts, in the order of its rows.
        asking: Temperature (above 0), top-p and seed.
        sample: Number of the sample, from 0.
        device: Where the logits are.
    """

    def __init__(self, prompts: Sequence[str], asking: Asking, sample: int, device: torch.device) -> None:
        self._temperature = asking.temperature
        self._top_p = asking.top_p
        self._generators = [
            torch.Generator(device=device).manual_seed(row_seed(prompt, asking.sampling_seed, sample))
            for prompt in prompts
        ]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return perturbed scores, shape (batch, vocabulary), for one position of all rows."""
        del input_ids
        scaled = scores.float() / self._temperature
        if self._top_p < 1:
            scaled = _nucleus(scaled, self._top_p)
        uniform = torch.stack(
            [torch.rand(scores.shape[1], generator=row, device=scores.device) for row in self._generators]
        )
        return scaled - torch.log(-torch.log(uniform.clamp_min(_TINY)))


def row_seed(prompt: str, sampling_seed: int, sample: int) -> int:
    """Return the seed of one answer: 63 bits of a hash."""
    digest = hashlib.sha256(f"{sampling_seed}/{sample}/{prompt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _nucleus(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keep the likeliest tokens, up to the one with which their probability reaches ``top_p``; the first always."""
    ordered, places = scores.sort(dim=-1, descending=True)
    probability = ordered.softmax(dim=-1)
    dropped = probability.cumsum(dim=-1) - probability >= top_p
    dropped[:, 0] = False
    return scores.masked_fill(torch.zeros_like(dropped).scatter(1, places, dropped), -torch.inf)


class AskedLM(HFLM):  # type: ignore[misc]  # lm-eval publishes no types
    """lm-eval's Hugging Face model, asked as the settings say.

    Args:
        model: The adapted model.
        tokenizer: Its tokenizer.
        batch_size: Prompts at a time.
        asking: How to ask.
    """

    def __init__(self, model: Any, tokenizer: Any, batch_size: int, asking: Asking) -> None:  # noqa: ANN401 - lm-eval's types
        super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
        self._asking = asking
        self._sample = 0
        self._prompts: tuple[str, ...] = ()
        template = str(tokenizer.chat_template)
        self._may_think = asking.chat_template and not has_thinking_switch(tokenizer) and mentions_thinking(template)
        special = tuple(str(token) for token in tokenizer.all_special_tokens)
        marks = mark_tokens(special)
        self._dropped = tuple(token for token in special if token not in marks) if marks else ()

    def answers(self, requests: Sequence[Any], sample: int) -> list[str]:
        """Answer requests once.

        Args:
            requests: lm-eval's requests.
            sample: Number of the sample, from 0; without effect at temperature 0.

        Returns:
            One answer per request, in order, cut at the first stop string outside its thinking.
        """
        self._sample = sample
        opened = [self._asking.thinking or opens_thinking(str(request.args[0])) for request in requests]
        if not any(opened) and not self._may_think:
            said: list[str] = self.generate_until(list(requests), disable_tqdm=True)
            return said
        # lm-eval's stop strings end the thinking, too; without them a model goes on to its end-of-turn token.
        free = [replace(request, arguments=(request.args[0], {**request.args[1], "until": []})) for request in requests]
        whole: list[str] = self.generate_until(free, disable_tqdm=True)
        return [
            cut_at_stops(text, request.args[1].get("until", ()), opened=begins)
            for text, request, begins in zip(whole, requests, opened, strict=True)
        ]

    def tok_decode(self, tokens: Any, skip_special_tokens: bool = True) -> str:  # noqa: ANN401, FBT001, FBT002 - lm-eval's signature
        """Decode tokens; marks of thinking that are special tokens stay, or nobody could tell thinking from answer."""
        if not skip_special_tokens or not self._dropped:
            return str(super().tok_decode(tokens, skip_special_tokens))
        text = str(super().tok_decode(tokens, skip_special_tokens=False))
        for token in self._dropped:
            text = text.replace(token, "")
        return text

    def tok_batch_encode(self, strings: Sequence[str], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed through
        """Encode a batch, and remember whose it is."""
        self._prompts = tuple(strings)
        return super().tok_batch_encode(list(strings), *args, **kwargs)

    def _model_generate(self, context: torch.Tensor, max_length: int, stop: list[str], **options: Any) -> torch.Tensor:  # noqa: ANN401 - as above
        if self._asking.temperature > 0:
            draw = SampleDraw(self._prompts, self._asking, self._sample, context.device)
            options |= {"do_sample": False, "temperature": 0.0, "logits_processor": [draw]}
        answer: torch.Tensor = super()._model_generate(context, max_length, stop, **options)
        return answer
