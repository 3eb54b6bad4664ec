"""Stage 2, remix: turn the memory into a perturbation of each token (Zhang et al., 2026).

A mixer is one subclass of `Mixer` here, one entry in `MIXERS`, and one line of description in
`talan_core.config.MIXERS`. In the formulas x is the normalised hidden state of a position (d numbers), Z its memory
(T slots of m numbers), and H the perturbation (d numbers).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import torch
from torch import nn
from torch.nn import functional

from talan_core.parts import Part, normal, zeros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_core.config import TalanConfig

_NORM_EPS: Final = 1e-6


@dataclass(frozen=True)
class MixerShape:
    """What a mixer is built from.

    Args:
        hidden_size: Width d of the residual stream.
        width: Width m of the memory.
        heads: Number of attention heads; divides m.
        components: Number K of components of an ensemble.
        grad_scale: gamma.
    """

    hidden_size: int
    width: int
    heads: int
    components: int
    grad_scale: float

    @classmethod
    def of(cls, config: TalanConfig, hidden_size: int) -> MixerShape:
        """Read the shape out of a resolved configuration."""
        if config.d_mem is None:
            raise ValueError("a mixer needs a resolved configuration")
        return cls(hidden_size, config.d_mem, config.heads, config.components, config.grad_scale)


class Mixer(Part, ABC):
    """Base of the mixers.

    Args:
        shape: Widths and numbers of parts.
        generator: The block's own CPU generator.
    """

    def __init__(self, shape: MixerShape, generator: torch.Generator) -> None:
        del generator
        super().__init__(shape.grad_scale)
        self.heads = shape.heads

    @staticmethod
    @abstractmethod
    def count(shape: MixerShape) -> int:
        """Return the number of parameters, without building anything."""

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

    def _project(self, inputs: torch.Tensor, name: str) -> torch.Tensor:
        """Apply the projection of a name, with its shift if this mixer has one."""
        shift = self.use(f"{name}_shift", inputs) if f"{name}_shift" in self.BIASES else None
        return functional.linear(inputs, self.use(f"{name}_weight", inputs), shift)


class _OneOutput(Mixer):
    """A mixer that ends in one output projection, `output_weight`."""

    def __init__(self, shape: MixerShape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        d, m = shape.hidden_size, shape.width
        self.query_weight = normal((m, d), d**-0.5, generator)
        if self._HAS_KEYS:
            self.key_weight = normal((m, m), m**-0.5, generator)
        self.value_weight = normal((m, m), m**-0.5, generator)
        self.output_weight = normal((d, m), m**-0.5, generator)
        for name in self.BIASES:
            setattr(self, name, zeros(d if name == "output_shift" else m))

    _HAS_KEYS: ClassVar[bool] = True

    def zero_output(self) -> None:
        """Set the output projection to zero; its bias already is."""
        with torch.no_grad():
            self.output_weight.zero_()


class MultiheadLocal(_OneOutput):
    """H = MHA(x, Z, Z), each position over its own T slots (Zhang et al., 2026).

    Queries come from the token, keys and values from its memory; all four projections have biases, which start at zero.
    With T = 1 the attention is constant and only the value path remains. 2 d m + 2 m^2 + 3 m + d parameters.
    """

    BIASES: ClassVar[Sequence[str]] = ("query_shift", "key_shift", "value_shift", "output_shift")

    @staticmethod
    def count(shape: MixerShape) -> int:
        """Return the number of parameters."""
        d, m = shape.hidden_size, shape.width
        return 2 * d * m + 2 * m * m + 3 * m + d

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


class CrossAttn(_OneOutput):
    """H = W_o softmax(q K^T / sqrt(m)) V with q = W_q x, K = W_k Z', V = W_v Z', and Z' the slots at unit RMS.

    Zhang et al. (2026) name a cross-attention mixer and give no form. Ours is the plainest one that differs from
    `multihead_local`: one head over the whole width, no biases, and normalised slots, so that a slot is chosen by its
    direction and not by its size. 2 d m + 2 m^2 parameters. Without biases the scope `gate_and_bias` is refused.
    """

    @staticmethod
    def count(shape: MixerShape) -> int:
        """Return the number of parameters."""
        return 2 * shape.hidden_size * shape.width + 2 * shape.width**2

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """Mix; see `Mixer.forward`."""
        slots = functional.rms_norm(memory, memory.shape[-1:], eps=_NORM_EPS)
        keys, values = self._project(slots, "key"), self._project(slots, "value")
        scores = (self._project(x, "query").unsqueeze(2) * keys).sum(-1) * keys.shape[-1] ** -0.5
        weights = scores.softmax(dim=2, dtype=torch.float32).to(x.dtype)
        return self._project((weights.unsqueeze(-1) * values).sum(2), "output")


class Ensemble(Mixer):
    """H = sum_k softmax(a)_k MHA_k(x, Z, Z): K independent `MultiheadLocal` on one memory, mixed by K learned numbers.

    The weight audit of Zhang et al. (2026) speaks of ensemble components and their mixture weights; that the components
    are `multihead_local` and share the memory is ours. The mixture starts uniform (a = 0). The scope `gate_and_bias`
    trains the biases of every component; the mixture weights are trained under `all` only.
    K (2 d m + 2 m^2 + 3 m + d) + K parameters.
    """

    def __init__(self, shape: MixerShape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.components = nn.ModuleList(MultiheadLocal(shape, generator) for _ in range(shape.components))
        self.mixture = zeros(shape.components)

    @staticmethod
    def count(shape: MixerShape) -> int:
        """Return the number of parameters."""
        return shape.components * (MultiheadLocal.count(shape) + 1)

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """Mix; see `Mixer.forward`."""
        shares = self.use("mixture", x).softmax(dim=0, dtype=torch.float32).to(x.dtype)
        parts = [component(x, memory) for component in self.components]
        mixed: torch.Tensor = torch.stack([share * part for share, part in zip(shares, parts, strict=True)]).sum(0)
        return mixed

    def zero_output(self) -> None:
        """Set every component's output projection to zero."""
        for component in self.components:
            if isinstance(component, MultiheadLocal):
                component.zero_output()


class Glu(_OneOutput):
    """H = W_o (silu(W_q x + b_q) * (W_v mean_T(Z) + b_v)) + b_o: the token gates what it reads, channel by channel.

    Ours, not the paper's. Softmax attention over T slots leaves a token T - 1 degrees of freedom per head, none at all
    for T = 1, and Zhang et al. (2026) find few slots best. Here a token has m of them at any T, and the key projection
    is saved. It answers whether a gain belongs to attention over slots or to any conditional side path.
    2 d m + m^2 + 2 m + d parameters.
    """

    BIASES: ClassVar[Sequence[str]] = ("query_shift", "value_shift", "output_shift")
    _HAS_KEYS: ClassVar[bool] = False

    @staticmethod
    def count(shape: MixerShape) -> int:
        """Return the number of parameters."""
        d, m = shape.hidden_size, shape.width
        return 2 * d * m + m * m + 2 * m + d

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """Mix; see `Mixer.forward`."""
        opening = functional.silu(self._project(x, "query"))
        return self._project(opening * self._project(memory.mean(2), "value"), "output")


MIXERS: Final[Mapping[str, type[Mixer]]] = {
    "multihead_local": MultiheadLocal,
    "cross_attn": CrossAttn,
    "ensemble": Ensemble,
    "glu": Glu,
}
"""The mixers by the name that `TalanConfig.mixer` takes."""
