"""Compare answering through vLLM with transformers and with vLLM's own ``generate``; run it in build/vllm.

    build/vllm/bin/python benchmarks/vllm_throughput.py --backbone smollm2-135m --task gsm8k --data-dir DATA

One checkpoint of talan+lora, whose block writes something, answers the same prompts greedily in three ways, on one
thread. Repetitions alternate between the ways, and the best of each counts, in processor time: other work on the
machine can only slow one down. Tokens are those of the answers. Equal answers are counted between transformers and
vLLM, and how far the log-probabilities of the answers are apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.config import TalanConfig
from talan_eval.generation.backend import BackendOptions, BlockShape, Checkpoint, Prompt, Sampling
from talan_eval.generation.prompts import chat_renderer
from talan_eval.generation.registry import BATCHES, make_backend
from talan_eval.generation_settings import GenerationSettings
from talan_eval.tasks.benchmark import load_benchmark

if TYPE_CHECKING:
    from collections.abc import Callable

    from talan_core.backbones.load import Revision

ARM = "talan+lora"


@dataclass
class Way:
    """A way of answering: what does it, its best time in seconds, and its answers."""

    work: Callable[[], list[str]]
    best: float = float("inf")
    texts: tuple[str, ...] = ()

    def run(self) -> None:
        """Answer once more."""
        began = time.process_time()
        self.texts = tuple(self.work())
        self.best = min(self.best, time.process_time() - began)


def saved(revision: Revision, dtype: str, directory: Path) -> Checkpoint:
    """Save a checkpoint whose adapter and block do something."""
    model = build(load_model(revision, dtype, torch.device("cpu")), parse_arm(ARM), seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(str(directory))
    return Checkpoint(directory)


def bare(engine: Any, tokenizer: Any, prompts: list[Prompt], settings: Sampling) -> list[str]:  # noqa: ANN401 - vLLM's and transformers' types
    """Answer with vLLM's ``generate`` alone."""
    from vllm import SamplingParams  # noqa: PLC0415 - it reads the environment that the backend sets

    asked = [{"prompt_token_ids": tokenizer.encode(one.text, add_special_tokens=False)} for one in prompts]
    how = SamplingParams(temperature=0, max_tokens=settings.max_tokens, stop=list(settings.stop))
    return [one.outputs[0].text for one in engine.llm.generate(asked, how, use_tqdm=False)]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="micro")
    parser.add_argument("--task", default="gsm8k_micro")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    spec = find_backbone(args.backbone)
    revision = locate(spec)
    tokenizer, settings = load_tokenizer(revision), GenerationSettings()
    benchmark = load_benchmark(args.task, data_dir=args.data_dir, limit=args.limit, settings=settings)
    prompts = [Prompt(str(one.args[0])) for one in benchmark.requests(chat_renderer(tokenizer, settings))]
    asked = Sampling(max_tokens=args.max_tokens, stop=benchmark.spec.stop)
    block = parse_arm(ARM).block
    shape = None if block is None else BlockShape.of(block.config(TalanConfig()))
    plain = make_backend("transformers", BackendOptions(args.dtype, "cpu", spec.eval_batch))
    fast = make_backend("vllm", BackendOptions(args.dtype, "cpu", BATCHES["vllm"]))
    with tempfile.TemporaryDirectory() as directory:
        checkpoint = saved(revision, args.dtype, Path(directory))
        with (
            plain.start(revision, shape) as slow_engine,
            slow_engine.open(checkpoint) as slow,
            fast.start(revision, shape) as engine,
            engine.open(checkpoint) as quick,
        ):
            ways = {
                "transformers": Way(lambda: [one.text for one in slow.generate(prompts, asked)]),
                "vllm": Way(lambda: [one.text for one in quick.generate(prompts, asked)]),
                "vLLM's generate": Way(lambda: bare(engine, tokenizer, prompts, asked)),
            }
            for _ in range(args.repeats):
                for way in ways.values():
                    engine.forget()  # type: ignore[attr-defined] # of vLLM's engine: no prompt is in its cache
                    way.run()
            pairs = [(one, text) for one, text in zip(prompts, ways["transformers"].texts, strict=True) if text]
            apart = [
                abs(one.log_probability - other.log_probability) / one.tokens
                for one, other in zip(slow.loglikelihood(pairs), quick.loglikelihood(pairs), strict=True)
            ]
    print(
        f"{args.backbone}, {args.task}, {args.dtype}, {len(prompts)} prompts, up to {args.max_tokens} tokens, {ARM}\n"
    )
    print("| way | tokens | CPU seconds | tokens per CPU second | against transformers |")
    print("|---|---:|---:|---:|---:|")
    usual = ways["transformers"]
    rate = {name: _tokens(way, tokenizer) / way.best for name, way in ways.items()}
    for name, way in ways.items():
        ratio = rate[name] / rate["transformers"]
        print(f"| {name} | {_tokens(way, tokenizer)} | {way.best:.1f} | {rate[name]:.0f} | {ratio:.2f} |")
    same = sum(one == other for one, other in zip(usual.texts, ways["vllm"].texts, strict=True))
    print(f"\n{same} of {len(prompts)} answers are equal between transformers and vllm.")
    mean = sum(apart) / len(apart)
    print(f"Log-probabilities of the answers differ by {mean:.1e} a token on average, by {max(apart):.1e} at most.")


def _tokens(way: Way, tokenizer: Any) -> int:  # noqa: ANN401 - transformers' type
    return sum(len(tokenizer.encode(text, add_special_tokens=False)) + 1 for text in way.texts)


if __name__ == "__main__":
    main()
