"""How an arm is trained; the same for both arms of a pair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

from talan_core.errors import UserError

Schedule = Literal["cosine", "linear", "constant"]
"""Learning rate after the warm-up: half a cosine to zero, a line to zero, or unchanged."""

Dtype = Literal["float32", "bfloat16"]
"""Floating type of the backbone's parameters. Adapters and TALAN blocks keep theirs in float32 either way."""

_HIGHEST_RATIO: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The recipe of a supervised fine-tuning run with AdamW (betas 0.9 and 0.999).

    Args:
        steps: Optimizer steps.
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
            gradient (beyond rounding).
        dtype: Floating type that the backbone was loaded in.

    Raises:
        UserError: One error that names every field that is wrong.
    """

    steps: int
    batch_size: int = 16
    learning_rate: float = 1e-3
    schedule: Schedule = "cosine"
    warmup_ratio: float = 0.05
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    max_length: int = 512
    accumulation: int = 1
    gradient_checkpointing: bool = False
    packing: bool = False
    dtype: Dtype = "float32"

    def __post_init__(self) -> None:
        """Check all fields and raise one error that names each wrong one."""
        problems = [
            f"{name}={getattr(self, name)!r}: must be an integer from 1"
            for name in ("steps", "batch_size", "max_length", "accumulation")
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1
        ]
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            problems.append(f"learning_rate={self.learning_rate!r}: must be a positive number")
        problems.extend(
            f"{name}={getattr(self, name)!r}: must be a number from 0"
            for name in ("weight_decay", "max_grad_norm")
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0)
        )
        if not 0 <= self.warmup_ratio < _HIGHEST_RATIO:
            problems.append(f"warmup_ratio={self.warmup_ratio!r}: must be in [0, 1)")
        for name, kind in (("schedule", Schedule), ("dtype", Dtype)):
            if getattr(self, name) not in get_args(kind):
                problems.append(f"{name}={getattr(self, name)!r}: must be one of {', '.join(get_args(kind))}")
        if problems:
            raise UserError(
                "The training settings are wrong:\n" + "\n".join(f"  {problem}" for problem in problems),
                "Set these fields to a valid value, for example steps=100, learning_rate=0.001.",
            )

    @property
    def draws(self) -> int:
        """Number of examples that a run uses, repetitions counted."""
        return self.steps * self.batch_size * self.accumulation
