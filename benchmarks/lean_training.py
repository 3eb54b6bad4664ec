"""What autocast, logits of targets and packing save on SmolLM2-135M: time of a step and peak memory, before and after.

    python benchmarks/lean_training.py [--rounds N] [--data DIR] [--tokens]

One `talan+lora` model in bfloat16 takes steps of each kind in turn on the same examples, on one thread, the order
turning each round; CPU times are compared round by round with the first kind's. Peak memory is measured in a process of
its own for each kind, as in memory_estimate.py (MALLOC_MMAP_THRESHOLD_=65536). The examples are the bundled worked
solutions, or GSM8K's where --data names its directory.

With --tokens it counts instead, without a model, what packing does to batches of the recipe of Hub backbones: tokens
that go through the layers, padding included, and pairs of tokens that attention looks at, both over those of padded
batches.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from memory_estimate import resident, settled, trained

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.training.data import collate, encode, pad_token
from talan_core.training.packing import collate_packed, pack
from talan_core.training.pairing import data_order
from talan_core.training.sources import load_sources
from talan_core.training.target_logits import target_logits
from talan_core.training.trainer import train
from talan_eval.generation_settings import GenerationSettings
from talan_eval.tasks.benchmark import load_benchmark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_core.training.data import EncodedData, EncodedExample
    from talan_core.training_settings import TrainingSettings

ARM: Final = "talan+lora"
KINDS: Final = {
    "as before": (),
    "autocast": ("autocast=true",),
    "autocast, logits of targets": ("autocast=true", "logits=targets"),
    "the same, packed": ("autocast=true", "logits=targets", "packing=true"),
    "the same, recomputed": ("autocast=true", "logits=targets", "packing=true", "gradient_checkpointing=true"),
}
SPEC: Final = find_backbone("smollm2-135m")
_RETURNED: Final = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
_STEPS: Final = 4


def training_set(data: Path | None) -> EncodedData:
    """Encode the examples."""
    from talan_core.training.data import Example  # noqa: PLC0415 - beside its only use

    if data is not None:
        examples = load_sources("gsm8k", data)[:512]  # type: ignore[index]
    else:
        settings = GenerationSettings()
        names = ("gsm8k_micro", "math500_micro", "mbpp_micro")
        loaded = {name: load_benchmark(name, data_dir=None, limit=None, settings=settings) for name in names}
        examples = [Example(*pair, name) for name, one in loaded.items() for pair in one.training[:128]]
    return encode(load_tokenizer(locate(SPEC)), examples, SPEC.training.max_length)


class Step:
    """Forward and backward pass of one kind."""

    def __init__(self, model: Any, settings: TrainingSettings, pad: int) -> None:  # noqa: ANN401 - an arm's model
        self.model, self.settings, self.pad = model, settings, pad

    def __call__(self, examples: Sequence[EncodedExample]) -> None:
        """Take it."""
        settings = self.settings
        base = self.model.get_base_model()
        if settings.gradient_checkpointing:
            base.activation_checkpointing_enable({"use_reentrant": False})
        batch: dict[str, Any] = (
            collate_packed(examples, self.pad, settings.max_length) if settings.packing else collate(examples, self.pad)
        )
        with contextlib.ExitStack() as around:
            if settings.autocast:
                around.enter_context(torch.autocast("cpu", torch.bfloat16))
            if settings.logits == "targets":
                batch["shift_labels"] = around.enter_context(target_logits(self.model, batch["labels"]))
            loss = self.model(**batch, use_cache=False).loss
        loss.backward()
        self.model.zero_grad()
        if settings.gradient_checkpointing:
            base.activation_checkpointing_disable()


def times(data: EncodedData, rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of a step of each kind, round by round; the first round is not counted."""
    weights = locate(SPEC)
    model = build(load_model(weights, SPEC.dtype, torch.device("cpu")), parse_arm(ARM), seed=0, defaults=SPEC.talan)
    model.train()
    pad = pad_token(load_tokenizer(weights))
    steps = {kind: Step(model, settled(ARM, typed), pad) for kind, typed in KINDS.items()}
    order = data_order(0, len(data.examples), (rounds + 1) * SPEC.training.batch_size)
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(rounds + 1):
        chosen = [data.examples[at] for at in order[number * SPEC.training.batch_size :][: SPEC.training.batch_size]]
        for kind in list(KINDS) if number % 2 else list(KINDS)[::-1]:
            start = time.process_time()
            steps[kind](chosen)
            if number:
                found[kind].append(time.process_time() - start)
    return found


