"""The memory estimate against measured peaks, and what the backbones of the paper need on one 80 GB card.

    python benchmarks/memory_estimate.py [--part measured|backbones]

Measured: SmolLM2-135M on one CPU thread, each recipe in a process of its own, three steps of examples that are all as
long as `max_length`, half of whose tokens carry loss. What counts is the largest resident memory less that before the
backbone is loaded; before that, a step on the micro backbone has loaded the libraries. Twice: with glibc's allocator
as it is, and with MALLOC_MMAP_THRESHOLD_=65536, which gives back freed memory at once; the estimate speaks of what is
held, not of what an allocator keeps for later.

Backbones: from their public configurations (config.json on the Hub), without weights. The recipe is the default one of
Hub backbones, changed as `cheapest_fit` changes it until it fits.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import AutoConfig, LlamaConfig, Qwen2Config, Qwen3Config, Qwen3MoeConfig

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.backbones.operating_points import operating_point
from talan_core.recipes.fitting import GPU_BYTES, Fit, Task, cheapest_fit
from talan_core.recipes.footprint import AskedTogether, footprint
from talan_core.recipes.recipe import parse_recipe, recipe_of
from talan_core.training.data import EncodedData
from talan_core.training.encoding import EncodedExample
from talan_core.training.trainer import train

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PretrainedConfig

    from talan_core.backbones.names import BackboneSpec
    from talan_core.training.settings import TrainingSettings

RECIPES: Final = (
    ("talan+lora", "batch_size=2", "max_length=256"),
    ("talan+lora", "batch_size=2", "max_length=256", "autocast=true", "logits=targets"),
    ("lora", "batch_size=4", "max_length=256", "gradient_checkpointing=true", "logits=targets"),
    ("full", "batch_size=1", "max_length=256"),
)
QWEN: Final[dict[str, Any]] = {"vocab_size": 151936, "tie_word_embeddings": False, "head_dim": 128}
BACKBONES: Final[dict[str, PretrainedConfig]] = {
    "Qwen/Qwen3-8B": Qwen3Config(
        hidden_size=4096, intermediate_size=12288, num_hidden_layers=36, num_attention_heads=32, num_key_value_heads=8,
        **QWEN,
    ),
    "Qwen/Qwen3-32B": Qwen3Config(
        hidden_size=5120, intermediate_size=25600, num_hidden_layers=64, num_attention_heads=64, num_key_value_heads=8,
        **QWEN,
    ),
    "Qwen/Qwen3-30B-A3B": Qwen3MoeConfig(
        hidden_size=2048, intermediate_size=6144, moe_intermediate_size=768, num_hidden_layers=48,
        num_attention_heads=32, num_key_value_heads=4, num_experts=128, num_experts_per_tok=8, **QWEN,
    ),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": Qwen2Config(
        hidden_size=5120, intermediate_size=27648, num_hidden_layers=64, num_attention_heads=40, num_key_value_heads=8,
        vocab_size=152064, tie_word_embeddings=False,
    ),
    "meta-llama/Llama-3.2-1B": LlamaConfig(
        hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8,
        head_dim=64, vocab_size=128256, tie_word_embeddings=True,
    ),
}  # fmt: skip
SMALL: Final = find_backbone("smollm2-135m")
ANSWERS: Final = AskedTogether(16, 1536)
_STEPS: Final = 3
_EAGER: Final = "65536"


def settled(arm: str, typed: tuple[str, ...]) -> TrainingSettings:
    """Return the recipe of an arm on SmolLM2."""
    recipe = parse_recipe(typed)
    return recipe_of(parse_arm(arm), recipe.over(SMALL.training), recipe)


def resident(name: str) -> int:
    """Return a number of kilobytes of this process's status (Linux), in bytes."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    if found is None:
        raise RuntimeError(f"this system does not report {name}")
    return int(found[1]) * 1024


