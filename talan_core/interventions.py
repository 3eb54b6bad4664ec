"""What edits activations: the base of all edits, and those of the input of one layer, LoReFT and steering vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn
from torch.nn import functional

from talan_core.attach import decoder_layers, execution_device, find_decoder, hidden_of, with_hidden
from talan_core.parts import normal

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle
    from transformers import PreTrainedModel


class Edit(nn.Module, ABC):
    """A change of activations by hooks in a backbone. It mixes no positions, so that it is causal by itself.

    Attributes:
        enabled: Whether it changes anything now.
    """

    changes_stream: ClassVar[bool] = True
    """Says to `talan_core.attach.check_untouched` whose hook this is."""

    def __init__(self) -> None:
        super().__init__()
        self.enabled = True
        self._handles: list[RemovableHandle] = []

    @abstractmethod
    def attach(self, backbone: PreTrainedModel) -> None:
        """Register the hooks, and move to the device of the layers."""

    def detach(self) -> None:
        """Take the hooks out of the backbone."""
        while self._handles:
            self._handles.pop().remove()

    def settled_options(self) -> dict[str, Any]:
        """Return the partner's options that were settled when the edit was made or trained, for the checkpoint."""
        return {}


class Intervention(Edit, ABC):
    """An edit of the input of one decoder layer.

    Args:
        layer: Number of the decoder layer.
    """

    def __init__(self, layer: int) -> None:
        super().__init__()
        self.layer = layer

    @abstractmethod
    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Edit hidden states, (batch, length, d), of any floating type."""

    def settle(self) -> None:
        """Finish the initial values on the device that computes them."""

    def edit(
        self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Edit the input of the layer (hook on the layer); None when switched off."""
        if not self.enabled:
            return None
        return with_hidden(args, kwargs, self(hidden_of(args, kwargs)))

    def attach(self, backbone: PreTrainedModel) -> None:
        """Register the hook; see `Edit.attach`."""
        layer = decoder_layers(find_decoder(backbone))[self.layer]
        self.to(execution_device(layer))
        self.settle()
        self._handles.append(layer.register_forward_pre_hook(self.edit, with_kwargs=True))

    def settled_options(self) -> dict[str, Any]:
        """Return the number of the layer."""
        return {"layer": self.layer}


class LoReftEdit(Intervention):
    """h + R^T (W h + b - R h), R with orthonormal rows (Wu et al., 2024, equation 2); see `partners.plain.LoReft`.

    R is the orthogonal factor of a free matrix, so that gradient steps keep it orthonormal. r (2 d + 1) parameters.

    Args:
        hidden_size: Width d of the residual stream.
        rank: r.
        layer: Number of the decoder layer.
        generator: A CPU generator, the only source of the initial values.
    """

    def __init__(self, hidden_size: int, rank: int, layer: int, *, generator: torch.Generator) -> None:
        super().__init__(layer)
        self.rotation = normal((hidden_size, rank), hidden_size**-0.5, generator)
        self.source = nn.Parameter(torch.zeros(rank, hidden_size))
        self.shift = nn.Parameter(torch.zeros(rank))

    def settle(self) -> None:
        """Let W start as R, computed where it will be computed again, so that their difference is exactly zero."""
        with torch.no_grad():
            self.source.copy_(self.rows())

    def rows(self) -> torch.Tensor:
        """Return R, (r, d)."""
        rows: torch.Tensor = torch.linalg.qr(self.rotation).Q.T
        return rows

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Edit; see `Intervention.forward`."""
        rows = self.rows()
        # One product with the difference of the two matrices: at the start it is zero, and so is the edit, bit by bit.
        change = functional.linear(hidden, (self.source - rows).to(hidden.dtype), self.shift.to(hidden.dtype))
        return hidden + change @ rows.to(hidden.dtype)


class SteeringEdit(Intervention):
    """h + scale * v; v is zero until `talan_core.training.steering` has computed it. See `partners.plain.ActAdd`.

    Args:
        hidden_size: Width d of the residual stream.
        scale: Factor on v.
        layer: Number of the decoder layer.
    """

    vector: torch.Tensor

    def __init__(self, hidden_size: int, scale: float, layer: int) -> None:
        super().__init__(layer)
        self.scale = scale
        self.register_buffer("vector", torch.zeros(hidden_size))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Edit; see `Intervention.forward`."""
        return hidden + (self.scale * self.vector).to(hidden.dtype)
