"""Bottleneck adapters as edits of a backbone: Pfeiffer's, Houlsby's, and AdapterFusion's mix of several.

The classes compute what the package `adapters` 1.3.0 computes in decoders whose norms stand before the sublayers
(`SeqBnConfig`, `DoubleSeqBnConfig`, `DynamicAdapterFusionConfig`); a test holds its outputs. Weights are in float32
and are cast to the type of the hidden states.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn
from torch.nn import functional

from talan_core.attach import decoder_layers, execution_device, find_decoder
from talan_core.errors import UserError
from talan_core.interventions import Edit
from talan_core.parts import normal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedModel

_SPREAD: Final = 0.02  # of initial weights, as the package `adapters` has them
_NEARLY_ZERO: Final = 1e-6
_PENALTY: Final = 0.01
_SUBLAYERS: Final = ("self_attn", "mlp")
_ACTIVATIONS: Final = {"relu": functional.relu, "silu": functional.silu}


class Linear(nn.Module):
    """A linear map that computes in the type of its input.

    Args:
        weight: Initial weights, (outputs, inputs).
        bias: Whether it has a bias, initially zero.
    """

    def __init__(self, weight: torch.Tensor, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(len(weight))) if bias else None

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map hidden states, (..., inputs), to (..., outputs)."""
        bias = None if self.bias is None else self.bias.to(hidden.dtype)
        return functional.linear(hidden, self.weight.to(hidden.dtype), bias)


class Bottleneck(nn.Module):
    """U act(D h + a) + b, which is added to something; zero before training. 2 r d + r + d parameters.

    Args:
        width: d, of the hidden states.
        rank: r, of the bottleneck.
        activation: "relu" or "silu".
        generator: A CPU generator, the only source of initial values.
    """

    def __init__(self, width: int, rank: int, activation: str, *, generator: torch.Generator) -> None:
        super().__init__()
        self.down = Linear(normal((rank, width), _SPREAD, generator))
        self.up = Linear(torch.zeros(width, rank))
        self._activation = activation

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return what is to be added, (..., d)."""
        result: torch.Tensor = self.up(_ACTIVATIONS[self._activation](self.down(hidden)))
        return result


class Added(nn.Module):
    """One adapter, added to what it sees.

    Args:
        adapter: The adapter.
    """

    def __init__(self, adapter: Bottleneck) -> None:
        super().__init__()
        self.adapter = adapter

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Edit hidden states, (batch, length, d)."""
        result: torch.Tensor = hidden + self.adapter(hidden)
        return result