def peak(typed: tuple[str, ...], data: Path | None) -> int:
    """Return what a training of a few steps adds to this process's resident memory at most, in bytes."""
    settings = settled(ARM, typed)
    micro = dataclasses.replace(settings, batch_size=1, max_length=16, dtype="float32", masters=False)
    trained(find_backbone("micro"), ARM, micro)
    examples, weights = training_set(data), locate(SPEC)
    tokenizer = load_tokenizer(weights)
    before = resident("VmRSS")
    model = build(load_model(weights, SPEC.dtype, torch.device("cpu")), parse_arm(ARM), seed=0, defaults=SPEC.talan)
    with tempfile.TemporaryDirectory() as place:
        train(model, tokenizer, examples, settings.with_steps(_STEPS), seed=0, work_dir=Path(place) / "w")
    return resident("VmHWM") - before


def counts(examples: Sequence[EncodedExample], settings: TrainingSettings) -> tuple[float, float, float]:
    """Return rows per batch, and tokens and pairs of tokens of packed batches over those of padded ones."""
    batch, capacity = settings.batch_size, settings.max_length
    order = data_order(0, len(examples), len(examples) // batch * batch)
    padded: list[tuple[int, int, int]] = []
    packed: list[tuple[int, int, int]] = []
    for start in range(0, len(order), batch):
        lengths = [len(examples[at].input_ids) for at in order[start : start + batch]]
        rows = pack(lengths, capacity)
        for shapes, number, longest in (
            (padded, batch, max(lengths)),
            (packed, len(rows), max(sum(lengths[at] for at in row) for row in rows)),
        ):
            shapes.append((number, number * longest, number * longest**2))
    share = np.sum(packed, axis=0) / np.sum(padded, axis=0)
    return float(share[0] * batch), float(share[1]), float(share[2])


def print_counts(data: Path) -> None:
    """Print what packing saves on the published training sets."""
    settings = find_backbone("owner/model").training
    tokenizer = load_tokenizer(locate(SPEC))
    print("| training set | mean tokens | longest | rows for 8 | tokens over padded | pairs of tokens over padded |")
    print("|---|---:|---:|---:|---:|---:|")
    for source in ("gsm8k", "math", "mbpp"):
        encoded = encode(tokenizer, load_sources(source, data), settings.max_length).examples
        lengths = [len(example.input_ids) for example in encoded]
        rows, tokens, pairs = counts(encoded, settings)
        print(f"| `{source}` | {np.mean(lengths):.0f} | {max(lengths)} | {rows:.1f} | {tokens:.2f} | {pairs:.2f} |")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tokens", action="store_true", help="count tokens of --data instead")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.peak_of is not None:
        print(peak(tuple(json.loads(asked.peak_of)), asked.data))
        return
    if asked.tokens:
        if asked.data is None:
            parser.error("--tokens needs --data DIR")
        print_counts(asked.data)
        return
    data = training_set(asked.data)
    found = times(data, asked.rounds)
    first = np.array(found["as before"])
    print("| a step is | CPU s (median) | over before, median of rounds | quartiles | peak memory, MB | over before |")
    print("|---|---:|---:|---:|---:|---:|")
    before = 0.0
    for kind, typed in KINDS.items():
        command = [sys.executable, __file__, "--peak-of", json.dumps(typed)]
        command += [] if asked.data is None else ["--data", str(asked.data)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **_RETURNED})  # noqa: S603 - this file
        megabytes = int(done.stdout.split()[-1]) / 2**20
        before = before or megabytes
        ratios = np.array(found[kind]) / first
        low, high = np.quantile(ratios, (0.25, 0.75))
        print(
            f"| {kind} | {np.median(found[kind]):.2f} | {np.median(ratios):.2f} | {low:.2f} to {high:.2f} "
            f"| {megabytes:.0f} | {megabytes / before:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
