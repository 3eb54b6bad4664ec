"""How large an arm is, and what a control must have to be a fair one: the rank that matches, the gate that matches."""

from __future__ import annotations

import copy
import itertools
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from talan_core.arms import Arm, build
from talan_core.block import TalanBlock, block_parameters
from talan_core.errors import UserError
from talan_core.partners import Lora
from talan_core.partners.base import linear_layers
from talan_core.prompt_places import Prompts, prompts_told
from talan_core.training.pairing import derive_seed

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

    from talan_core.config import TalanConfig, TalanDefaults
    from talan_core.memory import MemoryContext
    from talan_core.model import TalanPeftModel


@dataclass(frozen=True)
class Match:
    """A partner without a block that has as many trainable parameters as an arm with one.

    Args:
        arm: The matched partner, such as "lora[extra=12]".
        parameters: Its trainable parameters.
        wanted: Those of the arm that it was matched to. Ranks of single layers are whole, so the two differ by up to
            half of what one rank costs in the largest layer.
    """

    arm: Arm
    parameters: int
    wanted: int


def trainable_parameters(backbone: PreTrainedModel, arm: Arm, *, defaults: TalanDefaults | None = None) -> int:
    """Count the trainable parameters of an arm.

    Args:
        backbone: The model, left as it is; one on the device "meta" will do.
        arm: The arm.
        defaults: The backbone's operating point.
    """
    model = build(copy.deepcopy(backbone), arm, seed=0, defaults=defaults)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def matched_lora(backbone: PreTrainedModel, arm: Arm, *, defaults: TalanDefaults | None = None) -> Match:
    """Find the partner alone that has as many trainable parameters as the arm with its block, within one per cent.

    Whole ranks are too coarse for that: one rank more in every layer is an eighth of LoRA with r = 8. So single layers
    get a rank more, in the model's order, each with the scale alpha / r of all (alpha / sqrt(r) for rsLoRA).

    Args:
        backbone: The model, left as it is; one on the device "meta" will do.
        arm: An arm with a block and a partner of the LoRA family.
        defaults: The backbone's operating point.

    Returns:
        The partner with the nearest size; all its other options are the arm's.

    Raises:
        UserError: If the partner has no rank to choose.
    """
    partner = arm.partner
    if not isinstance(partner, Lora):
        raise UserError(
            f"The partner of {arm.name} has no rank that could match the block.", "Match an arm such as talan+lora."
        )
    wanted = trainable_parameters(backbone, arm, defaults=defaults)
    given = trainable_parameters(backbone, Arm(partner), defaults=defaults)
    costs = deque(layer.in_features + layer.out_features for _, layer in linear_layers(backbone))
    costs.rotate(-partner.extra)  # the next rank goes to the layer after the last that got one
    every, missing = divmod(wanted - given, sum(costs))
    sizes = [0, *itertools.accumulate(costs)]
    more = min(range(len(sizes)), key=lambda count: abs(sizes[count] - missing))
    extra = partner.extra + every * len(costs) + more
    return Match(Arm(replace(partner, extra=extra)), given + every * sum(costs) + sizes[more], wanted)


def block_share(config: TalanConfig, hidden_size: int, num_layers: int, backbone_parameters: int) -> float:
    """Return a block's parameters over its backbone's.

    Args:
        config: The block's configuration, resolved here.
        hidden_size: The backbone's width d.
        num_layers: Number of its decoder layers.
        backbone_parameters: Number of its parameters.
    """
    return block_parameters(config.resolve(hidden_size, num_layers), hidden_size) / backbone_parameters


@torch.no_grad()
def matched_gate(trained: TalanPeftModel, input_ids: torch.Tensor) -> float:
    """Find the gate at which the noise control writes as much as a trained block does.

    Write "noise[gate=G]+X" beside "talan+X" with the G of this function, measured on prompts of the benchmark.

    Args:
        trained: A model with a trained block, in evaluation mode.
        input_ids: Token ids of prompts without padding, (batch, length).

    Returns:
        G: the mean over positions of the norm of the block's write, over the mean norm of the perturbation of a block
        of the same configuration and seed that has not been trained. The seed is the one in the model's provenance.
    """
    attachment = trained.talan
    provenance = None if attachment is None else attachment.provenance
    if provenance is None or attachment is None:
        raise UserError(
            "The model does not say which seed its block was drawn from.", 'Build it with build(..., "talan+lora").'
        )
    generator = torch.Generator().manual_seed(derive_seed(provenance.seed, "talan-init"))
    fresh = TalanBlock(attachment.config, attachment.hidden_size, generator=generator)
    norms: list[tuple[float, float]] = []

    def compare(_: nn.Module, args: tuple[torch.Tensor, MemoryContext], written: torch.Tensor) -> None:
        hidden, context = args
        perturbation = fresh.to(hidden.device).perturbation(hidden, context)
        norms.append((float((written - hidden).float().norm(dim=-1).mean()), float(perturbation.norm(dim=-1).mean())))

    handle = attachment.block.register_forward_hook(compare)
    try:
        with prompts_told(trained, Prompts()):
            trained(input_ids=input_ids, use_cache=False)
    finally:
        handle.remove()
    ((written, would_be),) = norms
    return written / would_be
