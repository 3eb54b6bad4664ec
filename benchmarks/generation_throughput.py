"""Compare the task path with the backend's own ``generate``: ``python benchmarks/generation_throughput.py``.

Both answer the same prompts in the same batches, in the order of the task path (long ones first), greedily. Repetitions
alternate between the two, and the best of each counts: the machine's other work can only slow one down.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import torch

from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_eval.generation.backend import Prompt
from talan_eval.generation.evaluate import sampling
from talan_eval.generation.prompts import chat_renderer
from talan_eval.generation.transformers_backend import TransformersGenerator
from talan_eval.generation_settings import GenerationSettings
from talan_eval.tasks.benchmark import load_benchmark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def direct(model: Any, tokenizer: Any, prompts: Sequence[str], batch: int, max_tokens: int) -> int:  # noqa: ANN401 - transformers' types
    """Answer prompts with ``generate`` alone; return the number of generated tokens."""
    tokens = 0
    for start in range(0, len(prompts), batch):
        encoded = tokenizer(list(prompts[start : start + batch]), return_tensors="pt", padding=True)
        answer = model.generate(
            **encoded, max_new_tokens=max_tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id, use_cache=True
        )
        tokens += answer.shape[1] - encoded["input_ids"].shape[1]
        tokenizer.batch_decode(answer[:, encoded["input_ids"].shape[1] :], skip_special_tokens=True)
    return tokens


def seconds(work: Callable[[], Any]) -> float:
    """Return the processor time that work takes in this process and its threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Measure and print one table row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="micro")
    parser.add_argument("--task", default="gsm8k_micro")
    parser.add_argument("--limit", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    spec = find_backbone(args.backbone)
    revision = locate(spec)
    tokenizer, model = load_tokenizer(revision), load_model(revision, spec.dtype, torch.device("cpu"))
    settings = GenerationSettings()
    benchmark = load_benchmark(args.task, data_dir=None, limit=args.limit, settings=settings)
    requests = list(benchmark.requests(chat_renderer(tokenizer, settings)))
    prompts = sorted(
        (str(request.args[0]) for request in requests), key=lambda text: (-len(tokenizer.encode(text)), text)
    )
    generator = TransformersGenerator(model, tokenizer, spec.eval_batch)
    ways = {
        "generate": lambda: direct(model, tokenizer, prompts, spec.eval_batch, benchmark.spec.max_tokens),
        "task path": lambda: list(generator.generate([Prompt(text) for text in prompts], sampling(benchmark.spec, 0))),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(args.repeats):
        for name, work in ways.items():
            best[name] = min(best[name], seconds(work))
    print("| backbone | task | items | generate | task path | throughput of the task path |")
    print("|---|---|---:|---:|---:|---:|")
    print(
        f"| {args.backbone} | {args.task} | {args.limit} | {best['generate']:.2f} s | {best['task path']:.2f} s | "
        f"{best['generate'] / best['task path']:.2f} |"
    )


if __name__ == "__main__":
    main()
