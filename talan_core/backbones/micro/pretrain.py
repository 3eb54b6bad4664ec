"""Pre-train the ``micro`` backbone, or its larger sister ``mini``, from scratch on generated text.

Run ``python -m talan_core.backbones.micro.pretrain --work DIR`` (about an hour on two cores), or `make mini`. It may be
killed at any time: the same command goes on from the last checkpoint, and every batch is a function of (seed, step), so
that an interrupted run reads the same text as an uninterrupted one. ``--export`` then writes the weights to where
``--backbone`` finds them; those of micro are shipped.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from talan_core.backbones.micro.model_card import model_card
from talan_core.backbones.micro.recipe import RECIPES
from talan_core.backbones.micro.tokenizer import END_OF_TEXT, TURN_END, train_tokenizer
from talan_core.backbones.micro.world.corpus import CHAT_SHARE, document
from talan_core.backbones.names import BY_NAME

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from talan_core.backbones.micro.recipe import Architecture, Recipe


def model_config(asked: Architecture) -> Qwen3Config:
    """Return the architecture as transformers has it."""
    return Qwen3Config(
        vocab_size=1024,
        hidden_size=asked.width,
        intermediate_size=asked.inner,
        num_hidden_layers=asked.layers,
        num_attention_heads=asked.heads,
        num_key_value_heads=asked.key_value_heads,
        head_dim=asked.head,
        tie_word_embeddings=True,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )


def batch_at(step: int, tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> torch.Tensor:
    """Return the packed token ids of one step, shape (batch, length): a function of (seed, step) alone."""
    rng = random.Random(f"{recipe.seed}/{step}")  # noqa: S311 - exercises, not secrets
    wanted = recipe.batch * recipe.length
    stream: list[int] = []
    while len(stream) < wanted:
        texts = [document(rng) + END_OF_TEXT for _ in range(48)]
        for ids in tokenizer(texts)["input_ids"]:
            stream.extend(ids)
    return torch.tensor(stream[:wanted]).view(recipe.batch, recipe.length)


def _schedule(recipe: Recipe, step: int) -> float:
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    progress = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.05 + 0.95 * 0.5 * (1 + float(torch.cos(torch.tensor(progress * torch.pi))))


def _optimizer(model: Qwen3ForCausalLM, recipe: Recipe) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.95), fused=True)


def pretrain(work: Path, recipe: Recipe, save_every: int = 100, until: int | None = None) -> Qwen3ForCausalLM:
    """Train, or go on training, in ``work``.

    Args:
        work: Directory of the checkpoint, the loss curve and the tokenizer.
        recipe: What to do.
        save_every: Steps between two checkpoints.
        until: Stop after so many steps of the recipe's; a later call goes on. All when None.

    Returns:
        The trained model in fp32. The forward pass ran under bf16 autocast.
    """
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(recipe.seed)
    config = model_config(recipe.architecture)
    if tokenizer.convert_tokens_to_ids(TURN_END) != config.eos_token_id:
        raise ValueError("The tokenizer's end of turn is not the model's eos_token_id: retrain the tokenizer first.")
    tokenizer.save_pretrained(work / "tokenizer")
    torch.manual_seed(recipe.seed)
    model = Qwen3ForCausalLM(config)
    optimizer = _optimizer(model, recipe)
    start, checkpoint = 0, work / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    began = time.perf_counter()
    end = recipe.steps if until is None else min(until, recipe.steps)
    for step in range(start, end):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(recipe, step)
        ids = batch_at(step, tokenizer, recipe)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 0:
            with (work / "loss.csv").open("a", newline="") as file:
                csv.writer(file).writerow([step, f"{loss.item():.4f}", f"{time.perf_counter() - began:.0f}"])
        if (step + 1) % save_every == 0 or step + 1 == end:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            torch.save(state, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
    return model


def read_losses(path: Path) -> list[tuple[int, float]]:
    """Return the recorded (step, loss) pairs; where a killed run recorded a step twice, the later one counts."""
    with path.open(newline="") as file:
        return sorted({int(step): float(loss) for step, loss, _ in csv.reader(file)}.items())


def export(work: Path, name: str, recipe: Recipe, target: Path) -> None:
    """Write the checkpoint of ``work`` as a Hugging Face model directory with its card and its losses.

    Args:
        work: As for `pretrain`.
        name: Of the backbone.
        recipe: What was done.
        target: Where to; what is there is replaced when all is written.

    Raises:
        ValueError: The run is not finished.
    """
    state = torch.load(work / "checkpoint.pt", weights_only=True)
    if state["step"] != recipe.steps:
        raise ValueError(f"{work} is at step {state['step']} of {recipe.steps}: finish the run first.")
    model = Qwen3ForCausalLM(model_config(recipe.architecture))
    model.load_state_dict(state["model"])
    place = target.with_name(f"{target.name}.unfinished")  # a name that holds half of it would be taken for all
    shutil.rmtree(place, ignore_errors=True)
    model.save_pretrained(place)
    train_tokenizer(recipe.seed).save_pretrained(place)
    losses = read_losses(work / "loss.csv")
    with (place / "loss.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("step", "loss"), *losses])
    card = model_card(name, recipe, losses, sum(p.numel() for p in model.parameters()), CHAT_SHARE)
    (place / "README.md").write_text(card, encoding="utf-8")
    for path in place.iterdir():
        path.chmod(0o644)
    shutil.rmtree(target, ignore_errors=True)
    place.replace(target)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="directory of checkpoints and the loss curve")
    parser.add_argument("--name", choices=sorted(RECIPES), default="micro", help="which backbone; micro when left out")
    parser.add_argument("--steps", type=int, help="stop after so many; the same command without it goes on")
    parser.add_argument("--export", action="store_true", help="write the finished weights into the package")
    options = parser.parse_args()
    recipe = RECIPES[options.name]
    if options.export:
        export(options.work, options.name, recipe, Path(BY_NAME[options.name].location))
        return
    pretrain(options.work, recipe, until=options.steps)
    sys.stdout.write(f"done: {options.work}\n")


if __name__ == "__main__":
    main()
