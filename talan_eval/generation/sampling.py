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
from typing import TYPE_CHECKING

import torch
from transformers import LogitsProcessor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.generation.backend import Sampling

_TINY = 1e-20


class SampleDraw(LogitsProcessor):
    """Turns greedy decoding into a draw: the largest of the returned scores is a sample.

    Args:
        prompts: The batch's prompts, in the order of its rows.
        settings: Temperature (above 0), top-p, seed and number of the sample.
        device: Where the logits are.
    """

    def __init__(self, prompts: Sequence[str], settings: Sampling, device: torch.device) -> None:
        self._temperature = settings.temperature
        self._top_p = settings.top_p
        self._generators = [
            torch.Generator(device=device).manual_seed(row_seed(prompt, settings.seed, settings.sample))
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
