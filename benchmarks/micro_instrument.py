"""Is ``micro`` a useful instrument? Scores of the bare backbone and of LoRA on the four bundled benchmarks.

Run ``python benchmarks/micro_instrument.py RESULT.json`` with the result of ``make compare``; it evaluates the bare
backbone through the same task path and prints a Markdown table. About half a minute on one core.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import torch

from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_eval.generation.evaluate import evaluate
from talan_eval.generation.transformers_backend import TransformersGenerator
from talan_eval.result.reading import read_result
from talan_eval.tasks.benchmark import load_benchmark


def main(path: str) -> None:
    """Print the table."""
    contrast = read_result(Path(path)).contrasts[0]
    spec = find_backbone("micro")
    revision = locate(spec)
    model, tokenizer = load_model(revision, spec.dtype, torch.device("cpu")), load_tokenizer(revision)
    generator = TransformersGenerator(model, tokenizer, spec.eval_batch)
    print(f"| benchmark | items | bare backbone | {contrast.base}, mean of {len(contrast.seeds)} seeds |")
    print("|---|---:|---:|---:|")
    for cell in contrast.cells:
        benchmark = load_benchmark(cell.task, data_dir=None, limit=None)
        samples = evaluate(generator, tokenizer, benchmark, spec.eval_batch).samples
        bare = 100 * sum(sample.score for sample in samples) / len(samples)
        print(f"| {cell.task} | {len(samples)} | {bare:.1f} | {cell.base_mean:.1f} |")
    parameters = sum(p.numel() for p in model.parameters())
    print(f"\nScores in percent. {parameters:,} parameters; {platform.machine()}, torch {torch.__version__}.")


if __name__ == "__main__":
    main(sys.argv[1])
