"""How much does a trained block write at each depth, with a plain write and with one that follows the stream?

    python benchmarks/write_by_depth.py [--backbone micro] [--seeds 3] [--steps 96] [--task gsm8k_micro]

Trains `talan[layer=L]+lora` and `talan[layer=L,write=rms]+lora` for every layer L and prints, as means over seeds with
the standard error: the root mean square of the residual stream that the block writes to, that of its gate, the write's
share of the stream, how many elements would keep it in bfloat16, and the largest logit change of the block alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.probe import liveness
from talan_core.training.data import Example
from talan_core.training.fit import fit
from talan_core.training.rendering import prompt_ids, render_prompt
from talan_eval.tasks.benchmark import load_benchmark


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="micro")
    parser.add_argument("--task", default="gsm8k_micro")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=None)
    asked = parser.parse_args()
    spec = find_backbone(asked.backbone)
    weights = locate(spec)
    tokenizer = load_tokenizer(weights)
    benchmark = load_benchmark(asked.task, data_dir=None, limit=None)
    examples = [Example(prompt, completion, asked.task) for prompt, completion in benchmark.training]
    ids = torch.tensor([prompt_ids(tokenizer, render_prompt(tokenizer, benchmark.items[0].prompt))])
    settings = spec.training if asked.steps is None else dataclasses.replace(spec.training, steps=asked.steps)
    layers = load_model(weights, spec.dtype, torch.device("cpu")).config.num_hidden_layers
    print(f"{asked.backbone}, {asked.task}, {settings.steps} steps, {asked.seeds} seeds; {platform.processor()}, "
          f"torch {torch.__version__}")  # fmt: skip
    print("| layer | write | stream RMS | gate RMS | share of the stream | kept in bf16 | logit change of the block |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for layer in range(layers):
        for write in ("plain", "rms"):
            rows = []
            for seed in range(asked.seeds):
                backbone = load_model(weights, spec.dtype, torch.device("cpu"))
                arm = parse_arm(f"talan[layer={layer},write={write}]+lora")
                model = build(backbone, arm, seed=seed, defaults=spec.talan)
                with tempfile.TemporaryDirectory() as scratch:
                    fit(model, tokenizer, examples, settings, seed=seed, work_dir=Path(scratch))
                rows.append(_measured(model.eval(), ids))
            print(f"| {layer} | {write} | " + " | ".join(map(_mean, zip(*rows, strict=True))) + " |", flush=True)


def _measured(model: Any, ids: torch.Tensor) -> tuple[float, ...]:  # noqa: ANN401 - any arm with a block
    streams = []
    block = model.talan.block
    handle = block.register_forward_hook(lambda _, args, __: streams.append(args[0]))
    seen = liveness(model, ids)
    handle.remove()
    rms = float(streams[-1].float().square().mean().sqrt())
    gate = float(block.writeback.gate.detach().square().mean().sqrt())
    return rms, gate, seen.relative_write or 0.0, seen.bf16_survival or 0.0, seen.block_max_logit_change or 0.0


def _mean(values: tuple[float, ...]) -> str:
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{np.mean(values):.3g} ± {error:.1g}"


if __name__ == "__main__":
    main()
