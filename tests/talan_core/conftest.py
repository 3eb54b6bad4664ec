"""Tiny random backbones and a tiny tokenizer, made in the process: no file and no network is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from talan_core.arms import build, parse_arm
from talan_core.training.data import Example

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedModel

SPECIAL = ["<pad>", "<eos>", "<user>", "<assistant>", "<end>"]
TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
SHAPE: dict[str, Any] = {
    "vocab_size": 261,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": None,
}
FAMILIES: dict[str, tuple[type, type, dict[str, Any]]] = {
    "llama": (LlamaConfig, LlamaForCausalLM, {}),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {}),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, {"head_dim": 8}),
    "qwen3_moe": (
        Qwen3MoeConfig,
        Qwen3MoeForCausalLM,
        {"head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
    ),
    "phi3": (Phi3Config, Phi3ForCausalLM, {}),
    "gemma2": (Gemma2Config, Gemma2ForCausalLM, {"head_dim": 8, "sliding_window": 6, "query_pre_attn_scalar": 8}),
    "gemma3": (
        Gemma3TextConfig,
        Gemma3ForCausalLM,
        {
            "head_dim": 8,
            "sliding_window": 6,
            "query_pre_attn_scalar": 8,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
        },
    ),
    "mistral": (MistralConfig, MistralForCausalLM, {"sliding_window": 6}),
}
"""Tiny models by family. The sliding windows are shorter than the test sequences, so that they matter."""


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tiny products are slower on several threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_model(family: str = "qwen3", attention: str = "sdpa", **changes: Any) -> PreTrainedModel:
    config_class, model_class, extra = FAMILIES[family]
    config = config_class(**{**SHAPE, **extra, **changes}, attn_implementation=attention)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        model = model_class(config)
        for name, weight in model.named_parameters():  # the library's init is so small that all tokens look alike
            if weight.ndim >= 2:
                torch.nn.init.normal_(weight, std=1.0 if "embed" in name else weight.shape[-1] ** -0.5)
    return model.eval()


@pytest.fixture
def backbone() -> Callable[..., PreTrainedModel]:
    """A factory: each call gives the same weights in a new model."""
    return make_model


PAIRS = [
    (family, attention)
    for family in FAMILIES
    for attention in ("sdpa", "eager")
    if (family, attention) != ("gemma2", "sdpa")  # transformers has no sdpa for it
]


@pytest.fixture(params=PAIRS, ids="-".join)
def any_backbone(request: pytest.FixtureRequest) -> PreTrainedModel:
    return make_model(*request.param)


def open_block(model: Any) -> Any:
    """Give everything that starts at zero in an arm's block a value, so that the block writes something."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.talan.block.parameters():
            if not parameter.any():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return model


@pytest.fixture
def opened_arm() -> Callable[..., Any]:
    """A factory: an arm with a block at layer 1 that writes something, in evaluation mode."""

    def make(model: PreTrainedModel, options: str = "", partner: str = "lora", seed: int = 0) -> Any:
        return open_block(build(model, parse_arm(f"talan[layer=1{options}]+{partner}"), seed=seed).eval())

    return make


@pytest.fixture
def opened() -> Callable[[Any], Any]:
    return open_block


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(5, 261, (3, 12), generator=torch.Generator().manual_seed(5))


def make_tokenizer(*, template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *letters])}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="<eos>",
        additional_special_tokens=["<user>", "<assistant>", "<end>"],
    )
    tokenizer.chat_template = template
    return tokenizer


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


@pytest.fixture
def plain_tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer(template=None)


@pytest.fixture
def examples() -> list[Example]:
    return [Example(prompt=f"{a}+{b}=", completion=f"{a + b}", source="sums") for a in range(3, 12) for b in range(2)]
