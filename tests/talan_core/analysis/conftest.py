"""A linear decoder, in which every quantity of the analysis has a closed form. Nothing here imports the analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from talan_core.arms import build, parse_arm
from talan_core.training.encoding import EncodedExample

WIDTH, LAYERS, WORDS, LAYER = 12, 4, 17, 1
GATE, SHIFT = 0.3, 0.7


class LinearConfig(PretrainedConfig):
    model_type = "linear-toy"
    hidden_size = WIDTH
    num_hidden_layers = LAYERS
    vocab_size = WORDS
    num_attention_heads = 4
    num_key_value_heads = 4


class LinearLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, hidden_states: torch.Tensor, **_: Any) -> torch.Tensor:
        return hidden_states + self.proj(hidden_states)


class LinearDecoder(PreTrainedModel):
    config_class = LinearConfig
    _supports_sdpa = True

    def __init__(self, config: LinearConfig) -> None:
        super().__init__(config)
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.layers = nn.ModuleList(LinearLayer() for _ in range(LAYERS))
        self.post_init()

    def forward(self, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        hidden = self.embed(input_ids)
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden


class LinearModel(PreTrainedModel, GenerationMixin):
    config_class = LinearConfig
    _supports_sdpa = True

    def __init__(self, config: LinearConfig) -> None:
        super().__init__(config)
        self.model = LinearDecoder(config)
        self.lm_head = nn.Linear(WIDTH, WORDS, bias=False)
        self.post_init()

    def get_decoder(self) -> LinearDecoder:
        return self.model

    def get_input_embeddings(self) -> nn.Embedding:
        return self.model.embed

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None, **_: Any) -> CausalLMOutput:
        return CausalLMOutput(logits=self.lm_head(self.model(input_ids, attention_mask=attention_mask)))


def linear_model() -> LinearModel:
    model = LinearModel(LinearConfig(attn_implementation="eager"))
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw) * (1.0 if "embed" in name else 0.15))
    return model.eval()


def trained(seed: int = 0, layer: int = LAYER, dtype: torch.dtype = torch.float32) -> Any:
    """An arm on the linear decoder whose write is the same vector at every position: gate times output shift."""
    model = build(
        linear_model().to(dtype), parse_arm(f"talan[layer={layer},slots=1,d_mem=8]+lora[r=2]"), seed=seed
    ).eval()
    draw = torch.Generator().manual_seed(100 + seed)
    block = model.talan.block
    with torch.no_grad():
        block.mixer.output_weight.zero_()
        block.mixer.output_shift.copy_(torch.randn(WIDTH, generator=draw) * SHIFT)
        block.writeback.gate.copy_(torch.randn(WIDTH, generator=draw) * GATE)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=draw) * 0.1)
    return model


EXAMPLES = (
    EncodedExample((3, 5, 7, 2, 9, 11, 1), 3),
    EncodedExample((4, 8, 15, 16, 2), 2),
    EncodedExample((6, 6, 1, 10, 12, 13, 14, 3, 5), 5),
)


@dataclass(frozen=True)
class Stream:
    """One example's residual stream in closed form: (L + 1, n, d) by state, and logits (n, V)."""

    hidden: dict[str, np.ndarray]
    logits: dict[str, np.ndarray]
    before: np.ndarray
    write: np.ndarray


def closed_form(model: Any, example: EncodedExample, layer: int = LAYER) -> Stream:
    """Compute streams with numpy from the weights alone: h_{l+1} = h_l + (W_l + s B_l A_l) h_l, and + p at l*."""
    own = {name: value.detach().double().numpy() for name, value in model.named_parameters()}
    get = lambda ending: next(value for name, value in own.items() if name.endswith(ending))  # noqa: E731
    scale = model.peft_config["default"].lora_alpha / model.peft_config["default"].r
    plain = [get(f"layers.{i}.proj.base_layer.weight") for i in range(LAYERS)]
    update = [
        scale * get(f"layers.{i}.proj.lora_B.default.weight") @ get(f"layers.{i}.proj.lora_A.default.weight")
        for i in range(LAYERS)
    ]
    write = get("writeback.gate") * get("mixer.output_shift")
    start = get("embed.weight")[list(example.input_ids)]
    hidden, logits, before = {}, {}, None
    for adapter in (1, 0):
        for block in (1, 0):
            at, seen = start, []
            for i in range(LAYERS):
                if i == layer and block:
                    before = at if adapter else before
                    at = at + write
                seen.append(at)
                at = at + at @ (plain[i] + adapter * update[i]).T
            hidden[f"{adapter}{block}"] = np.stack([*seen, at])
            logits[f"{adapter}{block}"] = at @ get("lm_head.weight").T
    return Stream(hidden, logits, before, write)


@pytest.fixture
def arm():
    """A factory: an arm on the linear decoder."""
    return trained


@pytest.fixture
def streams():
    """The closed form: a function of an arm, an example, and the layer of its block."""
    return closed_form


@pytest.fixture
def examples():
    return EXAMPLES
