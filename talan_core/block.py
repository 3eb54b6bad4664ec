"""The TALAN block: summarize, remix, write back (Zhang et al., 2026)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from talan_core.memory import CausalMemory, MemoryContext
from talan_core.mixers import MIXERS, MixerShape
from talan_core.parts import Part
from talan_core.writeback import WRITEBACKS, Noise

if TYPE_CHECKING:
    from talan_core.config import TalanConfig

_NORM_EPS = 1e-6


class TalanBlock(nn.Module):
    """One latent side path on the residual stream.

    With `multihead_local` and a gate it has 4 d m + 2 m^2 + (T + 3) m + 2 d parameters; see `block_parameters`. The
    input is divided by its root mean square without learned weights (our choice: the residual stream's scale differs by
    orders of magnitude between backbones and layers). There is no dropout, so the block draws no random numbers.

    Args:
        config: A resolved configuration (integer layer, given width).
        hidden_size: Width d of the residual stream.
        generator: A CPU generator of the block's own; the only source of its initial values.
    """

    def __init__(self, config: TalanConfig, hidden_size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        if config.d_mem is None:
            raise ValueError("TalanBlock needs a resolved configuration")
        width, gamma = config.d_mem, config.grad_scale
        self._follows_stream, self._adds_in_float32 = config.write == "rms", config.stream == "float32"
        self.memory = CausalMemory(
            hidden_size, width, slots=config.slots, heads=config.heads, generator=generator, grad_scale=gamma
        )
        self.mixer = MIXERS[config.mixer](MixerShape.of(config, hidden_size), generator)
        self.writeback = (
            WRITEBACKS[config.writeback](hidden_size, grad_scale=gamma)
            if config.noise is None
            else Noise(hidden_size, gate=config.noise, generator=generator)
        )
        if self.writeback.needs_zero_output:
            self.mixer.zero_output()

    def forward(self, hidden: torch.Tensor, context: MemoryContext) -> torch.Tensor:
        """Write to the residual stream.

        Args:
            hidden: The residual stream, (batch, length, d), of any floating type; the block computes in that type.
            context: Mask, cache, and attention implementation of this pass.

        Returns:
            The new residual stream, (batch, length, d), in float32 where the configuration says so. Position t depends
            on positions up to t only.
        """
        if self._adds_in_float32:
            return hidden.float() + self.write(hidden, context).float()
        written: torch.Tensor = self.writeback(hidden, self.perturbation(hidden, context), context.positions)
        return written

    def write(self, hidden: torch.Tensor, context: MemoryContext) -> torch.Tensor:
        """Compute what is added to the residual stream, (batch, length, d); arguments as for `forward`."""
        nothing = torch.zeros_like(hidden)
        write: torch.Tensor = self.writeback(nothing, self.perturbation(hidden, context), context.positions)
        return write

    def perturbation(self, hidden: torch.Tensor, context: MemoryContext) -> torch.Tensor:
        """Compute H, (batch, length, d), of which stage 3 makes the write; arguments as for `forward`."""
        x = functional.rms_norm(hidden, hidden.shape[-1:], eps=_NORM_EPS)
        perturbation: torch.Tensor = self.mixer(x, self.memory(x, context))
        if self._follows_stream:
            size = hidden.float().square().mean(dim=-1, keepdim=True).sqrt()
            perturbation = perturbation * size.to(perturbation.dtype)
        return perturbation

    def set_trainable(self, scope: str) -> None:
        """Mark exactly the parameters of a scope as trainable; see `talan_core.config.SCOPES`."""
        for part in self.modules():
            if isinstance(part, Part):
                trained = part.trained_under(scope)
                for name, parameter in part.named_parameters(recurse=False):
                    parameter.requires_grad_(name in trained)


def block_parameters(config: TalanConfig, hidden_size: int) -> int:
    """Return the number of a block's parameters without building it.

    Args:
        config: A resolved configuration.
        hidden_size: Width d of the residual stream.
    """
    shape = MixerShape.of(config, hidden_size)
    memory = 2 * hidden_size * shape.width + config.slots * shape.width
    if config.noise is not None:
        return memory + MIXERS[config.mixer].count(shape) + Noise.numbers(hidden_size)
    return memory + MIXERS[config.mixer].count(shape) + (hidden_size if config.writeback == "gate" else 0)
