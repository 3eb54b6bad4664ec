"""A block whose memory lives in vLLM's paged key-value cache.

Stage 1 is attention of H * T constant query heads over H key-value heads, so it is one more `Attention` layer: paging,
chunked prefill, prefix caching and continuous batching are vLLM's and need no further code. Everything else of the
block works on single positions and is `talan_core.block.TalanBlock` as it stands.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn import functional
from vllm.model_executor.layers.attention import Attention

from talan_core.block import TalanBlock
from talan_core.checkpoint import BLOCK_WEIGHTS, read_block, read_record
from talan_core.memory import MemoryContext
from talan_core.stored import check_tensors, misfit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vllm.config import VllmConfig

    from talan_core.config import TalanConfig

HEAD_SIZES: Final = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256)
"""Head sizes that vLLM's attention has on all devices."""
_CHANGES_NO_VALUE: Final = ("scope", "grad_scale", "lr_scale", "noise")
_PREFIX: Final = "block."


class PagedAttention:
    """vLLM's attention under the signature of transformers' attention functions.

    Heads of a size that vLLM has not are filled up with zeros, which changes no product; the scale is the true size's.

    Args:
        layer: The attention layer, of H * T query heads and H key-value heads.
    """

    def __init__(self, layer: Attention) -> None:
        self.layer = layer

    def __call__(
        self,
        _: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        *__: Any,  # noqa: ANN401 - a mask, which the cache stands in for
        **___: Any,  # noqa: ANN401 - scale and dropout, which are known
    ) -> tuple[torch.Tensor, None]:
        """Attend; vLLM's forward context says which tokens belong to which sequence.

        Args:
            query: (1, H * T, tokens, head size).
            key: (1, H, tokens, head size).
            value: (1, H, tokens, head size).

        Returns:
            (1, tokens, H * T, head size), and no weights.
        """
        size = query.shape[-1]
        out = self.layer(*(self._filled(heads) for heads in (query, key, value)))
        by_head = out.view(out.shape[0], -1, self.layer.head_size)[..., :size]
        return by_head.contiguous().unsqueeze(0), None

    def _filled(self, heads: torch.Tensor) -> torch.Tensor:
        by_token = heads[0].transpose(0, 1)
        return functional.pad(by_token, (0, self.layer.head_size - heads.shape[-1])).flatten(1)


class PagedBlock:
    """A block, silent until it has read a checkpoint.

    It is no module of the model on purpose: what loads, reloads, quantises or adapts the backbone finds nothing in it.

    Args:
        config: A resolved configuration.
        hidden_size: Width d of the backbone.
        vllm_config: vLLM's configuration.
        layer: The attention layer that `memory_attention` made.

    Attributes:
        is_absent: Whether the layer is to run as if there were no block. Adding zero to a stream would round it in
            bfloat16 where the layer's own norm takes a sum that is not rounded; a stream in float32 stays one.
    """

    def __init__(self, config: TalanConfig, hidden_size: int, vllm_config: VllmConfig, layer: Attention) -> None:
        self.config = config
        with torch.device("cpu"), _default_type(torch.float32):  # vLLM's own are the device's and the model's
            self.block = TalanBlock(config, hidden_size, generator=torch.Generator().manual_seed(0))
        self.block.requires_grad_(requires_grad=False).eval().to(vllm_config.device_config.device)
        self._attend = PagedAttention(layer)
        self.silence()

    def __call__(self, hidden: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Write to the residual stream.

        Args:
            hidden: The residual stream of all tokens of a pass, (tokens, d).
            positions: Position of each token in its own sequence, (tokens,).

        Returns:
            The new residual stream, (tokens, d); see `TalanBlock.forward` for its type.
        """
        context = MemoryContext(
            mask=None, cache=None, cache_layer=0, attention=self._attend, positions=positions.unsqueeze(0)
        )
        written: torch.Tensor = self.block(hidden.unsqueeze(0), context)
        return written[0]

    def silence(self) -> None:
        """Write exactly nothing from now on: with all its numbers zero, every mixer and every rule writes zero."""
        for parameter in self.block.parameters():
            parameter.zero_()
        self.is_absent = self.config.stream == "native"

    def read(self, directory: Path) -> None:
        """Take a checkpoint's block over; what was cached of another one must be forgotten then.

        Args:
            directory: What `save_pretrained` wrote.

        Raises:
            UserError: It is damaged, or its block is of another shape.
        """
        record = read_record(directory)
        if unlike := differing(record.config, self.config):
            raise misfit(directory, f"\n  its block differs from that of the engine in {', '.join(unlike)}")
        tensors = read_block(directory, record.config)
        found = {name.removeprefix(_PREFIX): value for name, value in tensors.items()}
        check_tensors(directory / BLOCK_WEIGHTS, found, self.block.state_dict())
        self.block.load_state_dict(found)
        self.is_absent = False


def differing(one: TalanConfig, other: TalanConfig) -> list[str]:
    """Return the options in which two blocks differ so that one cannot take the other's numbers."""
    mine, its = one.to_dict(), other.to_dict()
    names = {name for name in (*mine, *its) if name not in _CHANGES_NO_VALUE and mine.get(name) != its.get(name)}
    return sorted(names | ({"noise"} if (one.noise is None) != (other.noise is None) else set()))


def memory_attention(config: TalanConfig, vllm_config: VllmConfig, prefix: str) -> Attention:
    """Make the attention layer of a block's memory.

    Args:
        config: A resolved configuration.
        vllm_config: vLLM's configuration.
        prefix: Its name in the model, which holds the number of the decoder layer and no other.

    Raises:
        ValueError: Its heads are larger than vLLM's, or the cache forgets.
    """
    if config.d_mem is None:
        raise ValueError("a memory needs a resolved configuration")
    size = config.d_mem // config.heads
    filled = next((known for known in HEAD_SIZES if known >= size), None)
    if filled is None:
        raise ValueError(f"heads of {size} numbers are larger than vLLM's largest, {HEAD_SIZES[-1]}")
    if vllm_config.cache_config.sliding_window is not None:
        raise ValueError("the memory is over all earlier tokens, and vLLM's cache for this model is a sliding window")
    return Attention(
        config.heads * config.slots,
        filled,
        size**-0.5,
        num_kv_heads=config.heads,
        cache_config=vllm_config.cache_config,
        prefix=prefix,
    )


@contextlib.contextmanager
def _default_type(kind: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
