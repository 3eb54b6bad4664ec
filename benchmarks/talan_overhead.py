"""What a TALAN block costs beside the same LoRA: training step, prefill, decode step, peak memory, parameters.

Run ``python benchmarks/talan_overhead.py [--rounds N] [--out results/talan_overhead.md]``. SmolLM2-135M is fetched on
first use. One ``talan+lora`` model runs with its block switched on and off in turn (off, it computes what ``lora``
computes, in the very same memory), on one thread, the order turning each round. What is compared is CPU time, round by
round, so that a busy machine blurs the ratio but does not shift it. Peak memory is measured in a process of its own for
each arm.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, locate
from talan_core.backbones.names import find_backbone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from peft import PeftModel

    from talan_core.plain import PlainModel

ARMS: Final = ("lora", "talan+lora")
TARGETS: Final = {"training step": 1.03, "prefill": 1.02, "decode step": 1.02, "peak memory": 1.02}
SPEC: Final = find_backbone("smollm2-135m")
_RESAMPLES: Final = 10_000
_FEWEST: Final = 8  # rounds for an interval


@dataclass(frozen=True)
class Shape:
    """How much is computed at a time.

    Args:
        batch: Examples of a training step.
        length: Tokens of each.
        prompt: Tokens of the prefill, after which decoding starts.
    """

    batch: int
    length: int
    prompt: int


@dataclass(frozen=True)
class Ratio:
    """A measured ratio of the arm with a block to the one without.

    Args:
        median: Median over the rounds.
        low: Lower end of its 95 % interval (percentile bootstrap over rounds).
        high: Upper end.
        quartiles: Quartiles of the rounds.
        rounds: Number of rounds.
        base: Median of the arm without a block, in CPU seconds (megabytes for memory).
    """

    median: float
    low: float
    high: float
    quartiles: tuple[float, float]
    rounds: int
    base: float


def arm_model(name: str, dtype: str) -> PeftModel | PlainModel:
    """Build an arm on a backbone of its own, its block writing, as after training."""
    backbone = load_model(locate(SPEC), dtype, torch.device("cpu"))
    model = build(backbone, parse_arm(name), seed=0, defaults=SPEC.talan)
    for parameter, weight in model.named_parameters():
        if parameter.endswith("writeback.gate"):
            torch.nn.init.constant_(weight, 0.01)
    return model


def tokens(count: int, length: int) -> torch.Tensor:
    """Return random token ids, (count, length)."""
    return torch.randint(100, 40_000, (count, length), generator=torch.Generator().manual_seed(1))


class TrainingStep:
    """Forward, backward, clipping and AdamW on one batch; with the block off its weights get no gradient."""

    def __init__(self, model: PeftModel | PlainModel, shape: Shape) -> None:
        self.model, self.batch = model, tokens(shape.batch, shape.length)
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(self.weights, lr=1e-5)

    def __call__(self) -> None:
        """Take one step."""
        self.model.train()
        self.model(input_ids=self.batch, labels=self.batch, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


class Prefill:
    """Read a prompt into a fresh cache; the cache stays for decoding."""

    def __init__(self, model: PeftModel | PlainModel, shape: Shape) -> None:
        self.model, self.prompt = model, tokens(1, shape.prompt)
        self.cache: Any = None

    @torch.no_grad()
    def __call__(self) -> None:
        """Read it."""
        self.model.eval()
        self.cache = self.model(input_ids=self.prompt, use_cache=True, logits_to_keep=1).past_key_values


class DecodeStep:
    """Read one more token; the cache is cut back, so that every step is after the same prompt."""

    def __init__(self, prefill: Prefill) -> None:
        self.prefill, self.token = prefill, tokens(1, 1)

    @torch.no_grad()
    def __call__(self) -> None:
        """Read it."""
        cache = self.prefill.cache
        self.prefill.model(input_ids=self.token, past_key_values=cache, use_cache=True)
        cache.crop(-1)


def switched(model: Any, pair: Sequence[Callable[[], None]]) -> tuple[Callable[[], None], Callable[[], None]]:  # noqa: ANN401 - the arm with a block
    """Run the first with the block off and the second with it on."""

    def off() -> None:
        model.talan.enabled = False
        pair[0]()

    def on() -> None:
        model.talan.enabled = True
        pair[1]()

    return off, on


def compare(pair: tuple[Callable[[], None], Callable[[], None]], rounds: int, repeats: int = 1) -> Ratio:
    """Let two take turns and compare their CPU times round by round; the first round is not counted."""
    seconds = np.empty((rounds + 1, 2))
    for number in range(rounds + 1):
        for which in (0, 1) if number % 2 else (1, 0):
            start = time.process_time()
            for _ in range(repeats):
                pair[which]()
            seconds[number, which] = (time.process_time() - start) / repeats
    return summarised(seconds[1:, 1] / seconds[1:, 0], float(np.median(seconds[1:, 0])))


def summarised(ratios: np.ndarray[Any, np.dtype[np.float64]], base: float) -> Ratio:
    """Summarise the ratios of the rounds."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (_RESAMPLES, len(ratios))), axis=1)
    low, high = np.quantile(medians, (0.025, 0.975))
    first, third = np.quantile(ratios, (0.25, 0.75))
    middle = float(np.median(ratios))
    return Ratio(middle, float(low), float(high), (float(first), float(third)), len(ratios), base)


