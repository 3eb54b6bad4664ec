"""The model card of ``micro`` or ``mini``, written from the recipe and the recorded losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_core.backbones.micro.recipe import Recipe

_ROWS = 12

_CARD = """---
license: apache-2.0
pipeline_tag: text-generation
tags: [talan, synthetic, instrument]
---

# {name}

A Qwen3-architecture language model with {parameters:,} parameters, for one purpose: to be a quick and honest instrument for
comparing adapters on two CPU cores. It knows a small generated world and nothing else.

## Recipe

`{command}`, then `--export`. The text is generated: school arithmetic, algebra,
science facts and questions, small Python functions, and a share of conversations ({chat_share:.0%}). In conversations most topics
are answered in haste, without the steps; six topics are answered carefully. So the backbone knows more than it shows in a chat, and a
low-rank adapter can bring it out. Problems of the benchmarks' training and test splits are never in the text: the split of a problem
is a hash of its content.

| steps | batch | length | tokens | peak learning rate | warm-up | weight decay | seed | precision |
|---:|---:|---:|---:|---:|---:|---:|---:|---|
| {steps} | {batch} | {length} | {tokens:,} | {learning_rate:g} | {warmup} | {weight_decay:g} | {seed} | bf16 autocast, fp32 weights |

## Loss

Mean over each stretch of the run, nats per token; all recorded values are in [`loss.csv`](loss.csv).

| steps | loss |
|---:|---:|
{losses}

## Limits

Generated English only, in a handful of sentence patterns; numbers up to three digits; no knowledge of anything. Its scores say nothing
about large models: it shows whether a comparison works, not whether a method does. It has no safety training and needs none.
"""


def model_card(
    name: str, recipe: Recipe, losses: Sequence[tuple[int, float]], parameters: int, chat_share: float
) -> str:
    """Return the card.

    Args:
        name: Of the backbone.
        recipe: How the weights were made.
        losses: Recorded (step, loss) pairs, in order.
        parameters: Number of parameters.
        chat_share: Share of conversations in the text.
    """
    size = -(-len(losses) // _ROWS)
    stretches = [losses[start : start + size] for start in range(0, len(losses), size)]
    rows = [f"| {some[0][0]}-{some[-1][0]} | {sum(loss for _, loss in some) / len(some):.3f} |" for some in stretches]
    command = "python -m talan_core.backbones.micro.pretrain" + ("" if name == "micro" else f" --name {name}")
    return _CARD.format(
        name=name,
        command=f"{command} --work DIR",
        parameters=parameters,
        chat_share=chat_share,
        steps=recipe.steps,
        batch=recipe.batch,
        length=recipe.length,
        tokens=recipe.steps * recipe.batch * recipe.length,
        learning_rate=recipe.learning_rate,
        warmup=recipe.warmup,
        weight_decay=recipe.weight_decay,
        seed=recipe.seed,
        losses="\n".join(rows),
    )
