"""Small checkpoints on the bundled backbone, as several tools save them; none of them was trained."""

from __future__ import annotations

import shutil

import torch
from peft import LoraConfig, get_peft_model

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.quiet import library_warnings_silenced

OWN_TEMPLATE = (
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def make_checkpoints(root):
    """Fill a directory: lora/seed0 to 2 (plain PEFT), talan/seed0 to 2, bare (a block alone), whole, trl."""
    weights = locate(find_backbone("micro"))

    def backbone():
        return load_model(weights, "float32", torch.device("cpu"))

    def save(model, name, seed=0):
        torch.manual_seed(seed)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.add_(torch.randn_like(weight) * 0.02)
        model.save_pretrained(str(root / name))

    with library_warnings_silenced(), torch.random.fork_rng(devices=[]):
        config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
        for seed in range(3):
            save(get_peft_model(backbone(), config), f"lora/seed{seed}", seed)
            save(build(backbone(), parse_arm("talan+lora[r=2]"), seed=seed), f"talan/seed{seed}", seed)
        save(build(backbone(), parse_arm("talan+base"), seed=0), "bare")
        model = backbone()
        model.requires_grad_(requires_grad=True)
        save(model, "whole")
    tokenizer = load_tokenizer(weights)
    shutil.copytree(root / "lora" / "seed0", root / "trl")  # as TRL saves it: the tokenizer beside the adapter
    tokenizer.save_pretrained(str(root / "trl"))
    tokenizer.chat_template = OWN_TEMPLATE
    tokenizer.save_pretrained(str(root / "whole"))
    return root
