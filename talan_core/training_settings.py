"""How an arm is trained; the data and their order are the same for both arms of a pair."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

Schedule = Literal["cosine", "linear", "constant"]
"""Learning rate after the warm-up: half a cosine to zero, a line to zero, or unchanged."""

Dtype = Literal["float32", "bfloat16"]
"""Floating type of the backbone's parameters. Adapters and TALAN blocks keep theirs in float32 either way."""

Optimizer = Literal["adamw", "adamw_8bit", "paged_adamw", "paged_adamw_8bit"]
"""AdamW of torch, or of bitsandbytes: with states of 8 bits, or paged to main memory. Those need CUDA."""

Attention = Literal["sdpa", "eager", "flash_attention_2"]
"""How attention is computed; flash_attention_2 needs CUDA and the package flash-attn."""

Quantization = Literal["4bit", "8bit"]
"""How bitsandbytes stores the frozen backbone: NF4 with double quantisation, or LLM.int8()."""

Encoding = Literal["all", "drawn"]
"""Which examples are turned into tokens: the whole training set, or what a run draws of it."""

Logits = Literal["all", "targets"]
"""The positions of which logits are computed: every one, or those only that predict a token with loss."""

Packing = Literal["auto"]
"""Pack examples where a probe shows that the backbone keeps them apart and the adapter adds no tokens; else pad."""

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "schedule": get_args(Schedule),
    "dtype": get_args(Dtype),
    "optimizer": get_args(Optimizer),
    "attention": get_args(Attention),
    "quantization": get_args(Quantization),
    "logits": get_args(Logits),
    "encoding": get_args(Encoding),
}
"""What each field of names may be."""

