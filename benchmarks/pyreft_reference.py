"""Write what the package `pyreft` computes with LoReFT at places of the prompt, for a test to compare with.

    pip install --no-deps --target DIR pyreft==0.1.0 pyvene==0.1.8
    PYTHONPATH=DIR python benchmarks/pyreft_reference.py tests/talan_core/partners/pyreft_reference.safetensors

Kept are a small Llama, the parameters of its interventions, token ids, prompt lengths, and the logits. All weights are
random, so that no part of a formula can be left out unseen. The prompts are of different lengths, one of them too short
for as many places as are asked for.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import pyreft
import torch
from pyreft.dataset import get_intervention_locations
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

SHAPE: Final[dict[str, Any]] = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
    "num_key_value_heads": 2, "vocab_size": 40, "max_position_embeddings": 64, "tie_word_embeddings": False,
}  # fmt: skip
RANK: Final = 2
LAYERS: Final = (0, 2)
FIRST, LAST = 2, 4
PROMPTS: Final = (9, 5, 11)


def randomised(module: torch.nn.Module, seed: int) -> None:
    """Give every weight a random value."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw) * 0.3)


def logits(weights: str, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the logits of the package, and what they were computed from."""
    backbone: Any = LlamaForCausalLM(LlamaConfig(**SHAPE))
    randomised(backbone, 0)
    kept = {f"backbone/{name}": value.detach().clone() for name, value in backbone.state_dict().items()}
    layers = LAYERS if weights == "shared" else (*LAYERS, *LAYERS)  # the first places', then the last places'
    edits = [
        pyreft.LoreftIntervention(embed_dim=SHAPE["hidden_size"], low_rank_dimension=RANK, dtype=torch.float32)
        for _ in layers
    ]
    for seed, edit in enumerate(edits):
        randomised(edit.learned_source, seed + 1)
    places = [
        {"layer": layer, "component": "block_output", "low_rank_dimension": RANK, "intervention": edit}
        for layer, edit in zip(layers, edits, strict=True)
    ]
    model = pyreft.get_reft_model(backbone, pyreft.ReftConfig(representations=places), set_device=False)
    model.eval()
    for number, edit in enumerate(edits):
        kept[f"{weights}/{number}/rotation"] = edit.rotate_layer.weight.detach().clone().contiguous()
        kept[f"{weights}/{number}/source"] = edit.learned_source.weight.detach().clone()
        kept[f"{weights}/{number}/shift"] = edit.learned_source.bias.detach().clone()
    located = [
        get_intervention_locations(
            last_position=length, positions=f"f{FIRST}+l{LAST}", num_interventions=len(layers),
            share_weights=weights == "shared", pad_mode="first",
        )
        for length in PROMPTS
    ]  # fmt: skip
    # A token in front takes the edits of places that a short prompt does not have; it is masked.
    padded = torch.cat([torch.zeros(len(PROMPTS), 1, dtype=torch.long), ids], dim=1)
    mask = torch.ones_like(padded)
    mask[:, 0] = 0
    given = {"input_ids": padded, "attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    units = (torch.tensor(located) + 1).transpose(0, 1).tolist()
    with torch.no_grad():
        _, out = model(given, unit_locations={"sources->base": (None, units)})
    return kept | {f"{weights}/logits": out.logits[:, 1:].clone()}


def main() -> None:
    """Write the file."""
    ids = torch.randint(1, SHAPE["vocab_size"], (len(PROMPTS), 14), generator=torch.Generator().manual_seed(1))
    kept = {"input_ids": ids, "prompt_lengths": torch.tensor(PROMPTS)}
    torch.manual_seed(0)  # of the rotations
    for weights in ("untied", "shared"):
        kept |= logits(weights, ids)
    save_file(kept, sys.argv[1])


if __name__ == "__main__":
    main()
