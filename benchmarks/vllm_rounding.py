"""How far vLLM in bfloat16 is from transformers in float32 for one checkpoint, and how far other checkpoints are.

    build/vllm/bin/python benchmarks/vllm_rounding.py --backbone smollm2-135m

Checkpoints whose adapter and block do something, by partner, size and seed, are opened one after the other in a live
engine; after the probe the log-probabilities of tokens that are not very unlikely are compared, as `--backend vllm`
does before anything is asked. "own" is what rounding does: it has to be within the tolerance. The others are what has
to be seen: the next seed's files, the files with the block silent, the backbone.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.config import TalanConfig
from talan_eval.generation.backend import BackendOptions, BlockShape, Checkpoint
from talan_eval.generation.probing import PROBE, TOLERANCE
from talan_eval.generation.registry import BATCHES, make_backend
from talan_eval.generation.tokens import Tokens
from talan_eval.generation.vllm_engine import distance

if TYPE_CHECKING:
    from talan_core.backbones.load import Revision

PARTNERS = ("lora", "dora", "rslora")
SIZES = (0.005, 0.02, 0.05)


def saved(where: Revision, arm: str, size: float, seed: int, directory: Path) -> Checkpoint:
    """Save a checkpoint whose weights that begin at zero are normal of this size."""
    model = build(load_model(where, "float32", torch.device("cpu")), parse_arm(arm), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(str(directory))
    return Checkpoint(directory)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="micro")
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"))
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    where = locate(find_backbone(args.backbone))
    block = parse_arm("talan+lora").block
    shape = None if block is None else BlockShape.of(block.config(TalanConfig()))
    ids = Tokens(load_tokenizer(where)).of_prompt(PROBE)
    backend = make_backend("vllm", BackendOptions(args.dtype, "cpu", BATCHES["vllm"]))
    print(f"{args.backbone}, {args.dtype}\n")
    print("| partner | size | seed | own, 11 | own, 10 | other seed | silent | backbone |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    everything = patch.dict(TOLERANCE, {args.dtype: float("inf")})
    with tempfile.TemporaryDirectory() as root, backend.start(where, shape) as engine, everything:
        for partner in PARTNERS:
            for size in SIZES:
                before = None
                for seed in range(args.seeds):
                    made = saved(where, f"talan+{partner}", size, seed, Path(root) / f"{partner}-{size}-{seed}")
                    with engine.open(made) as generator:
                        said = generator.states(ids)  # type: ignore[attr-defined] # of vLLM's generator
                        held = generator._held.states  # type: ignore[attr-defined] # noqa: SLF001 - as above
                    cells = [distance(said["11"], held["11"]), distance(said["10"], held["10"])]
                    cells += [float("nan") if before is None else distance(said["11"], before)]
                    cells += [distance(said["11"], held["10"]), distance(said["11"], held["00"])]
                    shown = " | ".join("" if one != one else f"{one:.3f}" for one in cells)  # noqa: PLR0124 - nan
                    print(f"| {partner} | {size} | {seed} | {shown} |", flush=True)
                    before = held["11"]


if __name__ == "__main__":
    main()
