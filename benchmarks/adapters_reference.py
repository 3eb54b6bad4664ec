"""Write what the package `adapters` computes with bottleneck adapters and their fusion, for a test to compare with.

    python -m venv VENV && VENV/bin/pip install torch==2.13.0 adapters==1.3.0
    VENV/bin/python benchmarks/adapters_reference.py tests/talan_core/partners/adapters_reference.safetensors

The package needs another transformers than this project, so its outputs are kept: a small Llama, its adapters
(Pfeiffer's, Houlsby's, two of Pfeiffer's under a dynamic fusion), token ids, and the logits of each. All weights are
random, so that no part of a formula can be left out unseen.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import adapters
import torch
from adapters.composition import Fuse
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

SHAPE: Final[dict[str, Any]] = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "vocab_size": 40, "max_position_embeddings": 64, "tie_word_embeddings": False,
}  # fmt: skip
RANK: Final = 4


def randomised(model: torch.nn.Module) -> None:
    """Give every weight a random value."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw) * 0.3)


def made(kind: str) -> Any:  # noqa: ANN401 - a model that the package has patched
    """Return the small model with its adapters."""
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(LlamaConfig(**SHAPE))
    adapters.init(model)
    factor = SHAPE["hidden_size"] / RANK
    config = {"houlsby": "double_seq_bn"}.get(kind, "seq_bn")
    names = ("a", "b") if kind == "fusion" else ("a",)
    for name in names:
        model.add_adapter(name, config=f"{config}[reduction_factor={factor}]")
    if kind == "fusion":
        model.add_adapter_fusion(Fuse(*names), "dynamic")
        model.set_active_adapters(Fuse(*names))
    else:
        model.set_active_adapters("a")
    randomised(model)
    return model.eval()


def main() -> None:
    """Write the file."""
    ids = torch.randint(0, SHAPE["vocab_size"], (2, 9), generator=torch.Generator().manual_seed(1))
    kept = {"input_ids": ids}
    for kind in ("pfeiffer", "houlsby", "fusion"):
        model = made(kind)
        with torch.no_grad():
            kept[f"{kind}/logits"] = model(input_ids=ids).logits
        kept |= {f"{kind}/{name}": value.detach().clone() for name, value in model.state_dict().items()}
    save_file(kept, sys.argv[1])


if __name__ == "__main__":
    main()
