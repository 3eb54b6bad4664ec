"""Stage 3, writeback: put the perturbation into the residual stream (Zhang et al., 2026).

The paper's two rules write exactly nothing at the start, so that a wrapped model is bit-equal to its backbone (our
requirement). `Noise` is a control of ours and no rule that a configuration can name.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

import torch
from torch import nn

from talan_core.parts import Part, zeros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Writeback(Part, ABC):
    """Base of the writeback rules.

    Args:
        hidden_size: Width d of the residual stream.
        grad_scale: gamma.
    """

    needs_zero_output: ClassVar[bool]
    """Whether the mixer's output projection has to start at zero for the write to be zero."""

    def __init__(self, hidden_size: int, *, grad_scale: float) -> None:
        del hidden_size
        super().__init__(grad_scale)

    @abstractmethod
    def forward(self, hidden: torch.Tensor, perturbation: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Write.

        Args:
            hidden: The residual stream, (batch, length, d).
            perturbation: H, (batch, length, d).
            positions: Position of each token in its own sequence, (batch or 1, length).

        Returns:
            The new residual stream, (batch, length, d).
        """


class Gate(Writeback):
    """h + g * H with a learned gate vector g of d numbers, zero at the start."""

    needs_zero_output = False
    GATES: ClassVar[Sequence[str]] = ("gate",)

    def __init__(self, hidden_size: int, *, grad_scale: float) -> None:
        super().__init__(hidden_size, grad_scale=grad_scale)
        self.gate = zeros(hidden_size)

    def forward(self, hidden: torch.Tensor, perturbation: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Write; see `Writeback.forward`."""
        del positions
        return hidden + self.use("gate", hidden) * perturbation


class Direct(Writeback):
    """h + H; the mixer's output projection starts at zero."""

    needs_zero_output = True

    def forward(self, hidden: torch.Tensor, perturbation: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Write; see `Writeback.forward`."""
        del positions
        return hidden + perturbation


class Noise(Writeback):
    """h_t + s |H_t| u_p: a control that writes as much as a block would, in a direction that means nothing (ours).

    |H_t| is the Euclidean norm of the block's own perturbation at that position, so the write has exactly the norm of
    the write g * H_t of a block of the same seed and configuration whose gate is |g_i| = s everywhere. The unit vector
    u_p is proportional to cos(omega p + phi) with d frequencies and phases drawn from the block's seed, p being the
    token's position in its sequence: it depends on neither content nor neighbours, it is the same whenever the
    position is computed again (cached, padded, packed), and the directions of any two positions are nearly orthogonal.

    Not covered: positions beyond about 10^6, where 32-bit phases lose their accuracy (the write stays deterministic).

    Args:
        hidden_size: Width d of the residual stream.
        gate: s.
        generator: The block's own CPU generator.
    """

    needs_zero_output = False

    def __init__(self, hidden_size: int, *, gate: float, generator: torch.Generator) -> None:
        super().__init__(hidden_size, grad_scale=1.0)
        self.size = nn.Parameter(torch.tensor(float(gate)))
        self.frequency = nn.Parameter(torch.rand(hidden_size, generator=generator) * 2 * math.pi)
        self.phase = nn.Parameter(torch.rand(hidden_size, generator=generator) * 2 * math.pi)

    @staticmethod
    def numbers(hidden_size: int) -> int:
        """Return how many numbers it stores; none is ever trained."""
        return 2 * hidden_size + 1

    def forward(self, hidden: torch.Tensor, perturbation: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Write; see `Writeback.forward`."""
        waves = torch.cos(positions.to(hidden.device).unsqueeze(-1) * self.frequency + self.phase)
        direction = waves / waves.norm(dim=-1, keepdim=True)
        size = self.size * perturbation.float().norm(dim=-1, keepdim=True)
        written: torch.Tensor = hidden + (size * direction).to(hidden.dtype)
        return written


WRITEBACKS: Final[Mapping[str, type[Writeback]]] = {"gate": Gate, "direct": Direct}
"""The writeback rules by the name that `TalanConfig.writeback` takes."""
