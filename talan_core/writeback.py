"""Stage 3, writeback: put the perturbation into the residual stream (Zhang et al., 2026).

Both rules write exactly nothing at the start, so that a wrapped model is bit-equal to its backbone (our requirement).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from talan_core.parts import Part, zeros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch


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
    def forward(self, hidden: torch.Tensor, perturbation: torch.Tensor) -> torch.Tensor:
        """Write.

        Args:
            hidden: The residual stream, (batch, length, d).
            perturbation: H, (batch, length, d).

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

    def forward(self, hidden: torch.Tensor, perturbation: torch.Tensor) -> torch.Tensor:
        """Write; see `Writeback.forward`."""
        return hidden + self.use("gate", hidden) * perturbation


class Direct(Writeback):
    """h + H; the mixer's output projection starts at zero."""

    needs_zero_output = True

    def forward(self, hidden: torch.Tensor, perturbation: torch.Tensor) -> torch.Tensor:
        """Write; see `Writeback.forward`."""
        return hidden + perturbation


WRITEBACKS: Final[Mapping[str, type[Writeback]]] = {"gate": Gate, "direct": Direct}
"""The writeback rules by the name that `TalanConfig.writeback` takes."""
