"""How long a training and its answering take on an accelerator that is not here: arithmetic on stated assumptions.

A rough figure for planning: kernels, padding, waiting for data, and the host are in the two shares below and nowhere
else. What a machine really takes is measured there by a pilot.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from transformers import AutoModelForCausalLM

from talan_core.quiet import library_warnings_silenced
from talan_core.recipes.fitting import GPU_BYTES
from talan_core.recipes.footprint import FUSED

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from talan_core.training_settings import TrainingSettings


@dataclass(frozen=True)
class Accelerator:
    """What one device can do, and what share of it is taken to be reached.

    Args:
        name: As its maker calls it.
        memory: Bytes.
        flops: Operations per second in bfloat16, dense.
        bandwidth: Bytes per second of its memory.
        flops_share: Share of ``flops`` that long sequences reach.
        bandwidth_share: Share of ``bandwidth`` that decoding reaches.
    """

    name: str
    memory: int
    flops: float
    bandwidth: float
    flops_share: float = 0.4
    bandwidth_share: float = 0.5


H100: Final = Accelerator("H100 SXM", GPU_BYTES, 989e12, 3.35e12)
"""Peak figures of NVIDIA's data sheet; the shares are ours."""


@dataclass(frozen=True)
class Size:
    """What of a backbone is multiplied with every token, and what is read for every step of decoding.

    Args:
        active: Parameters that take part in a token's forward pass; of experts, those that one token is sent to.
        stored: All parameters.
    """

    active: int
    stored: int

    @classmethod
    def of(cls, config: PretrainedConfig) -> Size:
        """Count the parameters of an architecture; nothing is loaded."""
        with library_warnings_silenced(), torch.device("meta"):
            model: Any = cast("Any", AutoModelForCausalLM).from_config(copy.deepcopy(config), trust_remote_code=False)
        shape = config.get_text_config()
        experts, chosen = getattr(shape, "num_experts", None) or 1, getattr(shape, "num_experts_per_tok", None) or 1
        looked_up = model.get_input_embeddings().weight
        head = model.get_output_embeddings().weight
        active = 0
        for weight in model.parameters():
            if weight is looked_up and weight is not head:
                continue  # a row of it is read, nothing is multiplied
            active += weight.numel() * chosen // experts if weight.ndim == FUSED else weight.numel()
        return cls(active, sum(weight.numel() for weight in model.parameters()))


def training_seconds(
    size: Size, settings: TrainingSettings, tokens: float, device: Accelerator, *, all_weights: bool = False
) -> float:
    """Estimate a training.

    A token takes two operations per active parameter forward, and as many backward through frozen weights; weights that
    are trained take two more, activations that are computed again as well.

    Args:
        size: The backbone.
        settings: The recipe.
        tokens: Tokens of all examples that are learned, as often as they are.
        device: The accelerator.
        all_weights: Whether the backbone's own weights are trained.
    """
    operations = 4 + 2 * all_weights + 2 * settings.gradient_checkpointing
    return operations * size.active * tokens / (device.flops * device.flops_share)


def answering_seconds(size: Size, prompts: int, lengths: tuple[float, float], batch: int, device: Accelerator) -> float:
    """Estimate how long prompts take to be answered.

    Prompts are read at the speed of arithmetic. Each step of decoding reads all weights once for a whole batch, in 16
    bits; caches are not counted.

    Args:
        size: The backbone.
        prompts: How many.
        lengths: Mean tokens of a prompt and of its answer.
        batch: Prompts at a time.
        device: The accelerator.
    """
    asked, answered = lengths
    speed = device.flops * device.flops_share
    step = max(2 * size.stored / (device.bandwidth * device.bandwidth_share), 2 * size.active * batch / speed)
    return 2 * size.active * asked * prompts / speed + math.ceil(prompts / batch) * answered * step
