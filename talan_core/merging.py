"""A checkpoint as plain weights, for programs that run models and know no adapters; its block stays beside them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, cast

import torch
from transformers.core_model_loading import revert_weight_conversion

from talan_core.errors import UserError
from talan_core.partners.plain import Base, Full
from talan_core.plain import PlainModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peft import PeftModel
    from transformers import PreTrainedModel


def merge(model: PeftModel | PlainModel) -> PreTrainedModel:
    """Merge an arm's adapter into its backbone; a block is taken out.

    In float32 the merged weights give the adapter's outputs up to rounding; load the backbone in it.

    Args:
        model: From `talan_core.load`; used up.

    Returns:
        The backbone with the merged weights, its own object.

    Raises:
        UserError: What was trained is no change of weights, or PEFT cannot merge it.
    """
    if isinstance(model, PlainModel):
        if not isinstance(model.partner, (Base, Full)):
            raise _no_weights(model.partner.kind, "it edits activations")
        if model.talan is not None:
            model.talan.detach()
        return model.get_base_model()
    config = model.active_peft_config
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    if config.is_prompt_learning:
        raise _no_weights(kind, "it adds to the sequence")
    if (block := getattr(model, "talan", None)) is not None:
        block.detach()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The TALAN block stays active")  # it was taken out
        try:
            merged = cast("PreTrainedModel", model.merge_and_unload())
        except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
            raise _no_weights(kind, f"PEFT says: {' '.join(str(error).split())[:200]}") from error
    if block is not None:
        del merged.talan
    return merged


def plain_tensors(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Return a backbone's weights under the names that its files have, which are not always those in memory."""
    tensors = {name: value.detach() for name, value in model.state_dict().items()}
    return cast("dict[str, torch.Tensor]", revert_weight_conversion(model, tensors))


@torch.no_grad()
def bf16_survival(merged: Mapping[str, torch.Tensor], plain: Mapping[str, torch.Tensor]) -> float | None:
    """Return the share of the changed elements that are still changed when the weights are rounded to bfloat16.

    Args:
        merged: Weights by name, in float32.
        plain: Those of the backbone, by the same names.

    Returns:
        From 0 to 1; None where nothing was changed.
    """
    changed = kept = 0
    for name, value in merged.items():
        before = plain[name]
        if value.shape != before.shape or not value.is_floating_point():
            continue
        moved = value != before
        changed += int(moved.sum())
        kept += int((value.bfloat16() != before.bfloat16())[moved].sum())
    return kept / changed if changed else None


def _no_weights(kind: str, why: str) -> UserError:
    return UserError(
        f"{kind} cannot be merged into weights: {why}.",
        "Answer with a library that runs it as it is: --backend transformers, or talan_core.load(DIR).",
    )
