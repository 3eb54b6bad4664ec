"""Held-out loss of partners on the micro backbone by learning rate: where the default factors of docs/training.md lie.

    python benchmarks/learning_rates.py [ARM ...]

Each arm is trained for 48 steps with the micro recipe, its rate times each factor, on the bundled worked solutions but
the last 60 of each benchmark; the loss is that per target token on 20 of these 60. One seed, one small backbone: it
shows orders of magnitude, and no best rate of another backbone.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn import functional

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import find_backbone
from talan_core.errors import DivergedError
from talan_core.training.data import IGNORED, EncodedData, Example, collate, encode, pad_token
from talan_core.training.fit import fit
from talan_eval.generation_settings import GenerationSettings
from talan_eval.tasks.benchmark import MICRO_TASKS, load_benchmark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

FACTORS: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
ARMS: Final = ("lora", "full", "ia3", "vera", "prefix", "prompt", "pfeiffer", "houlsby", "fusion")
SPEC: Final = find_backbone("micro")
_STEPS: Final = 48
_HELD_OUT, _ASKED = 60, 20
_BATCH: Final = 40


def sets(
    tokenizer: PreTrainedTokenizerBase, tasks: Sequence[str] = MICRO_TASKS, asked: int = _ASKED
) -> tuple[EncodedData, EncodedData]:
    """Return what is trained on, and what is held out of the training splits."""
    used: list[Example] = []
    held: list[Example] = []
    for name in tasks:
        loaded = load_benchmark(name, data_dir=None, limit=None, settings=GenerationSettings())
        examples = [Example(*pair, name) for pair in loaded.training]
        used += examples[:-_HELD_OUT]
        held += examples[-asked:]
    return tuple(encode(tokenizer, some, SPEC.training.max_length) for some in (used, held))  # type: ignore[return-value] # two


@torch.no_grad()
def loss_on(model: Any, held: EncodedData, pad: int) -> float:  # noqa: ANN401 - an arm's model
    """Return the mean loss per target token."""
    total, count = 0.0, 0
    for begin in range(0, len(held.examples), _BATCH):
        batch = collate(held.examples[begin : begin + _BATCH], pad)
        targets = batch.pop("labels")[:, 1:]
        logits = model(**batch, use_cache=False).logits[:, :-1].float()
        total += float(
            functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")
        )
        count += int((targets != IGNORED).sum())
    return total / count


def main() -> None:
    """Print a row per arm."""
    torch.set_num_threads(1)
    weights = locate(SPEC)
    tokenizer = load_tokenizer(weights)
    used, held = sets(tokenizer)
    print(f"| arm | untrained | {' | '.join(f'x {factor:g}' for factor in FACTORS)} |")
    print("|---|" + "---:|" * (len(FACTORS) + 1))
    for arm in sys.argv[1:] or ARMS:
        row: list[str] = []
        for factor in FACTORS:
            backbone = load_model(weights, SPEC.dtype, torch.device("cpu"))
            model = build(backbone, parse_arm(arm), seed=0, defaults=SPEC.talan)
            if not row:
                row.append(f"{loss_on(model.eval(), held, pad_token(tokenizer)):.3f}")
            rate = SPEC.training.learning_rate * factor
            recipe = dataclasses.replace(SPEC.training, steps=_STEPS, learning_rate=rate)
            try:
                with tempfile.TemporaryDirectory() as place:
                    fit(model, tokenizer, used, recipe, seed=0, work_dir=Path(place) / "w")
            except DivergedError:
                row.append("diverged")
            else:
                row.append(f"{loss_on(model, held, pad_token(tokenizer)):.3f}")
        print(f"| `{arm}` | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