def peak_memory(rounds: int, arguments: argparse.Namespace) -> Ratio:
    """Compare the peak resident memory of training, each measurement in a process of its own."""
    megabytes = np.empty((rounds, 2))
    for number in range(rounds):
        for which, arm in enumerate(ARMS):
            command = [sys.executable, __file__, "--memory-of", arm, "--dtype", arguments.dtype]
            command += ["--batch", str(arguments.batch), "--length", str(arguments.length)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this file
            megabytes[number, which] = float(done.stdout.split()[-1])
    return summarised(megabytes[:, 1] / megabytes[:, 0], float(np.median(megabytes[:, 0])))


def peak_of_this_process() -> float:
    """Return the peak resident memory in MB (Linux); getrusage would count what the parent held at the start."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    if found is None:
        raise RuntimeError("this system does not report VmHWM")
    return int(found[1]) / 1024


def measure(arguments: argparse.Namespace, shape: Shape) -> tuple[dict[str, Ratio], float]:
    """Measure everything, and the block's share of the backbone's parameters."""
    found: dict[str, Ratio] = {}

    def note(name: str, ratio: Ratio) -> None:
        found[name] = ratio
        print(name, json.dumps(dataclasses.asdict(ratio)), file=sys.stderr, flush=True)

    model = arm_model(ARMS[1], arguments.dtype)
    sizes = {name: weight.numel() for name, weight in model.named_parameters()}
    block = sum(size for name, size in sizes.items() if name.startswith("talan"))
    backbone = sum(size for name, size in sizes.items() if not name.startswith("talan") and "lora_" not in name)
    prefills = [Prefill(model, shape) for _ in ARMS]
    note("prefill", compare(switched(model, prefills), 3 * arguments.rounds))
    decodes = [DecodeStep(prefill) for prefill in prefills]
    note("decode step", compare(switched(model, decodes), 3 * arguments.rounds, repeats=4))
    steps = [TrainingStep(model, shape)] * 2
    note("training step", compare(switched(model, steps), arguments.rounds))
    del model, prefills, decodes, steps
    note("peak memory", peak_memory(max(3, arguments.rounds // 8), arguments))
    return found, block / backbone


def table(found: dict[str, Ratio], share: float, shape: Shape, dtype: str) -> str:
    """Write the result as Markdown."""
    what = {
        "training step": f"{shape.batch} x {shape.length} tokens, forward to AdamW",
        "prefill": f"1 x {shape.prompt} tokens",
        "decode step": f"1 token after {shape.prompt}",
        "peak memory": "resident, 3 training steps, own process each",
    }
    lines = [
        "# Cost of a TALAN block beside the same LoRA",
        "",
        f"SmolLM2-135M, {dtype}, `{ARMS[1]}` over `{ARMS[0]}`, default operating point. Written by",
        "`python benchmarks/talan_overhead.py`.",
        "",
        "| | of | rounds | ratio (median) | 95 % interval | quartiles of the rounds | target | met | LoRA alone |",
        "|---|---|---:|---:|---:|---:|---:|---|---:|",
    ]
    for name, target in TARGETS.items():
        r = found[name]
        unit = "MB" if name == "peak memory" else "s CPU"
        few = r.rounds < _FEWEST
        low, high = (r.median, r.median) if few else (r.low, r.high)
        met = "yes" if high <= target else "not shown" if low <= target else "no"
        interval = "none" if few else f"{low:.3f} to {high:.3f}"
        lines.append(
            f"| {name} | {what[name]} | {r.rounds} | {r.median:.3f} | {interval} "
            f"| {r.quartiles[0]:.3f} to {r.quartiles[1]:.3f} | {target} | {met} | {r.base:.3g} {unit} |"
        )
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft"))
    lines += [
        "",
        f"Parameters of the block: {share:.3%} of the backbone's.",
        "",
        "One model takes turns with its block off (which is `lora`) and on, on one thread. Each ratio is of the CPU",
        "times of one round, the interval a percentile bootstrap of the median over rounds. A target is met if the",
        'whole interval is below it, "not shown" if it reaches over it. Memory hardly varies from process to',
        "process, so with few rounds its median is compared.",
        f"{platform.machine()}, {os.cpu_count()} logical CPUs, Python {platform.python_version()}, {versions}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--out", type=Path, help="write the table there too")
    parser.add_argument("--memory-of", choices=ARMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shape = Shape(arguments.batch, arguments.length, arguments.prompt)
    if arguments.memory_of is not None:
        step = TrainingStep(arm_model(arguments.memory_of, arguments.dtype), shape)
        for _ in range(3):
            step()
        print(peak_of_this_process())
        return
    text = table(*measure(arguments, shape), shape, arguments.dtype)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
