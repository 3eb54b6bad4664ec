"""The recipe at which plain LoRA is near its best on the five bundled families, found without any TALAN arm.

    python benchmarks/base_recipe.py [--steps 96,192] [--rates 1e-3,3e-3,1e-2] [--ranks 4,8,16] [--seeds 2]

A comparison is fair to its base only where the base is trained as well as it can be. Each row is LoRA of one rank and
number of steps, each column a peak learning rate; a figure is the held-out loss in nats per target token, the mean over
seeds. Training is on the bundled worked solutions but the last 60 of each family, the loss is on 40 of these 60; no
item of a test split is touched. Rows appear as they are done.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from learning_rates import SPEC, loss_on, sets

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.training.data import EncodedData, pad_token
from talan_core.training.fit import fit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from talan_core.backbones.load import Revision

TASKS: Final = ("gpqa_diamond_micro", "gsm8k_micro", "ledger_micro", "math500_micro", "mbpp_micro")
_ASKED: Final = 40
_FIRST_SEED: Final = 1000
"""Of the sweep; far from every seed that a study uses."""


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """One fine-tuning of the sweep.

    Attributes:
        rank: LoRA's rank.
        steps: Optimizer steps.
        rate: Peak learning rate.
        seed: Of weights and order.
    """

    rank: int
    steps: int
    rate: float
    seed: int


def held_out_loss(
    trial: Trial, weights: Revision, tokenizer: PreTrainedTokenizerBase, data: tuple[EncodedData, EncodedData]
) -> float:
    """Train LoRA as ``trial`` says and return its loss per target token on what was held out."""
    used, held = data
    backbone = load_model(weights, SPEC.dtype, torch.device("cpu"))
    model = build(backbone, parse_arm(f"lora[r={trial.rank}]"), seed=trial.seed, defaults=SPEC.talan)
    recipe = dataclasses.replace(SPEC.training, steps=trial.steps, learning_rate=trial.rate)
    with tempfile.TemporaryDirectory() as place:
        fit(model, tokenizer, used, recipe, seed=trial.seed, work_dir=Path(place) / "w")
    return loss_on(model.eval(), held, pad_token(tokenizer))


def _numbers(kind: type[int | float], text: str) -> list[int] | list[float]:
    return [kind(one) for one in text.split(",")]


def main() -> None:
    """Print a row per rank and number of steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", default="96,192")
    parser.add_argument("--rates", default="1e-3,3e-3,1e-2")
    parser.add_argument("--ranks", default="4,8,16")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    began, weights = time.process_time(), locate(SPEC)
    tokenizer = load_tokenizer(weights)
    data = sets(tokenizer, TASKS, _ASKED)
    rates = _numbers(float, options.rates)
    print(f"| rank | steps | {' | '.join(f'{rate:g}' for rate in rates)} |")
    print("|---:|---:|" + "---:|" * len(rates))
    for steps in _numbers(int, options.steps):
        for rank in _numbers(int, options.ranks):
            row = []
            for rate in rates:
                trials = [Trial(int(rank), int(steps), rate, _FIRST_SEED + one) for one in range(options.seeds)]
                losses = [held_out_loss(trial, weights, tokenizer, data) for trial in trials]
                row.append(sum(losses) / len(losses))
            print(f"| {rank} | {steps} | {' | '.join(f'{loss:.4f}' for loss in row)} |", flush=True)
    print(f"\nMean of {options.seeds} seeds. {time.process_time() - began:.0f} CPU seconds; {platform.machine()}.")


if __name__ == "__main__":
    main()
