"""What all partners have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peft import PeftConfig
    from torch import nn
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class Partner(ABC):
    """What is tuned beside the block, or without one: an adapter of PEFT, or a baseline.

    The class attributes say how it goes with a block, and how it is trained.
    """

    kind: ClassVar[str]
    """The name that an arm uses."""
    refuses_block: ClassVar[str] = ""
    """Why it cannot stand beside a TALAN or noise block; empty if it can."""
    rate_factor: ClassVar[float] = 1.0
    """Its default learning rate over LoRA's on the same backbone; docs/training.md has the sources."""
    trains_backbone: ClassVar[bool] = False
    """Whether it trains the backbone's own weights, all of them."""
    takes_quantized: ClassVar[frozenset[str]] = frozenset()
    """On which quantised backbones it can be trained; what PEFT 0.21 and bitsandbytes 0.50 were seen to do on a CPU."""
    is_mergeable: ClassVar[bool] = True
    """Whether what was trained is a change of weights, which `talan_core.merging` can merge."""
    recomputes: ClassVar[bool] = True
    """Whether it can be trained with gradient checkpointing."""

    def problems(self) -> list[str]:
        """Name each option that is out of range."""
        return []

    def _too_small(self, *names: str) -> list[str]:
        """Name the options below one."""
        return [f"{name}={getattr(self, name)}: must be at least 1" for name in names if getattr(self, name) < 1]

    def _no_probability(self, name: str = "dropout") -> list[str]:
        value = getattr(self, name)
        return [] if 0.0 <= value < 1.0 else [f"{name}={value}: must be in [0, 1)"]


@dataclass(frozen=True, kw_only=True)
class PeftPartner(Partner):
    """An adapter of PEFT."""

    @abstractmethod
    def peft_config(self, backbone: PreTrainedModel, seed: int) -> PeftConfig:
        """Build PEFT's configuration for a causal language model (loads PEFT).

        Args:
            backbone: The model to adapt; only its shape is read.
            seed: For what the adapter draws from a stream of its own.

        Raises:
            UserError: If the backbone does not fit the options.
        """


@dataclass(frozen=True, kw_only=True)
class PlainPartner(Partner):
    """A baseline that is no adapter of PEFT; `talan_core.plain` builds it."""

    lowest_layer: ClassVar[int] = 0
    """The first decoder layer that it can write to."""

    def layer_of(self, default: float) -> int | float | None:
        """Return the decoder layer whose input the baseline writes to, or None if it writes to none.

        Args:
            default: The layer of the backbone's operating point.
        """
        del default
        return None


def all_linear(backbone: PreTrainedModel) -> str | list[str]:
    """Return what PEFT is to adapt: all linear layers but the output head.

    Where transformers fuses the experts of a mixture into one tensor per layer, PEFT would make LoRA adapt that tensor
    and the router too, which most other adapters (and DoRA) cannot. Here every partner adapts the same layers, so
    experts and router are left alone.
    """
    fused = any(parameter.ndim > 2 for parameter in backbone.parameters())  # noqa: PLR2004 - experts, outputs, inputs
    return sorted({name.rpartition(".")[2] for name, _ in linear_layers(backbone)}) if fused else "all-linear"


def linear_layers(backbone: PreTrainedModel) -> Iterator[tuple[str, nn.Linear]]:
    """Iterate over the linear layers but the output head, with their full names, in the model's order."""
    from torch import nn  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

    head = backbone.get_output_embeddings()  # type: ignore[no-untyped-call] # untyped in transformers
    for name, module in backbone.named_modules():
        if isinstance(module, nn.Linear) and module is not head:
            yield name, module


def leaf_names(backbone: PreTrainedModel, wanted: tuple[str, ...]) -> list[str]:
    """Return which of some layer names the backbone's linear layers have."""
    found = {name.rpartition(".")[2] for name, _ in linear_layers(backbone)}
    return [name for name in wanted if name in found]


def check_block_size(kind: str, size: int, backbone: PreTrainedModel) -> None:
    """Check that a block size divides the input width of every linear layer.

    Raises:
        UserError: If it does not; the fix names the largest that does.
    """
    widths = {module.in_features for _, module in linear_layers(backbone)}
    fitting = math.gcd(size, *widths)
    if fitting != size:
        raise UserError(
            f"{kind}[block={size}] does not fit: the backbone's linear layers have {sorted(widths)} inputs.",
            f"Type {kind}[block={fitting}] or another divisor of all of them.",
        )
