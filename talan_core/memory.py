"""Stage 1, summarize: a causal latent memory of T slots (Zhang et al., 2026; the causal form is ours).

The paper compresses the active sequence X into a memory Z. A memory over the whole sequence would show a token its own
future while training with teacher forcing. Ours is causal: position t reads a memory Z_t that is built from the tokens
up to t only. That is exactly causal attention whose T queries ("theme queries") are constants, so its keys and values
can live in the model's own key-value cache, as one layer more than the model has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from talan_core.parts import Part, normal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transformers.cache_utils import Cache

BORDERS: Final = ("position_ids", "cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "seq_idx")
"""Arguments of transformers' attention interface that say where one sequence of a row ends and the next begins."""


@dataclass(frozen=True)
class MemoryContext:
    """What one forward pass of the backbone tells the memory.

    Args:
        mask: The attention mask as `transformers.masking_utils.create_causal_mask` makes it; None means plain causal.
        cache: The model's key-value cache, or None when nothing is cached.
        cache_layer: Index of the memory's own layer in that cache.
        attention: Name of the attention implementation ("sdpa", "eager", ...), or a function like those.
        positions: Position of each token in its own sequence, (batch or 1, length). Only the noise control reads it.
        borders: What the decoder layer hands to its own attention under the names of `BORDERS`. Attention
            implementations without masks (flash attention) keep packed sequences apart by these alone.
    """

    mask: torch.Tensor | None
    cache: Cache | None
    cache_layer: int
    attention: str | Callable[..., tuple[torch.Tensor, Any]]
    positions: torch.Tensor
    borders: Mapping[str, Any] = field(default_factory=dict)


class CausalMemory(Part):
    """Causal attention of T constant queries over the sequence.

    Z_t = softmax(q K_{<=t}^T / sqrt(m / H)) V_{<=t} with K = X W_k^T and V = X W_v^T, for each of T theme queries q and
    H heads. There are no position encodings: a theme reads by content. As grouped-query attention the block has H
    key-value heads and H * T query heads.

    Args:
        hidden_size: Width d of the residual stream.
        width: Width m of the memory.
        slots: Number T of slots.
        heads: Number H of heads; divides m.
        generator: The block's own CPU generator.
        grad_scale: gamma.
    """

    is_causal: ClassVar[bool] = True

    def __init__(
        self, hidden_size: int, width: int, *, slots: int, heads: int, generator: torch.Generator, grad_scale: float
    ) -> None:
        super().__init__(grad_scale)
        self.slots, self.heads = slots, heads
        # Read by transformers' attention functions: how many query heads share one key-value head.
        self.num_key_value_groups = slots
        self.themes = normal((slots, width), 1.0, generator)
        self.key_weight = normal((width, hidden_size), hidden_size**-0.5, generator)
        self.value_weight = normal((width, hidden_size), hidden_size**-0.5, generator)

    def forward(self, x: torch.Tensor, context: MemoryContext) -> torch.Tensor:
        """Summarize.

        Args:
            x: Normalised hidden states, (batch, length, d).
            context: Mask, cache, and attention implementation of this pass.

        Returns:
            The memory of each position, (batch, length, T, m).
        """
        batch, length, _ = x.shape
        shape = (batch, length, self.heads, -1)
        keys = functional.linear(x, self.use("key_weight", x)).view(shape).transpose(1, 2)
        values = functional.linear(x, self.use("value_weight", x)).view(shape).transpose(1, 2)
        if context.cache is not None:
            keys, values = context.cache.update(keys, values, context.cache_layer)
        head_dim = keys.shape[-1]
        # Query head h * T + t belongs to key-value head h, the order that repeat_kv implies. Without contiguous() the
        # stride-0 queries make the CPU flash-attention backward in bf16 several hundred times slower.
        themes = self.use("themes", x).view(self.slots, self.heads, head_dim).transpose(0, 1)
        queries = themes.reshape(1, -1, 1, head_dim).expand(batch, -1, length, -1).contiguous()
        named = context.attention
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(named, eager_attention) if isinstance(named, str) else named
        out, _ = attend(
            self, queries, keys, values, context.mask, dropout=0.0, scaling=head_dim**-0.5, **context.borders
        )
        # (batch, length, H * T, m / H) -> (batch, length, T, m)
        by_head: torch.Tensor = out.view(batch, length, self.heads, self.slots, head_dim)
        return by_head.transpose(2, 3).reshape(batch, length, self.slots, -1)


def eager_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,  # noqa: ANN401 - the signature is transformers' attention interface
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend with plain matrix products, for the implementation that transformers calls "eager".

    Args:
        module: The memory; its `num_key_value_groups` query heads share one key-value head.
        query: (batch, H * T, length, m / H).
        key: (batch, H, keys, m / H).
        value: (batch, H, keys, m / H).
        attention_mask: Additive mask, (batch, 1, length, keys).
        scaling: Factor on the scores.
        dropout: Must be zero: a random draw here would shift the random stream between the arms of a pair.

    Returns:
        The output, (batch, length, H * T, m / H), and the weights, (batch, H * T, length, keys).
    """
    if dropout != 0.0:
        raise ValueError("TALAN's memory has no dropout")
    groups = cast("int", module.num_key_value_groups)
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    return (weights @ value).transpose(1, 2).contiguous(), weights