def trained(spec: BackboneSpec, arm: str, settings: TrainingSettings) -> None:
    """Train an arm for a few steps on random tokens."""
    draw = torch.Generator().manual_seed(0)
    length = settings.max_length
    rows = (tuple(torch.randint(3, 500, (length,), generator=draw).tolist()) for _ in range(32))
    data = EncodedData(tuple(EncodedExample(row, length // 2) for row in rows), 0)
    revision = locate(spec)
    backbone = load_model(revision, settings.loaded_dtype, torch.device("cpu"))
    model = build(backbone, parse_arm(arm), seed=0, defaults=spec.talan)
    with tempfile.TemporaryDirectory() as directory:
        train(
            model, load_tokenizer(revision), data, settings.with_steps(_STEPS), seed=0, work_dir=Path(directory) / "w"
        )


def measured(arm: str, typed: tuple[str, ...]) -> int:
    """Return what a training added to this process's resident memory at most, in bytes."""
    torch.set_num_threads(1)
    settings = settled(arm, typed)
    micro = find_backbone("micro")
    small = dataclasses.replace(settings, batch_size=1, max_length=16, dtype="float32", masters=False)
    trained(micro, arm, small)
    gc.collect()
    locate(SMALL)
    before = resident("VmRSS")
    trained(SMALL, arm, settings)
    return resident("VmHWM") - before


def in_own_process(arm: str, typed: tuple[str, ...], allocator: dict[str, str]) -> int:
    """Measure in a fresh process."""
    command = [sys.executable, __file__, "--one", json.dumps([arm, *typed])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **allocator})  # noqa: S603 - this file
    return int(done.stdout.split()[-1])


def comparison() -> Iterator[str]:
    """Compare estimates with measurements, as lines of Markdown."""
    yield "| arm | recipe | estimate, MB | measured, MB | estimate / measured | with glibc's allocator as it is, MB |"
    yield "|---|---|---:|---:|---:|---:|"
    config = AutoConfig.from_pretrained(locate(SMALL).location, trust_remote_code=False)
    for arm, *rest in RECIPES:
        typed = tuple(rest)
        told = footprint(config, parse_arm(arm), settled(arm, typed), defaults=SMALL.talan, device="cpu").training
        found = in_own_process(arm, typed, {"MALLOC_MMAP_THRESHOLD_": _EAGER, "MALLOC_TRIM_THRESHOLD_": _EAGER})
        usual = in_own_process(arm, typed, {})
        numbers = f"{told / 2**20:.0f} | {found / 2**20:.0f} | {told / found:.2f} | {usual / 2**20:.0f}"
        yield f"| `{arm}` | {' '.join(f'`{one}`' for one in typed)} | {numbers} |"


def of_the_paper() -> Iterator[str]:
    """Say what each backbone of the paper needs, as lines of Markdown."""
    parts = ("weights", "adapter", "optimizer", "activations", "logits", "cache")
    yield f"| backbone | as asked | changes that fit 80 GB | {' | '.join(parts)} | needed | cards of 80 GB |"
    yield "|---|---:|---|" + "---:|" * (len(parts) + 2)
    for name, config in BACKBONES.items():
        task = Task(config, parse_arm("talan+lora"), operating_point(name), "cuda", ANSWERS)
        asked = find_backbone(name).training
        fit: Fit = cheapest_fit(task, asked, GPU_BYTES)
        numbers = " | ".join(f"{getattr(fit.footprint, part) / 1e9:.2f}" for part in parts)
        changes = " ".join(f"`{one}`" for one in fit.changes) or "none"
        before = task.footprint(asked).needed / 1e9
        yield f"| {name} | {before:.0f} | {changes} | {numbers} | {fit.footprint.needed / 1e9:.1f} | {fit.devices} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("measured", "backbones"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        arm, *typed = json.loads(asked.one)
        print(measured(arm, tuple(typed)))
        return
    for part, lines in {"measured": comparison, "backbones": of_the_paper}.items():
        if asked.part in (None, part):
            for line in lines():
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
