"""Stage 2, remix: turn the memory into a perturbation of each token (Zhang et al., 2026).

A mixer is one subclass of `Mixer` here, one entry in `MIXERS`, and one line of description in
`talan_core.config.MIXERS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

import torch
from torch.nn import functional

from talan_core.parts import Part, normal, zeros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Mixer(Part, ABC):
    """Base of the mixers.

    Args:
        hidden_size: Width d of the residual stream.
        width: Width m of the memory.
        heads: Number of attention heads; divides m.
        generator: The block's own CPU generator.
        grad_scale: gamma.
    """

    def __init__(
        self, hidden_size: int, width: int, *, heads: int, generator: torch.Generator, grad_scale: float
    ) -> None:
        del hidden_size, width, generator
        super().__init__(grad_scale)
        self.heads = heads

    @abstractmethod
    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """Mix.

        Args:
            x: Normalised hidden states, (batch, length, d).
            memory: The memory of each position, (batch, length, T, m).

        Returns:
            The perturbation H, (batch, length, d). Position t may depend on `x` and `memory` at t only.
        """

    @abstractmethod
    def zero_output(self) -> None:
        """Set the output projection to zero, so that H is exactly zero at the start."""


class MultiheadLocal(Mixer):
    """H = MHA(X, Z, Z), each position over its own T slots (Zhang et al., 2026).

    Queries come from the token, keys and values from its memory; all four projections have biases, which start at zero.
    With T = 1 the attention is constant and only the value path remains.
    """

    BIASES: ClassVar[Sequence[str]] = ("query_shift", "key_shift", "value_shift", "output_shift")

    def __init__(
        self, hidden_size: int, width: int, *, heads: int, generator: torch.Generator, grad_scale: float
    ) -> None:
        super().__init__(hidden_size, width, heads=heads, generator=generator, grad_scale=grad_scale)
        self.query_weight = normal((width, hidden_size), hidden_size**-0.5, generator)
        self.key_weight = normal((width, width), width**-0.5, generator)
        self.value_weight = normal((width, width), width**-0.5, generator)
        self.output_weight = normal((hidden_size, width), width**-0.5, generator)
        self.query_shift, self.key_shift, self.value_shift = zeros(width), zeros(width), zeros(width)
        self.output_shift = zeros(hidden_size)

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """Mix; see `Mixer.forward`."""
        batch, length, slots, width = memory.shape
        queries = self._project(x, "query").view(batch, length, 1, self.heads, -1)
        keys = self._project(memory, "key").view(batch, length, slots, self.heads, -1)
        values = self._project(memory, "value").view(batch, length, slots, self.heads, -1)
        # T is tiny, so products and sums beat a batched matrix product with a batch of one matrix per position and
        # head.
        scores = (queries * keys).sum(-1) * keys.shape[-1] ** -0.5
        weights = scores.softmax(dim=2, dtype=torch.float32).to(x.dtype)
        mixed = (weights.unsqueeze(-1) * values).sum(2).view(batch, length, width)
        return self._project(mixed, "output")

    def zero_output(self) -> None:
        """Set the output projection to zero; its bias already is."""
        with torch.no_grad():
            self.output_weight.zero_()

    def _project(self, inputs: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(inputs, self.use(f"{name}_weight", inputs), self.use(f"{name}_shift", inputs))


MIXERS: Final[Mapping[str, type[Mixer]]] = {"multihead_local": MultiheadLocal}
"""The mixers by the name that `TalanConfig.mixer` takes."""
