"""The weights of one checkpoint: its block against fresh draws, its adapter's change of the backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from talan_core.analysis.audit import BlockAudit, audit_block, weight_update
from talan_core.training.planned_rates import planned_rates
from talan_core.training_settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from talan_eval.experiment import Experiment
    from talan_eval.internals.measure import Opened
    from talan_eval.internals.subjects import StoredRun
    from talan_eval.store.store import Store


class KeptWeights(BaseModel):
    """What was found of the weights of one checkpoint.

    Attributes:
        block: None without a block, or where it does not say which seed it was drawn from.
        update: |Delta W|_F by kind of layer, and "all"; None where the arm changes no weight.
        parameters: Numbers in the block.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    block: BlockAudit | None
    update: dict[str, float] | None
    parameters: int


def weigh(opened: Opened, plain: Mapping[str, torch.Tensor], rates: float | None) -> KeptWeights:
    """Audit the weights of a subject; its model is not to be used afterwards.

    Args:
        opened: The subject.
        plain: The backbone's own tensors by name, on the CPU.
        rates: Sum of the learning rates that it was trained with; see `rates_of`.
    """
    attachment = opened.attachment
    known = attachment is not None and attachment.provenance is not None
    block = audit_block(attachment, rates=rates) if attachment is not None and known else None
    count = 0 if attachment is None else sum(weight.numel() for weight in attachment.parameters())
    return KeptWeights(block=block, update=weight_update(opened.model, plain), parameters=count)


def rates_of(store: Store, experiment: Experiment, run: StoredRun) -> float | None:
    """Return the sum over steps of the learning rate of a training; None where its steps are not recorded."""
    backbone = next(one for one in experiment.backbones if one.name == run.backbone)
    recipe: dict[str, Any] = {**backbone.training, **backbone.training_by_arm.get(run.arm, {})}
    if not store.has_record(run.cell_id):
        return None
    steps = len(store.record(run.cell_id).data["log"]["losses"])
    if not steps:
        return None
    recipe.pop("epochs", None)
    return sum(planned_rates(TrainingSettings(**{**recipe, "steps": steps})))
