"""vLLM's models with a block: the same classes, one of whose decoder layers writes to its own input first.

Not covered, and refused: pipeline parallelism. Not verified: tensor parallelism (every rank computes the whole block),
CUDA and its graphs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from vllm.model_executor.layers.layernorm import RMSNorm
from vllm.model_executor.models.llama import LlamaForCausalLM
from vllm.model_executor.models.qwen2 import Qwen2ForCausalLM
from vllm.model_executor.models.qwen3 import Qwen3ForCausalLM
from vllm.model_executor.models.qwen3_moe import Qwen3MoeForCausalLM

from talan_core.carrier import check_shape
from talan_core.checkpoint import read_record
from talan_core.config import TalanConfig
from talan_core.errors import UserError
from talan_core.integrations.vllm import CONFIG_KEY
from talan_core.integrations.vllm.paged_block import PagedBlock, memory_attention

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn
    from vllm.config import ModelConfig, VllmConfig

_OF_BLOCK = "block."  # names in talan_model.safetensors, which vLLM's loader reads where it lies beside the backbone


@dataclass(frozen=True)
class BlockSource:
    """Which block a model has, as the key "talan" of its configuration says.

    Args:
        config: The resolved configuration.
        checkpoint: The directory of `talan_config.json` and `talan_model.safetensors`, which is read when the model is
            loaded; None for a block that writes nothing until a checkpoint is opened.
    """

    config: TalanConfig
    checkpoint: Path | None

    @classmethod
    def of(cls, model_config: ModelConfig) -> BlockSource:
        """Read {"checkpoint": DIR}, relative to the model's own directory, or {"config": `TalanConfig` as JSON}.

        Raises:
            UserError: It is neither, or the directory holds no block for this backbone.
        """
        said, text = getattr(model_config.hf_config, CONFIG_KEY, None), model_config.hf_text_config
        ((key, value),) = said.items() if isinstance(said, dict) and len(said) == 1 else [("", None)]
        if key == "config" and isinstance(value, dict):
            return cls(TalanConfig.from_dict(value).resolve(text.hidden_size, text.num_hidden_layers), None)
        if key == "checkpoint" and isinstance(value, str):
            directory = Path(model_config.model) / value
            record = read_record(directory)
            check_shape(record, text, directory)
            return cls(record.config.resolve(text.hidden_size, text.num_hidden_layers), directory)
        raise UserError(
            f"A TALAN architecture needs to know its block, and the configuration says {CONFIG_KEY}={said!r}.",
            "Write a directory for vLLM, and serve that: python -m talan_core.integrations.vllm CHECKPOINT DIR",
        )


class TalanMixin:
    """What a model of vLLM gains by a block; it stands before that model's class."""

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "", **options: Any) -> None:  # noqa: ANN401 - vLLM's signature
        if vllm_config.parallel_config.pipeline_parallel_size > 1:
            raise UserError("TALAN in vLLM has no pipeline parallelism.", "Leave --pipeline-parallel-size out.")
        super().__init__(vllm_config=vllm_config, prefix=prefix, **options)  # type: ignore[call-arg] # of vLLM's model
        source = BlockSource.of(vllm_config.model_config)
        number = int(source.config.layer)
        decoder: Any = self.model  # type: ignore[attr-defined] # of vLLM's model
        layer = decoder.layers[number]
        layer.talan_attention = memory_attention(
            source.config, vllm_config, f"{prefix}{'.' if prefix else ''}model.layers.{number}.talan_attention"
        )
        layer.talan = PagedBlock(
            source.config, vllm_config.model_config.hf_text_config.hidden_size, vllm_config, layer.talan_attention
        )
        layer.__class__ = _writing(type(layer))
        if source.config.stream == "float32":
            _add_up_in_float32([*decoder.layers[number:], decoder])
        self.talan: PagedBlock = layer.talan
        self._checkpoint = source.checkpoint

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Any:  # noqa: ANN401 - vLLM's signature
        """Load the backbone, and the block with the first weights; later ones are the backbone's alone."""
        loaded = super().load_weights((name, value) for name, value in weights if not name.startswith(_OF_BLOCK))  # type: ignore[misc] # of vLLM's model
        if self._checkpoint is not None:
            self.talan.read(self._checkpoint)
            self._checkpoint = None
        return loaded


def _writing(kind: type[nn.Module]) -> type[nn.Module]:
    """Return a class of decoder layers that lets `self.talan` write to a layer's input; an instance of the old one."""

    class Writing(kind):  # type: ignore[misc, valid-type] # a class that is only known here
        def forward(
            self,
            positions: torch.Tensor,
            hidden_states: torch.Tensor,
            residual: torch.Tensor | None,
            **more: Any,  # noqa: ANN401 - vLLM's signature
        ) -> Any:  # noqa: ANN401 - as above
            if self.talan.is_absent:
                return super().forward(positions, hidden_states, residual, **more)
            # The input of a layer is the sum of the two; handed on without a residual, it becomes the residual.
            stream = hidden_states if residual is None else hidden_states + residual
            return super().forward(positions, self.talan(stream, positions), None, **more)

    Writing.__name__ = Writing.__qualname__ = f"Talan{kind.__name__}"
    return Writing


class _WideNorm(RMSNorm):  # type: ignore[misc] # vLLM is not typed here
    """A norm of a residual stream in float32, whose output has the type of its own weight."""

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> Any:  # noqa: ANN401 - vLLM's signature
        stream = x.float() if residual is None else x.float() + residual.float()
        scale = torch.rsqrt(stream.square().mean(dim=-1, keepdim=True) + self.variance_epsilon)
        normed = (stream * scale * self.weight).to(self.weight.dtype)
        return normed if residual is None else (normed, stream)


def _add_up_in_float32(places: Iterable[nn.Module]) -> None:
    """Let the norms of some decoder layers, and the last one, take a stream in float32; see `config.STREAMS`."""
    for place in places:
        for norm in place.children():
            if isinstance(norm, RMSNorm):
                norm.__class__ = _WideNorm


class TalanLlamaForCausalLM(TalanMixin, LlamaForCausalLM):  # type: ignore[misc] # vLLM is not typed here
    """Llama with a block."""


class TalanQwen2ForCausalLM(TalanMixin, Qwen2ForCausalLM):  # type: ignore[misc] # as above
    """Qwen2 with a block."""


class TalanQwen3ForCausalLM(TalanMixin, Qwen3ForCausalLM):  # type: ignore[misc] # as above
    """Qwen3 with a block."""


class TalanQwen3MoeForCausalLM(TalanMixin, Qwen3MoeForCausalLM):  # type: ignore[misc] # as above
    """Qwen3-MoE with a block."""