class Fused(nn.Module):
    """The adapters of several domains at one layer, and attention over their outputs (Pfeiffer et al., 2021, 3.2).

    Args:
        width: d, of the hidden states.
        generator: A CPU generator, the only source of initial values.

    Attributes:
        adapters: One for each domain; none before the domains are known, and then nothing is edited.
        alone: Number of the adapter that is added by itself; None for the mix of all.
    """

    def __init__(self, width: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.adapters = nn.ModuleList()
        self.query = Linear(normal((width, width), _SPREAD, generator))
        self.key = Linear(normal((width, width), _SPREAD, generator))
        self.value = Linear(torch.full((width, width), _NEARLY_ZERO).fill_diagonal_(1.0), bias=False)
        self.alone: int | None = None

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Edit hidden states, (batch, length, d)."""
        if not self.adapters:
            return hidden
        if self.alone is not None:
            result: torch.Tensor = hidden + self.adapters[self.alone](hidden)
            return result
        seen = torch.stack([adapter(hidden) for adapter in self.adapters], dim=-2)  # (batch, length, domains, d)
        scores = (self.key(seen) @ self.query(hidden).unsqueeze(-1)).squeeze(-1)
        shares = torch.softmax(scores, dim=-1, dtype=torch.float32).to(hidden.dtype)
        mixed: torch.Tensor = hidden + (shares.unsqueeze(-2) @ self.value(seen)).squeeze(-2)
        return mixed


@dataclass(frozen=True)
class Shape:
    """What of a backbone bottlenecks depend on.

    Args:
        layers: Number of decoder layers.
        width: d, of the residual stream.
        rank: r, of the bottlenecks.
    """

    layers: int
    width: int
    rank: int


class BottleneckEdit(Edit, ABC):
    """Edits of what modules in all decoder layers return, one of `places` for each in their order.

    Args:
        places: What hidden states become, (batch, length, d) to the same.
    """

    def __init__(self, places: Iterable[nn.Module]) -> None:
        super().__init__()
        self.places = nn.ModuleList(places)

    @abstractmethod
    def targets(self, layer: nn.Module) -> tuple[nn.Module, ...]:
        """Return the modules of a decoder layer whose output is edited."""

    def edit(self, place: nn.Module, _: nn.Module, __: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401 - what a module returns
        """Edit the output of a module (hook on it), or the first part of it; None when switched off."""
        if not self.enabled:
            return None
        return (place(output[0]), *output[1:]) if isinstance(output, tuple) else place(output)

    def attach(self, backbone: PreTrainedModel) -> None:
        """Register the hooks; see `Edit.attach`."""
        targets = [one for layer in decoder_layers(find_decoder(backbone)) for one in self.targets(layer)]
        for place, target in zip(self.places, targets, strict=True):
            place.to(execution_device(target))
            self._handles.append(target.register_forward_hook(partial(self.edit, place)))


class PfeifferEdit(BottleneckEdit):
    """One adapter behind each decoder layer; see `partners.bottleneck.Pfeiffer`.

    Args:
        shape: Of backbone and bottlenecks.
        generator: A CPU generator, the only source of initial values.
    """

    def __init__(self, shape: Shape, *, generator: torch.Generator) -> None:
        super().__init__(
            Added(Bottleneck(shape.width, shape.rank, "relu", generator=generator)) for _ in range(shape.layers)
        )

    def targets(self, layer: nn.Module) -> tuple[nn.Module, ...]:
        """Return the layer itself."""
        return (layer,)


class HoulsbyEdit(BottleneckEdit):
    """One adapter on attention and one on the feed-forward part; see `partners.bottleneck.Houlsby`.

    Args:
        shape: Of backbone and bottlenecks.
        generator: A CPU generator, the only source of initial values.
    """

    def __init__(self, shape: Shape, *, generator: torch.Generator) -> None:
        super().__init__(
            Added(Bottleneck(shape.width, shape.rank, "silu", generator=generator))
            for _ in range(shape.layers * len(_SUBLAYERS))
        )

    def targets(self, layer: nn.Module) -> tuple[nn.Module, ...]:
        """Return attention and feed-forward part.

        Raises:
            UserError: The layer has other parts.
        """
        lacking = [name for name in _SUBLAYERS if not hasattr(layer, name)]
        if lacking:
            raise UserError(
                f"houlsby does not fit: the layers of this backbone ({type(layer).__name__}) have no {lacking[0]}.",
                "Use pfeiffer, which stands behind whole layers.",
            )
        return tuple(getattr(layer, name) for name in _SUBLAYERS)


class FusionEdit(BottleneckEdit):
    """Adapters of several domains behind each layer, and attention over them; see `partners.bottleneck.Fusion`.

    Args:
        shape: Of backbone and bottlenecks.
        domains: How many; 0 where training will say it.
        generator: A CPU generator, the only source of initial values.
    """

    places: nn.ModuleList

    def __init__(self, shape: Shape, domains: int, *, generator: torch.Generator) -> None:
        super().__init__(Fused(shape.width, generator=generator) for _ in range(shape.layers))
        self._shape = shape
        self._generator = generator
        self.grow(domains)

    @property
    def domains(self) -> int:
        """How many adapters there are at each layer."""
        return len(self._fused[0].adapters)

    @property
    def _fused(self) -> tuple[Fused, ...]:
        return tuple(place for place in self.places if isinstance(place, Fused))

    def targets(self, layer: nn.Module) -> tuple[nn.Module, ...]:
        """Return the layer itself."""
        return (layer,)

    def grow(self, domains: int) -> None:
        """Add adapters until there are so many at each layer.

        Raises:
            ValueError: There are more already.
        """
        if domains < self.domains:
            raise ValueError(f"{self.domains} adapters are there already, {domains} are asked for")
        for _ in range(domains - self.domains):
            for place in self._fused:
                adapter = Bottleneck(self._shape.width, self._shape.rank, "relu", generator=self._generator)
                place.adapters.append(adapter.to(place.value.weight.device))

    def learn(self, domain: int | None) -> None:
        """Let one domain's adapter act and learn alone; None lets all act, and queries, keys and values learn."""
        self.requires_grad_(requires_grad=False)
        for place in self._fused:
            place.alone = domain
            learned = (place.query, place.key, place.value) if domain is None else (place.adapters[domain],)
            for part in learned:
                part.requires_grad_(requires_grad=True)

    @torch.no_grad()
    def pull_values(self) -> None:
        """Add the gradient of the penalty that keeps the values near the identity: 0.01 times the squared distance."""
        for place in self._fused:
            weight = place.value.weight
            if weight.grad is not None:
                identity = torch.eye(len(weight), device=weight.device, dtype=weight.dtype)
                weight.grad.add_(weight - identity, alpha=2 * _PENALTY)

    def settled_options(self) -> dict[str, Any]:
        """Return the number of domains."""
        return {"domains": self.domains}
