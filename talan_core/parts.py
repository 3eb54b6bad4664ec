"""What the three stages have in common: how a parameter is declared, initialised, scaled, and marked trainable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class _ScaleGradient(torch.autograd.Function):
    """Identity forward, gradient times gamma backward.

    A tensor hook on the parameter would do the same but is lost by `copy.deepcopy`.
    """

    @staticmethod
    def forward(ctx: Any, parameter: torch.Tensor, gamma: float) -> torch.Tensor:  # noqa: ANN401 - torch's own context type
        ctx.gamma = gamma
        return parameter.view_as(parameter)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:  # noqa: ANN401 - torch's own context type
        return grads[0] * ctx.gamma, None


class Part(nn.Module):
    """A stage of the block.

    Parameters are bare tensors, not `nn.Linear`, and none has "bias" in its name: PEFT finds the modules that it adapts
    by type and name, and `bias="all"` claims every tensor with that word in its name for the partner's own checkpoint.
    """

    BIASES: ClassVar[Sequence[str]] = ()
    """Names of the attention biases of this part (trained under the scopes "gate_and_bias" and "all")."""
    GATES: ClassVar[Sequence[str]] = ()
    """Names of the gates of this part (trained under the scopes "gate", "gate_and_bias", and "all")."""

    def __init__(self, grad_scale: float) -> None:
        super().__init__()
        self.grad_scale = grad_scale

    def use(self, name: str, like: torch.Tensor) -> torch.Tensor:
        """Return a parameter as the forward pass uses it.

        Args:
            name: The attribute's name.
            like: The activations; the parameter is cast to their type, because the block keeps its parameters in 32
                bits.

        Returns:
            The parameter in the type of `like`, its gradient scaled by gamma.
        """
        parameter = cast("torch.Tensor", getattr(self, name))
        if self.grad_scale != 1.0 and parameter.requires_grad:
            scaled = _ScaleGradient.apply(parameter, self.grad_scale)  # type: ignore[no-untyped-call] # untyped in torch
            parameter = cast("torch.Tensor", scaled)
        return parameter.to(like.dtype)

    def trained_under(self, scope: str) -> set[str]:
        """Return the names of this part's own parameters that a scope trains."""
        if scope == "frozen":
            return set()
        if scope == "gate":
            return set(self.GATES)
        if scope == "gate_and_bias":
            return {*self.GATES, *self.BIASES}
        return {name for name, _ in self.named_parameters(recurse=False)}


def normal(shape: tuple[int, ...], std: float, generator: torch.Generator) -> nn.Parameter:
    """Draw a parameter from N(0, std^2) in 32 bits on the CPU, so that one seed gives the same values on every device.

    Args:
        shape: Shape of the tensor.
        std: Standard deviation.
        generator: The block's own CPU generator.
    """
    return nn.Parameter(torch.randn(shape, generator=generator) * std)


def zeros(*shape: int) -> nn.Parameter:
    """Return a parameter of zeros in 32 bits on the CPU."""
    return nn.Parameter(torch.zeros(shape))