_HIGHEST_RATIO: Final = 1.0
_MOST: Final = 10**9
"""Of any count and rate: far beyond use, and every number made of two of them is one that Python and torch can hold."""
_FIRST: Final = frozenset(
    {
        *("steps", "batch_size", "learning_rate", "schedule", "warmup_ratio", "weight_decay", "max_grad_norm"),
        *("max_length", "accumulation", "gradient_checkpointing", "packing", "dtype"),
    }
)
"""The fields of the first version; the others are written down only where they differ from what was done then."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The recipe of a supervised fine-tuning run with AdamW (betas 0.9 and 0.999).

    Args:
        steps: Optimizer steps; None where `epochs` says how long.
        epochs: Passes over the training set instead of `steps`, of the sequences that fit into `max_length`; the last
            step is a whole one.
        batch_size: Examples per forward pass.
        learning_rate: Peak learning rate.
        schedule: Shape of the learning rate after the warm-up.
        warmup_ratio: Share of the steps, in [0, 1), over which the learning rate rises from zero.
        weight_decay: AdamW's decoupled weight decay; not applied to biases, norms and TALAN's gate.
        max_grad_norm: Largest norm of the gradient, for partner and TALAN block each on its own; 0 means no clipping.
        max_length: Most tokens of an example, prompt and completion together.
        accumulation: Forward passes per optimizer step, over all processes together: several processes share them, so
            that the recipe does not change with their number. The loss is the mean over all target tokens of the step,
            whatever the accumulation.
        gradient_checkpointing: Recompute activations in the backward pass, to save memory.
        packing: Put the examples of a forward pass one after the other into rows of at most `max_length` tokens, each
            seeing only itself, instead of padding each to the longest. It changes the cost of a step, not its loss or
            gradient (beyond rounding). "auto" does so where it can, the same for all arms but those that put tokens
            of their own into the sequence.
        dtype: Floating type of the backbone, in training and in answering.
        optimizer: Which AdamW.
        autocast: Compute in bfloat16 what may be (torch.autocast), whatever type the parameters have. With a backbone
            in bfloat16 it spares the float32 copies of every adapter's input.
        masters: Train the backbone's own weights, where an arm does (`full`), in float32 although `dtype` is bfloat16:
            they are loaded in float32, computed under autocast, and rounded to `dtype` when training is over.
        logits: Which positions' logits are computed. The loss is on the targets either way; its rounding differs.
        encoding: Which examples are encoded. "drawn" draws from all items and passes over those that are too long,
            "all" from those that fit: the order is the same where all do. Epochs and weighted mixtures always encode
            all.
        attention: Attention implementation while training; the library's own choice when None.
        quantization: How the frozen backbone is stored, in training and in answering; as `dtype` says when None.
        seed_offset: Added to each run's seed, so that two studies with seeds from 0 share no run.

    Raises:
        UserError: One error that names every field that is wrong.
    """

    steps: int | None = None
    epochs: float | None = None
    batch_size: int = 16
    learning_rate: float = 1e-3
    schedule: Schedule = "cosine"
    warmup_ratio: float = 0.05
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    max_length: int = 512
    accumulation: int = 1
    gradient_checkpointing: bool = False
    packing: bool | Packing = False
    dtype: Dtype = "float32"
    optimizer: Optimizer = "adamw"
    autocast: bool = False
    masters: bool = False
    logits: Logits = "all"
    encoding: Encoding = "all"
    attention: Attention | None = None
    quantization: Quantization | None = None
    seed_offset: int = 0

    def __post_init__(self) -> None:
        """Check all fields and raise one error that names each wrong one."""
        problems = [*_number_problems(self), *_name_problems(self), *_combination_problems(self)]
        if problems:
            raise UserError(
                "The training settings are wrong:\n" + "\n".join(f"  {problem}" for problem in problems),
                "Set these fields to a valid value, for example steps=100, learning_rate=0.001.",
            )

    @property
    def loaded_dtype(self) -> Dtype:
        """The floating type in which the backbone is loaded to be trained."""
        return "float32" if self.masters else self.dtype

    @property
    def computes_in_bfloat16(self) -> bool:
        """Whether training runs under autocast."""
        return self.autocast or (self.masters and self.dtype == "bfloat16")

    @property
    def examples_per_step(self) -> int:
        """Number of examples of an optimizer step."""
        return self.batch_size * self.accumulation

    def steps_for(self, examples: int) -> int:
        """Return the number of optimizer steps on a training set of so many sequences."""
        if self.steps is not None:
            return self.steps
        return max(1, math.ceil((self.epochs or 0.0) * examples / self.examples_per_step))

    def with_steps(self, steps: int) -> TrainingSettings:
        """Return the same recipe with a given number of steps."""
        return dataclasses.replace(self, steps=steps, epochs=None)

    def settled(self, examples: int) -> TrainingSettings:
        """Return the recipe with the number of steps that `epochs` means on so many sequences."""
        return self if self.steps is not None else self.with_steps(self.steps_for(examples))

    @property
    def draws(self) -> int:
        """Number of examples that a run uses, repetitions counted; of a recipe that says its steps."""
        if self.steps is None:
            raise ValueError("the number of steps is not known before the training set is: see settled()")
        return self.steps * self.examples_per_step

    def seed_of(self, seed: int) -> int:
        """Return the seed that a run's random streams come from."""
        return seed + self.seed_offset

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, which is what identifies a recipe.

        A field that came later than the first version is left out where it has its default, so that a recipe keeps
        its identity when this class gains a field.
        """
        return {
            item.name: value
            for item in dataclasses.fields(self)
            if (value := getattr(self, item.name)) != item.default or (item.name in _FIRST and value is not None)
        }


def _number_problems(settings: TrainingSettings) -> list[str]:
    problems = []
    for name in ("steps", "batch_size", "max_length", "accumulation"):
        value = getattr(settings, name)
        if (name != "steps" or value is not None) and not (_is_int(value) and 1 <= value <= _MOST):
            problems.append(f"{name}={value!r}: must be an integer from 1 to {_MOST}")
    positive = ("learning_rate",) if settings.epochs is None else ("learning_rate", "epochs")
    problems += [
        f"{name}={getattr(settings, name)!r}: must be a positive number of at most {_MOST}"
        for name in positive
        if not 0 < getattr(settings, name) <= _MOST
    ]
    problems += [
        f"{name}={getattr(settings, name)!r}: must be a number from 0"
        for name in ("weight_decay", "max_grad_norm")
        if not (math.isfinite(getattr(settings, name)) and getattr(settings, name) >= 0)
    ]
    if not 0 <= settings.warmup_ratio < _HIGHEST_RATIO:
        problems.append(f"warmup_ratio={settings.warmup_ratio!r}: must be in [0, 1)")
    if not _is_int(settings.seed_offset) or settings.seed_offset < 0:
        problems.append(f"seed_offset={settings.seed_offset!r}: must be an integer from 0")
    return problems


def _name_problems(settings: TrainingSettings) -> list[str]:
    problems = [
        f"{name}={value!r}: must be one of {', '.join(choices)}"
        for name, choices in CHOICES.items()
        if (value := getattr(settings, name)) not in choices and not (value is None and name in _MAY_BE_LEFT_OUT)
    ]
    if not isinstance(settings.packing, bool) and settings.packing not in get_args(Packing):
        problems.append(f"packing={settings.packing!r}: must be true, false or auto")
    return problems


def _combination_problems(settings: TrainingSettings) -> list[str]:
    problems = []
    if (settings.steps is None) == (settings.epochs is None):
        given = "neither" if settings.steps is None else "both"
        problems.append(f"steps={settings.steps!r}, epochs={settings.epochs!r}: {given} given; give one of them")
    if settings.quantization is not None and settings.masters:
        problems.append("masters=True: a quantised backbone is frozen; leave out masters or quantization")
    if settings.quantization is not None and settings.dtype != "bfloat16":
        problems.append(f"dtype={settings.dtype!r}: a quantised backbone computes in bfloat16; set dtype=bfloat16")
    return problems


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_MAY_BE_LEFT_OUT: Final = frozenset({"attention", "quantization"})
