"""How much does a trained block write at each depth, with a plain write and with one that follows the stream, and why?

    python -P benchmarks/write_by_depth.py [--backbone micro] [--seeds 3] [--steps N] [--task gsm8k_micro]

Trains `talan[layer=L]+lora` and `talan[layer=L,write=rms]+lora` for every layer L, with the backbone's recipe unless
`--steps` says otherwise, and prints means over seeds with the standard error. Before training, of the first item's
prompt: the root mean square of the residual stream h that the block reads and of its perturbation H, and how evenly
the themes attend (entropy of their weights over that of equal weights; 1 is a plain mean of the values). Of the first
step: the norm of the gradient that reaches the gate. After training, again of the prompt: the gate's root mean square,
the write's share of the stream, how many elements would keep it in bfloat16, and the largest logit change of the block
alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from talan_core.arms import build, parse_arm
from talan_core.attach import TalanAttachment
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import BackboneSpec, find_backbone
from talan_core.memory import CausalMemory, MemoryContext
from talan_core.probe import liveness
from talan_core.training.data import EncodedData, Example, encode
from talan_core.training.fit import fit
from talan_core.training.rendering import prompt_ids, render_prompt
from talan_eval.tasks.benchmark import load_benchmark

HEADS = (
    "layer", "write", "h, RMS", "H, RMS", "evenness of attention", "gradient of the gate, first step",
    "gate, RMS", "share of the stream", "kept in bfloat16", "logit change",
)  # fmt: skip


@dataclass(frozen=True)
class Material:
    """What every training here has in common.

    Args:
        spec: The backbone, with the recipe that is used.
        revision: Its files.
        tokenizer: Its tokenizer.
        data: The encoded training set.
        probe: The first item's prompt, (1, length).
    """

    spec: BackboneSpec
    revision: Any
    tokenizer: Any
    data: EncodedData
    probe: torch.Tensor


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbone", default="micro")
    parser.add_argument("--task", default="gsm8k_micro")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=None)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    material = _material(asked.backbone, asked.task, asked.steps)
    layers = load_model(material.revision, material.spec.dtype, torch.device("cpu")).config.num_hidden_layers
    print(
        f"{asked.backbone}, {asked.task}, {material.spec.training.steps} steps of {material.spec.training.batch_size} "
        f"examples, {asked.seeds} seeds, CPU: {_processor()}, torch {torch.__version__}\n"
    )
    print(f"| {' | '.join(HEADS)} |")
    print("|---:|---|" + "---:|" * (len(HEADS) - 2), flush=True)
    for layer in range(layers):
        for write in ("plain", "rms"):
            rows = [_numbers(material, f"talan[layer={layer},write={write}]+lora", seed) for seed in range(asked.seeds)]
            print(f"| {layer} | {write} | " + " | ".join(map(_mean, zip(*rows, strict=True))) + " |", flush=True)


def _material(backbone: str, task: str, steps: int | None) -> Material:
    spec = find_backbone(backbone)
    if steps is not None:
        spec = dataclasses.replace(spec, training=dataclasses.replace(spec.training, steps=steps))
    revision = locate(spec)
    tokenizer = load_tokenizer(revision)
    benchmark = load_benchmark(task, data_dir=None, limit=None)
    examples = [Example(prompt, completion, task) for prompt, completion in benchmark.training]
    probe = torch.tensor([prompt_ids(tokenizer, render_prompt(tokenizer, benchmark.items[0].prompt))])
    return Material(spec, revision, tokenizer, encode(tokenizer, examples, spec.training.max_length), probe)


def _numbers(material: Material, arm: str, seed: int) -> tuple[float, ...]:
    """Return the numbers of a row for one seed."""
    backbone = load_model(material.revision, material.spec.dtype, torch.device("cpu"))
    model = build(backbone, parse_arm(arm), seed=seed, defaults=material.spec.talan)
    attachment = model.talan
    assert attachment is not None  # noqa: S101 - the arm has a block
    before = _read(attachment, lambda: model(material.probe))
    with tempfile.TemporaryDirectory() as scratch:
        settings = material.spec.training
        log = fit(model, material.tokenizer, material.data, settings, seed=seed, work_dir=Path(scratch))
    seen = liveness(model, material.probe)
    return (
        *before,
        # the gate is 0 before the first step, so no other tensor of the block has a gradient there
        log.signs.block_gradients[0],
        log.signs.gates[-1],
        seen.relative_write or 0.0,
        seen.bf16_survival or 0.0,
        seen.block_max_logit_change or 0.0,
    )


@torch.no_grad()
def _read(attachment: TalanAttachment, forward: Callable[[], object]) -> tuple[float, float, float]:
    """Return the root mean squares of h and H in a pass, and how evenly the themes attend in it."""
    block, found = attachment.block, []

    def of_block(_: object, args: tuple[torch.Tensor, MemoryContext], __: object) -> None:
        hidden, context = args
        found.extend([_rms(hidden), _rms(block.perturbation(hidden, context))])

    def of_memory(memory: CausalMemory, args: tuple[torch.Tensor, MemoryContext], __: object) -> None:
        if not found:
            found.append(_evenness(memory, args[0]))

    handles = [block.register_forward_hook(of_block), block.memory.register_forward_hook(of_memory)]
    forward()
    for handle in handles:
        handle.remove()
    evenness, of_stream, of_perturbation = found
    return of_stream, of_perturbation, evenness


def _evenness(memory: CausalMemory, x: torch.Tensor) -> float:
    """Return the entropy of the themes' attention over that of equal weights, mean over heads, themes and positions."""
    length, heads = x.shape[1], memory.heads
    keys = (x[0] @ memory.key_weight.T).view(length, heads, -1).permute(1, 2, 0)
    themes = memory.themes.view(memory.slots, heads, -1).transpose(0, 1)
    scores = (themes @ keys / keys.shape[1] ** 0.5).unsqueeze(2).expand(-1, -1, length, -1)
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    weights = scores.masked_fill(later, -torch.inf).softmax(-1)
    entropy = -torch.special.xlogy(weights, weights).sum(-1)[..., 1:]
    return float((entropy / torch.arange(2, length + 1).log()).mean())


def _rms(values: torch.Tensor) -> float:
    return float(values.float().square().mean().sqrt())


def _mean(values: tuple[float, ...]) -> str:
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{np.mean(values):.3g} ± {error:.1g}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
